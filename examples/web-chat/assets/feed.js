// The events of a conversation. A connection that is lost is made again, from the last event on.

import { events } from "./api.js";

const NAMES = ["hello", "start", "text", "reasoning", "call", "result", "done", "stopped", "failed",
  "unsaved", "changed", "list"];
const FIRST_WAIT = 300;
const LONGEST_WAIT = 5000;

export class Feed {
  #session;
  #onevent;
  #onstate;
  #source = null;
  #last = "";
  #wait = FIRST_WAIT;
  #timer = 0;
  #closed = false;

  /** Follows a conversation. `onstate` gets whether the connection is there. */
  constructor(session, onevent, onstate) {
    this.#session = session;
    this.#onevent = onevent;
    this.#onstate = onstate;
    // A browser has few connections for all its tabs, so a hidden one gives up its own.
    this.visibility = () => (document.hidden ? this.#drop() : this.#open());
    document.addEventListener("visibilitychange", this.visibility);
    window.addEventListener("online", this.visibility);
    this.visibility();
  }

  #open() {
    if (this.#source || this.#closed) return;
    clearTimeout(this.#timer);
    const source = new EventSource(events(this.#session, this.#last));
    this.#source = source;
    source.onopen = () => {
      this.#wait = FIRST_WAIT;
      this.#onstate(true);
    };
    source.onerror = () => {
      const last = this.#last;
      this.again();
      this.#last = last;
      if (!document.hidden && !this.#closed) this.#onstate(false);
    };
    for (const name of NAMES) {
      source.addEventListener(name, (event) => {
        if (this.#closed) return;
        if (event.lastEventId) this.#last = event.lastEventId;
        this.#onevent(name, JSON.parse(event.data));
      });
    }
  }

  /** Begins anew after a while, at least `least` milliseconds, as a page that was just opened. */
  again(least = 0) {
    this.#drop();
    this.#last = "";
    if (document.hidden || this.#closed) return;
    this.#timer = setTimeout(() => this.#open(), Math.max(this.#wait, least));
    this.#wait = Math.min(this.#wait * 2, LONGEST_WAIT);
  }

  #drop() {
    clearTimeout(this.#timer);
    this.#source?.close();
    this.#source = null;
  }

  close() {
    this.#closed = true;
    this.#drop();
    document.removeEventListener("visibilitychange", this.visibility);
    window.removeEventListener("online", this.visibility);
  }
}

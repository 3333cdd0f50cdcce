// The conversation that is open: its turns, the answer that is being written, and what happens in
// it, here and in other tabs.

import * as api from "./api.js";
import { byId } from "./dom.js";
import * as drafts from "./drafts.js";
import { Feed } from "./feed.js";
import { Turn, wordButton } from "./turn.js";

/** The wait before a conversation that could not be loaded is loaded again, in milliseconds. */
const AGAIN = 3000;
/** The distance from the end, in pixels, within which the page follows the answer. */
const NEAR = 80;

export class Conversation {
  #feed = null;
  #queue = Promise.resolve();
  #turns = [];
  #live = null;
  #unsent = null;
  #ahead = null;
  #follows = true;
  #last = null;
  #anchor = null;
  #isLost = false;
  #title = "";

  /** `page` has the composer, and functions for what concerns the rest of the page. */
  constructor(page) {
    this.page = page;
    this.session = null;
    this.scroller = byId("scroller");
    this.list = byId("turns");
    this.earlier = byId("earlier");
    this.latest = byId("latest");
    this.actions = {
      again: (turn) => this.ask(turn.text, turn.after),
      edit: (turn) => this.page.composer.edit(turn.text, turn.after),
      undo: (turn) => this.#undo(turn),
      choose: (turn, newest) => this.#choose(turn, newest),
      drawn: () => this.#follow(),
    };
    this.scroller.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    const sizes = new ResizeObserver(() => this.#follow());
    sizes.observe(byId("column"));
    sizes.observe(this.scroller);
    const seen = ([entry]) => entry.isIntersecting && this.#loadEarlier();
    new IntersectionObserver(seen, { root: this.scroller, rootMargin: "800px" }).observe(this.earlier);
    this.latest.addEventListener("click", () => this.#toEnd());
    byId("restore").addEventListener("click", () => this.#ahead && this.#setTip(this.#ahead));
  }

  /** Opens a conversation, which may be new. */
  open(session) {
    this.#feed?.close();
    this.session = session;
    this.#queue = Promise.resolve();
    this.#unsent = null;
    this.#isLost = false;
    this.#end();
    this.#clear();
    this.#follows = true;
    const isCurrent = () => this.session === session;
    this.#feed = new Feed(
      session,
      (name, data) => {
        this.#queue = this.#queue.then(() => isCurrent() && this.#happened(name, data)).catch((error) => {
          if (!isCurrent()) return;
          this.page.notice(error.message, true);
          // What was not loaded is asked for again.
          if (name !== "failed") this.#feed.again(AGAIN);
        });
      },
      (isThere) => isCurrent() && this.#connected(isThere),
    );
  }

  /** Returns whether an answer is being written. */
  get isBusy() {
    return this.#live !== null;
  }

  /** Asks, at the end of the conversation or after one of its turns. */
  async ask(message, after) {
    if (this.isBusy) return this.page.notice("An answer is being written; wait for its end, or stop it.", true);
    const question = { id: turnId(), message, after: after ?? null };
    drafts.keepSent(this.session, question);
    await this.#send(question);
  }

  /** Ends the answer that is being written. */
  async stop() {
    if (!this.#live) return;
    try {
      await api.stop(this.session, this.#live.id);
    } catch (error) {
      this.page.notice(error.message, true);
    }
  }

  /** Edits the last message. Returns false if there is none. */
  editLast() {
    const last = this.#turns.at(-1);
    if (!last || this.isBusy) return false;
    this.actions.edit(last);
    return true;
  }

  async #send(question) {
    const { session } = this;
    this.#start({ turn: question.id, question: question.message, after: question.after });
    this.#follows = true;
    this.#toEnd();
    try {
      const state = await api.ask(session, question);
      if (session !== this.session) return;
      this.#unsent = null;
      // It was answered before the connection was lost, and its events are gone.
      if (state === "stored" && this.#live?.id === question.id) {
        this.#end();
        drafts.keepSent(session, null);
        await this.#reload();
      }
    } catch (error) {
      if (session !== this.session || this.#live?.id !== question.id) return;
      if (error.status === 0) {
        // It is sent again when the connection is back, or before.
        this.#unsent = question;
        this.#fault(error.message, question);
      } else {
        this.#giveBack(question.id);
        this.page.notice(error.message, true);
      }
    }
  }

  /** Does what an event says. */
  async #happened(name, data) {
    switch (name) {
      case "hello":
        return this.#hello(data);
      case "start":
        if (this.#live?.id !== data.turn) this.#start(data);
        return;
      case "done":
        return this.#done(data);
      case "stopped":
        return this.#giveBack(data.id);
      case "failed": {
        const turn = this.#live;
        this.#end();
        // An answer that can never be stored is only here: it can be read and copied.
        if (turn?.id === data.id && data.turn) turn.show(data.turn);
        if (turn?.id === data.id) this.#fault(data.error, { id: turn.id, message: turn.text, after: turn.after }, turn);
        return;
      }
      case "unsaved": {
        const turn = this.#live ?? this.#show(data.turn);
        this.#end();
        turn.show(data.turn);
        return this.#unsaved(turn, data.error);
      }
      case "changed":
        if (data.deleted) return this.page.deleted(this.session);
        return this.#reload();
      case "list":
        return this.page.listChanged();
      default:
        this.#live?.add(name, data);
    }
  }

  /** Shows all from the store, and the answer that is being written. */
  async #hello({ running, unsaved }) {
    this.#end();
    await this.#reload();
    if (running) this.#start(running);
    if (unsaved) this.#unsaved(this.#show(unsaved), "The last answer is not saved.");
    const question = drafts.sent(this.session);
    if (!question || question.id === running?.turn || this.#unsent) return;
    if (question.id === unsaved?.id || this.#turns.some((turn) => turn.id === question.id)) {
      drafts.keepSent(this.session, null);
    } else {
      const turn = Turn.live({ turn: question.id, question: question.message, after: question.after }, this.actions);
      this.#place(turn);
      this.#fault("This message has no answer yet.", question, turn);
    }
  }

  #start(running) {
    this.#turns.find((turn) => turn.id === running.turn)?.element.remove();
    this.#turns = this.#turns.filter((turn) => turn.id !== running.turn);
    this.#live = Turn.live(running, this.actions);
    this.#place(this.#live);
    this.page.busy(true);
    this.page.notice("");
  }

  /** Puts a turn after the one that it follows, in place of those that were there. */
  #place(turn) {
    byId("welcome").hidden = true;
    byId("taken-back").hidden = true;
    if (turn.after) {
      const index = turn.after === "start" ? 0 : this.#turns.findIndex((one) => one.id === turn.after) + 1;
      for (const other of this.#turns.splice(index)) other.element.remove();
      if (turn.after === "start") this.earlier.hidden = true;
    }
    this.#turns.push(turn);
    this.list.append(turn.element);
    this.#follow();
  }

  #show(view) {
    const turn = Turn.stored(view, this.actions);
    this.#place(turn);
    return turn;
  }

  #end() {
    this.#live = null;
    this.page.busy(false);
  }

  async #done({ turn: view, error }) {
    const turn = this.#live ?? this.#turns.at(-1);
    this.#end();
    // Another program may have added turns before it.
    const previous = this.#turns.at(-2);
    const isNext = !previous || view?.after === previous.id;
    if (view && turn?.id === view.id && isNext) {
      turn.fault("");
      turn.show(view);
      this.page.announce(turn.parts.filter((part) => part.kind === "text").map((part) => part.text).join(" "));
    } else {
      await this.#reload();
    }
    if (view && drafts.sent(this.session)?.id === view.id) drafts.keepSent(this.session, null);
    if (!this.#title) this.#titled(this.#turns[0]?.text.trim().replace(/\s+/g, " ").slice(0, 80));
    this.page.notice("");
    if (error) this.#turns.at(-1)?.fault(`The answer ended early: ${error}`);
    this.#follow();
  }

  /** Takes away a question that has no answer, and returns its words to where they were typed. */
  #giveBack(id) {
    const turn = this.#live?.id === id ? this.#live : null;
    this.#end();
    const question = drafts.sent(this.session);
    if (question?.id === id) {
      drafts.keepSent(this.session, null);
      this.page.composer.giveBack(question.message, question.after);
    }
    turn?.element.remove();
    this.#turns = this.#turns.filter((one) => one !== turn);
    return this.#reload();
  }

  #fault(text, question, turn = this.#live) {
    this.#end();
    turn?.fault(text,
      wordButton("Try again", () => this.#send(question)),
      wordButton("Edit", () => {
        drafts.keepSent(this.session, question);
        this.#unsent = null;
        turn.element.remove();
        return this.#giveBack(question.id);
      }));
  }

  #unsaved(turn, error) {
    turn.fault(error, wordButton("Save again", async () => {
      try {
        await api.save(this.session);
      } catch (failure) {
        this.#unsaved(turn, failure.message);
      }
    }));
  }

  #connected(isThere) {
    if (!isThere) {
      this.#isLost = true;
      return this.page.notice("The connection is lost. Trying again…");
    }
    if (this.#isLost) this.page.notice("");
    this.#isLost = false;
    const question = this.#unsent;
    this.#unsent = null;
    if (question) this.#send(question);
  }

  async #undo(turn) {
    if (!(await this.#setTip(turn.after))) return;
    if (!this.page.composer.text) this.page.composer.giveBack(turn.text, null);
  }

  /** Shows another alternative, at the place of the page where this one is. */
  #choose(turn, newest) {
    this.#anchor = { after: turn.after, top: turn.element.getBoundingClientRect().top };
    return this.#setTip(newest);
  }

  async #setTip(after) {
    try {
      await api.setTip(this.session, after);
      return true;
    } catch (error) {
      this.page.notice(error.message, true);
      return false;
    }
  }

  #titled(title) {
    this.#title = title;
    this.page.titled(title);
  }

  #clear() {
    this.#turns = [];
    this.list.replaceChildren();
    this.earlier.hidden = true;
    byId("welcome").hidden = true;
    byId("taken-back").hidden = true;
  }

  async #reload() {
    const { session } = this;
    const page = await api.turns(session);
    if (session !== this.session) return;
    this.#clear();
    this.#turns = page.turns.map((view) => Turn.stored(view, this.actions));
    this.list.append(...this.#turns.map((turn) => turn.element));
    this.earlier.hidden = !page.more;
    this.#ahead = page.ahead ?? null;
    byId("taken-back").hidden = !this.#ahead;
    byId("welcome").hidden = this.#turns.length > 0 || this.#ahead !== null;
    this.#titled(page.title);
    const anchor = this.#anchor;
    this.#anchor = null;
    const anchored = anchor && this.#turns.find((turn) => turn.after === anchor.after);
    if (anchored) {
      this.#follows = false;
      this.scroller.scrollTop += anchored.element.getBoundingClientRect().top - anchor.top;
    }
    this.#follow();
  }

  async #loadEarlier() {
    const { session } = this;
    const [first] = this.#turns;
    if (!first?.after || this.earlier.hidden || this.loading) return;
    this.loading = true;
    try {
      const page = await api.turns(session, first.after);
      if (session !== this.session || this.#turns[0] !== first) return;
      const earlier = page.turns.map((view) => Turn.stored(view, this.actions));
      const before = first.element.getBoundingClientRect().top;
      this.#turns.unshift(...earlier);
      this.list.prepend(...earlier.map((turn) => turn.element));
      // What is read stays where it is.
      this.scroller.scrollTop += first.element.getBoundingClientRect().top - before;
      this.earlier.hidden = !page.more;
    } catch (error) {
      this.page.notice(error.message, true);
    } finally {
      this.loading = false;
    }
    // The observer reports changes only, and there may be room for more.
    if (!this.earlier.hidden && this.scroller.scrollTop < 800) requestAnimationFrame(() => this.#loadEarlier());
  }

  #scrolled() {
    const { scrollHeight: height, scrollTop: top, clientHeight: seen } = this.scroller;
    const last = this.#last;
    this.#last = { height, top, seen };
    // Where the sizes have changed as well, it was not a person who scrolled.
    const isPerson = height === last?.height && seen === last?.seen && top < last.top;
    if (height - top - seen < NEAR) this.#follows = true;
    else if (isPerson) this.#follows = false;
    this.latest.hidden = this.#follows;
  }

  #follow() {
    if (this.#follows) this.scroller.scrollTop = this.scroller.scrollHeight;
  }

  #toEnd() {
    this.#follows = true;
    this.latest.hidden = true;
    this.#follow();
  }
}

/** Returns a new id of a turn: a UUID of version 7, which begins with the time. */
function turnId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  const time = Date.now();
  for (let index = 0; index < 6; index += 1) bytes[index] = Math.floor(time / 2 ** (8 * (5 - index))) % 256;
  bytes[6] = (bytes[6] & 0x0f) | 0x70;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const digits = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

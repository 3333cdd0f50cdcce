// The list of conversations.

import * as api from "./api.js";
import { byId, h } from "./dom.js";

/** The wait after a key before a search begins, in milliseconds. */
const TYPING = 150;

export class Sidebar {
  #next = null;
  #count = 0;
  #timer = 0;
  #current = null;

  constructor(page) {
    this.page = page;
    this.list = byId("sessions");
    this.search = byId("search");
    this.more = byId("more-sessions");
    this.search.addEventListener("input", () => this.refresh(TYPING));
    this.search.addEventListener("keydown", (event) => {
      if (event.key === "Escape") {
        this.search.value = "";
        this.refresh(0);
      }
    });
    this.more.addEventListener("click", () => this.#load(this.#next));
    new IntersectionObserver(([entry]) => entry.isIntersecting && this.#next && this.#load(this.#next)).observe(this.more);
    this.list.addEventListener("keydown", (event) => this.#key(event));
  }

  /** Marks the conversation that is open. */
  select(session) {
    this.#current = session;
    for (const link of this.list.querySelectorAll("a")) this.#mark(link);
  }

  /** Loads the list again, after a wait in which further reasons may come. */
  refresh(wait = 50) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#load(null), wait);
  }

  async #load(after) {
    const search = this.search.value.trim();
    this.#count += 1;
    const count = this.#count;
    let page;
    try {
      page = await api.sessions(search, after);
    } catch (error) {
      this.#empty(error.message);
      return;
    }
    // A later search has begun meanwhile.
    if (count !== this.#count) return;
    const entries = page.sessions.map((session) => this.#entry(session));
    if (after) {
      this.list.append(...entries);
    } else {
      const focused = document.activeElement?.closest?.("#sessions a")?.hash;
      this.list.replaceChildren(...entries);
      if (focused) this.list.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus();
    }
    this.#next = page.next;
    this.more.hidden = !page.next;
    this.#empty(this.list.children.length ? "" : search ? "No conversation has these words." : "No conversations yet.");
  }

  #empty(text) {
    const note = byId("no-sessions");
    note.textContent = text;
    note.hidden = !text;
  }

  #entry({ id, title, used, turns }) {
    const count = turns === 1 ? "1 turn" : `${turns} turns`;
    const link = h("a", { href: `#${encodeURIComponent(id)}`, title: `${title || id} · ${count}` },
      h("span", { className: "name", dir: "auto" }, title || id),
      h("time", { dateTime: new Date(used).toISOString() }, when(used)));
    link.dataset.session = id;
    this.#mark(link);
    return h("li", {}, link);
  }

  #mark(link) {
    if (link.dataset.session === this.#current) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }

  #key(event) {
    const step = { ArrowDown: "nextElementSibling", ArrowUp: "previousElementSibling" }[event.key];
    const other = step && event.target.closest("li")?.[step]?.querySelector("a");
    if (!other) return;
    event.preventDefault();
    other.focus();
  }
}

/** Returns a time in few letters: the time of today, or the day. */
function when(time) {
  const date = new Date(time);
  const now = new Date();
  if (date.toDateString() === now.toDateString()) return date.toLocaleTimeString([], { timeStyle: "short" });
  const year = date.getFullYear() === now.getFullYear() ? undefined : "numeric";
  return date.toLocaleDateString([], { day: "numeric", month: "short", year });
}

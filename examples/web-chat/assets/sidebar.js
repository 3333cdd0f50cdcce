// The list of conversations.

import * as api from "./api.js";
import { byId, h } from "./dom.js";

/** The most entries that are loaded again when the list has changed. */
const MOST_AGAIN = 300;
/** The wait after a key before a search begins, in milliseconds. */
const TYPING = 150;

export class Sidebar {
  #next = null;
  #count = 0;
  #search = "";
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
    // A list that is loaded again has as many entries as before.
    const least = after || search !== this.#search ? 1 : Math.min(this.list.children.length, MOST_AGAIN);
    const sessions = [];
    let next = after;
    try {
      do {
        const page = await api.sessions(search, next);
        sessions.push(...page.sessions);
        next = page.next;
      } while (next && sessions.length < least);
    } catch (error) {
      this.#empty(error.message);
      return;
    }
    // A later search has begun meanwhile.
    if (count !== this.#count) return;
    this.#search = search;
    this.#show(sessions, after !== null);
    this.#next = next;
    this.more.hidden = !next;
    this.#empty(this.list.children.length ? "" : search ? "No conversation has these words." : "No conversations yet.");
  }

  /** Shows conversations. An entry that has not changed stays, with its focus. */
  #show(sessions, isMore) {
    const shown = new Map(Array.from(this.list.children, (item) => [item.dataset.shown, item]));
    const focused = document.activeElement?.closest?.("#sessions a")?.dataset.session;
    const items = sessions.map((session) => shown.get(shownAs(session)) ?? this.#entry(session));
    if (isMore) this.list.append(...items);
    else if (items.some((item, index) => item !== this.list.children[index]) || items.length !== shown.size) {
      this.list.replaceChildren(...items);
    }
    if (focused && document.activeElement === document.body) {
      items.map((item) => item.firstChild).find((link) => link.dataset.session === focused)?.focus();
    }
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
    const item = h("li", {}, link);
    item.dataset.shown = shownAs({ id, title, used, turns });
    return item;
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

/** Returns all that is seen of an entry, in one text. */
const shownAs = ({ id, title, used, turns }) => JSON.stringify([id, title, when(used), turns]);

/** Returns a time in few letters: the time of today, or the day. */
function when(time) {
  const date = new Date(time);
  const now = new Date();
  if (date.toDateString() === now.toDateString()) return date.toLocaleTimeString([], { timeStyle: "short" });
  const year = date.getFullYear() === now.getFullYear() ? undefined : "numeric";
  return date.toLocaleDateString([], { day: "numeric", month: "short", year });
}

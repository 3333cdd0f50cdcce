// Where messages are typed. What is typed is kept at each change.

import { byId, icon } from "./dom.js";
import * as drafts from "./drafts.js";

export class Composer {
  #session = null;
  /** The point at which the message is asked, if it takes an earlier one's place. */
  #after = null;
  /** The draft that was there before an earlier message was edited. */
  #aside = "";

  /** `page` has `ask` and `stop`. */
  constructor(page) {
    this.page = page;
    this.field = byId("message");
    this.send = byId("send");
    this.stop = byId("stop");
    this.send.append(icon("send"));
    this.stop.append(icon("stop"));
    this.field.addEventListener("input", () => this.#changed());
    this.field.addEventListener("keydown", (event) => this.#key(event));
    this.stop.addEventListener("click", () => this.page.stop());
    byId("cancel-editing").addEventListener("click", () => this.#cancel());
    byId("composer").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
  }

  get text() {
    return this.field.value;
  }

  /** Shows the draft of a conversation. */
  open(session) {
    this.#session = session;
    const { text, editing } = drafts.draft(session);
    this.#set(text, editing?.after ?? null, editing?.aside ?? "");
  }

  /** Edits an earlier message, which is then asked again after a point. */
  edit(text, after) {
    if (!this.#after) this.#aside = this.text;
    this.#set(text, after, this.#aside);
    this.field.focus();
  }

  /** Puts a message back that was sent and has no answer. What was typed since then comes after. */
  giveBack(text, after) {
    const both = [text, this.text].filter((one) => one.trim()).join("\n\n");
    this.#set(both, after, this.#aside);
    this.field.focus();
  }

  /** Sets whether an answer is being written. */
  busy(isBusy) {
    this.send.hidden = isBusy;
    this.stop.hidden = !isBusy;
  }

  #set(text, after, aside) {
    this.field.value = text;
    this.#after = after;
    this.#aside = aside;
    byId("editing").hidden = !after;
    this.#changed();
  }

  #changed() {
    const editing = this.#after ? { after: this.#after, aside: this.#aside } : null;
    drafts.keepDraft(this.#session, { text: this.text, editing });
    this.send.disabled = !this.text.trim();
    this.field.style.height = "auto";
    this.field.style.height = `${this.field.scrollHeight}px`;
  }

  #cancel() {
    this.#set(this.#aside, null, "");
    this.field.focus();
  }

  #key(event) {
    // Enter that ends the input of a character, such as a Japanese one, is not for us.
    if (event.isComposing) return;
    if (event.key === "Enter" && !event.shiftKey && !event.ctrlKey && !event.altKey) {
      event.preventDefault();
      this.#submit();
    } else if (event.key === "Escape" && this.#after && !this.page.isBusy()) {
      event.stopPropagation();
      this.#cancel();
    } else if (event.key === "ArrowUp" && !this.text && this.page.editLast()) {
      event.preventDefault();
    }
  }

  #submit() {
    const text = this.text.trim();
    if (!text) return;
    if (this.page.isBusy()) return this.page.busyNotice();
    const after = this.#after;
    this.#set(this.#aside, null, "");
    this.page.ask(text, after);
  }
}

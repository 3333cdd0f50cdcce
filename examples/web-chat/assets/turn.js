// A turn on the page: the question, what the model did, the answer, and what can be done with it.

import { copyButton, h, icon, iconButton } from "./dom.js";
import { markdown } from "./markdown.js";

/** Returns the parts of a stored answer: reasoning, calls of tools with their results, and texts. */
function partsOf(messages) {
  const parts = [];
  for (const message of messages) {
    if (message.result_of !== null) {
      const call = parts.find((part) => part.kind === "call" && part.id === message.result_of);
      if (call) call.result = message.text;
      continue;
    }
    if (message.reasoning) parts.push({ kind: "reasoning", text: message.reasoning });
    if (message.text.trim()) parts.push({ kind: "text", text: message.text });
    for (const { id, name, arguments: given } of message.calls) {
      parts.push({ kind: "call", id, name, given, result: null });
    }
  }
  return parts;
}

/** A turn on the page. */
export class Turn {
  /** `actions` has functions for the buttons; each gets the turn. */
  constructor(actions) {
    this.actions = actions;
    this.parts = [];
    this.drawn = [];
    this.question = h("div", { className: "question", dir: "auto" });
    this.answer = h("div", { className: "answer" });
    this.error = h("p", { className: "error", hidden: true });
    this.tools = h("div", { className: "tools" });
    this.asked = h("div", { className: "asked" }, this.question);
    this.element = h("li", { className: "turn" },
      h("h2", { className: "hidden" }, "You"), this.asked,
      h("h2", { className: "hidden" }, "Answer"), this.answer, this.error, this.tools);
  }

  /** Shows a turn that is stored. */
  static stored(view, actions) {
    const turn = new Turn(actions);
    turn.show(view);
    return turn;
  }

  /** Shows a question whose answer is awaited. */
  static live({ turn: id, question, after }, actions) {
    const turn = new Turn(actions);
    turn.id = id;
    turn.after = after;
    turn.isLive = true;
    turn.element.dataset.turn = id;
    turn.text = question;
    turn.#ask();
    turn.wait();
    return turn;
  }

  /** Shows what is stored in place of what was streamed. */
  show(view) {
    this.view = view;
    this.id = view.id;
    this.after = view.after;
    this.text = view.question ?? "";
    this.isLive = false;
    this.element.dataset.turn = view.id;
    this.element.classList.remove("live");
    this.parts = partsOf(view.messages);
    this.drawn = [];
    this.answer.replaceChildren();
    this.#ask();
    this.draw();
    this.#finish();
  }

  #ask() {
    this.question.textContent = this.text;
    this.asked.hidden = !this.text;
    this.asked.querySelector(".tools")?.remove();
    if (this.isLive) return;
    this.asked.append(h("div", { className: "tools" },
      iconButton("edit", "Edit the message", () => this.actions.edit(this)),
      copyButton("Copy the message", () => this.text)));
  }

  /** Begins to wait for the answer. */
  wait() {
    this.isLive = true;
    this.fault("");
    this.parts = [];
    this.drawn = [];
    this.element.classList.add("live");
    this.answer.replaceChildren(h("p", { className: "thinking faint" }, "Thinking…"));
    this.tools.replaceChildren();
  }

  /** Adds a piece of the answer. */
  add(name, data) {
    const last = this.parts.at(-1);
    switch (name) {
      case "text":
      case "reasoning":
        if (last?.kind === name) last.text += data;
        else this.parts.push({ kind: name, text: data });
        break;
      case "call": {
        const isOpen = (part) => part.kind === "call" && part.index === data.index && part.result === null;
        let call = this.parts.find(isOpen);
        if (!call) this.parts.push((call = { kind: "call", index: data.index, id: null, name: "", given: "", result: null }));
        call.id = data.id ?? call.id;
        call.name += data.name ?? "";
        call.given += data.arguments;
        break;
      }
      case "result": {
        const call = this.parts.find((part) => part.kind === "call" && part.id === data.result_of);
        if (call) call.result = data.text;
        break;
      }
    }
    // Pieces that come faster than the screen is painted are drawn together.
    this.frame ??= requestAnimationFrame(() => {
      this.frame = undefined;
      if (this.isLive) this.draw();
      this.actions.drawn();
    });
  }

  /** Draws the parts that have changed. */
  draw() {
    if (!this.parts.length) return;
    this.answer.querySelector(".thinking")?.remove();
    this.parts.forEach((part, index) => {
      const state = JSON.stringify(part);
      const drawn = this.drawn[index];
      if (drawn?.state === state) return;
      const element = this.#part(part, drawn?.element);
      if (!drawn) this.answer.append(element);
      this.drawn[index] = { state, element };
    });
  }

  #part(part, element) {
    switch (part.kind) {
      case "text":
        element ??= h("div", { className: "text" });
        element.replaceChildren(elementsOf(part.text.trim()));
        return element;
      case "reasoning":
        element ??= h("details", { className: "reasoning" }, h("summary", {}, "Reasoning"), h("div", { dir: "auto" }));
        element.lastChild.textContent = part.text;
        return element;
      default: {
        element ??= h("details", { className: "call" }, h("summary"), h("dl", {},
          h("dt", {}, "Arguments"), h("dd", {}, h("pre", { dir: "ltr" })),
          h("dt", {}, "Result"), h("dd", {}, h("pre", { dir: "auto" }))));
        const [given, result] = element.querySelectorAll("pre");
        element.firstChild.textContent = `Tool ${part.name}${part.result === null ? " …" : ""}`;
        given.textContent = part.given;
        result.textContent = part.result ?? "";
        return element;
      }
    }
  }

  #finish() {
    const { view } = this;
    const text = () => this.parts.filter((part) => part.kind === "text").map((part) => part.text.trim()).join("\n\n");
    this.tools.replaceChildren(
      copyButton("Copy the answer", text),
      iconButton("retry", "Answer again", () => this.actions.again(this)));
    if (view.alternatives) this.tools.append(this.#alternatives());
    this.undo = iconButton("undo", "Take back this turn", () => this.actions.undo(this));
    this.undo.classList.add("undo");
    this.tools.append(this.undo, h("span", { className: "facts" }, facts(view)));
  }

  #alternatives() {
    const { alternatives, position } = this.view;
    const go = (to) => this.actions.choose(this, alternatives[to]);
    const back = iconButton("back", "Show the previous alternative", () => go(position - 1));
    const forward = iconButton("forward", "Show the next alternative", () => go(position + 1));
    back.disabled = position === 0;
    forward.disabled = position === alternatives.length - 1;
    const place = h("span", { ariaLabel: `Alternative ${position + 1} of ${alternatives.length}`, role: "img" },
      `${position + 1}/${alternatives.length}`);
    return h("span", { className: "alternatives", role: "group", ariaLabel: "Alternatives" }, back, place, forward);
  }

  /** Shows a fault, with buttons. An empty text shows none. */
  fault(text, ...buttons) {
    this.error.replaceChildren(text, ...buttons);
    this.error.hidden = !text;
    if (text) {
      this.element.classList.remove("live");
      this.answer.querySelector(".thinking")?.remove();
    }
  }
}

/** Returns the elements of a text, or the text: a fault in one answer must not hide the others. */
function elementsOf(text) {
  try {
    return markdown(text);
  } catch (error) {
    console.error(error);
    return h("div", { dir: "auto" }, text);
  }
}

/** Returns a button of words. */
export const wordButton = (label, onclick) => h("button", { type: "button", onclick }, label);

/** Returns the facts of a stored turn in one line. */
function facts({ incomplete, record, time }) {
  const found = [];
  if (incomplete) found.push("not complete");
  else if (record?.finish && !["stop", "tool_calls"].includes(record.finish)) {
    found.push(record.finish === "length" ? "cut at the limit of its length" : `ended by ${record.finish}`);
  }
  if (record?.output) found.push(`${record.input ?? "?"} → ${record.output} tokens`);
  if (record?.reasoning) found.push(`${record.reasoning} of reasoning`);
  if (record?.seconds) found.push(`${record.seconds.toFixed(1)} s`);
  if (record?.model) found.push(record.model);
  if (time) found.push(new Date(time).toLocaleString([], { dateStyle: "medium", timeStyle: "short" }));
  return found.join(" · ");
}

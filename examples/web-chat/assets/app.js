// The page: which conversation is open, and what concerns all parts.

import * as api from "./api.js";
import { Composer } from "./composer.js";
import { Conversation } from "./conversation.js";
import { byId, icon } from "./dom.js";
import * as drafts from "./drafts.js";
import { Sidebar } from "./sidebar.js";

const NEW = "New chat";

let announced = null;
const sidebar = new Sidebar();
const composer = new Composer({
  ask: (text, after) => conversation.ask(text, after),
  stop: () => conversation.stop(),
  isBusy: () => conversation.isBusy,
  busyNotice: () => notice("An answer is being written; wait for its end, or stop it."),
  editLast: () => conversation.editLast(),
});
const conversation = new Conversation({
  composer,
  notice,
  busy: (isBusy) => composer.busy(isBusy),
  titled,
  listChanged: () => sidebar.refresh(),
  deleted,
  announce,
});

/** Shows a line below the message. A fault is shown in another colour. */
function notice(text, isFault = false) {
  byId("notice").textContent = text;
  byId("notice").classList.toggle("error", isFault);
}

/** Lets screen readers read an answer that has come to its end. */
function announce(text) {
  announced ??= document.body.appendChild(
    Object.assign(document.createElement("div"), { className: "hidden", role: "status", ariaLabel: "Answer" }));
  announced.textContent = text;
}

function titled(title) {
  byId("title").textContent = title || NEW;
  // Characters that change the direction would reach into the browser's own words.
  document.title = `${(title || NEW).replace(/[\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu, "")} · conversant`;
  byId("rename").hidden = byId("delete").hidden = !title;
}

/** Opens the conversation that the address names, or a new one. */
function route() {
  let session = "";
  try {
    session = decodeURIComponent(location.hash.slice(1));
  } catch {
    // It is not an address of ours.
  }
  if (!session) return begin(true);
  if (session === conversation.session) return;
  notice("");
  titled("");
  sidebar.select(session);
  showSidebar(false);
  composer.open(session);
  conversation.open(session);
  composer.field.focus();
}

/** Begins a conversation. It is in the list when it has a turn. */
function begin(replaces = false) {
  const address = `#${crypto.randomUUID()}`;
  if (replaces) {
    history.replaceState(null, "", address);
    route();
  } else {
    location.hash = address;
  }
}

function deleted(session) {
  drafts.forget(session);
  begin(true);
  notice("The conversation was deleted.");
}

function showSidebar(isShown) {
  document.body.classList.toggle("shows-sidebar", isShown);
  byId("open-sidebar").ariaExpanded = String(isShown);
  if (isShown) byId("search").focus();
}

/** Shows a dialog, and returns whether it was agreed to. */
function agreed(dialog) {
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "ok"), { once: true });
  });
}

async function attempt(action) {
  try {
    await action();
  } catch (error) {
    notice(error.message, true);
  }
}

async function rename() {
  const { session } = conversation;
  const field = byId("new-title");
  field.value = byId("title").textContent;
  field.select();
  if (!(await agreed(byId("rename-dialog")))) return;
  await attempt(async () => {
    await api.rename(session, field.value);
    if (session === conversation.session) titled(field.value.trim());
  });
}

async function remove() {
  const { session } = conversation;
  if (await agreed(byId("delete-dialog"))) await attempt(() => api.remove(session));
}

function shortcut(event) {
  const isCommand = event.ctrlKey || event.metaKey;
  if (isCommand && event.key.toLowerCase() === "k") {
    event.preventDefault();
    showSidebar(true);
    byId("search").select();
  } else if (isCommand && event.shiftKey && event.key.toLowerCase() === "o") {
    event.preventDefault();
    begin();
  } else if (event.key === "Escape" && !document.querySelector("dialog[open]")) {
    if (document.body.classList.contains("shows-sidebar")) {
      showSidebar(false);
      byId("open-sidebar").focus();
    } else if (conversation.isBusy) {
      conversation.stop();
    }
  }
}

for (const [id, name] of [["open-sidebar", "menu"], ["close-sidebar", "close"], ["rename", "edit"],
  ["delete", "trash"], ["theme", "theme"]]) {
  byId(id).append(icon(name));
}
byId("new").addEventListener("click", () => begin());
byId("rename").addEventListener("click", rename);
byId("delete").addEventListener("click", remove);
byId("open-sidebar").addEventListener("click", () => showSidebar(true));
byId("close-sidebar").addEventListener("click", () => showSidebar(false));
byId("shade").addEventListener("click", () => showSidebar(false));
document.addEventListener("keydown", shortcut);
window.addEventListener("hashchange", route);

route();
sidebar.refresh(0);
attempt(async () => {
  const { model, file, tools } = await api.about();
  byId("about").textContent = tools.length ? `${model}, with tools` : model;
  byId("about").title = `Conversations are kept in ${file}`;
});

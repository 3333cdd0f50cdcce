// What was typed, kept in the browser: the draft of each conversation, and the question that was
// sent and is not known to be stored yet.

/** Reads from a storage that may be missing. */
function read(storage, key) {
  try {
    return JSON.parse(storage().getItem(key));
  } catch {
    return null;
  }
}

function write(storage, key, value) {
  try {
    if (value === null) storage().removeItem(key);
    else storage().setItem(key, JSON.stringify(value));
  } catch {
    // Without storage, or if it is full, the text is in the page alone.
  }
}

const tab = () => sessionStorage;
const browser = () => localStorage;

/** Returns the draft of a conversation: `{text, editing}`. This tab's own goes before another's. */
export function draft(session) {
  const key = `draft:${session}`;
  return read(tab, key) ?? read(browser, key) ?? { text: "", editing: null };
}

/** Keeps a draft. It is in this tab, and in the browser, where it outlives the tab. */
export function keepDraft(session, value) {
  const kept = value.text || value.editing ? value : null;
  write(tab, `draft:${session}`, kept);
  write(browser, `draft:${session}`, kept);
}

/** Returns the question that was sent: `{id, message, after}`. */
export const sent = (session) => read(browser, `sent:${session}`);

/** Keeps the question that was sent, or forgets it. */
export const keepSent = (session, question) => write(browser, `sent:${session}`, question);

/** Forgets all about a conversation. */
export function forget(session) {
  keepDraft(session, { text: "", editing: null });
  keepSent(session, null);
}

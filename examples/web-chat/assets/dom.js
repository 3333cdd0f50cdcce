// Elements. Text only ever becomes text nodes: nothing here reads HTML.

const ICONS = {
  back: "M15 5l-7 7 7 7",
  close: "M6 6l12 12M18 6L6 18",
  copy: "M9 9h10v10H9zM5 15V5h10",
  done: "M5 12l5 5L20 7",
  edit: "M4 20h4L19 9l-4-4L4 16zM13 7l4 4",
  forward: "M9 5l7 7-7 7",
  menu: "M4 7h16M4 12h16M4 17h16",
  retry: "M20 11a8 8 0 1 0-2 6M20 5v6h-6",
  send: "M12 20V5M5 12l7-7 7 7",
  stop: "M7 7h10v10H7z",
  theme: "M12 3a9 9 0 1 0 9 9 7 7 0 0 1-9-9z",
  trash: "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13",
  undo: "M9 14L4 9l5-5M4 9h10a6 6 0 0 1 0 12h-3",
};

/**
 * Returns an element with properties and children. Strings become text. Children may be in arrays:
 * as arguments, the pieces of a long text would be too many.
 */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name in element) element[name] = value;
    else element.setAttribute(name, value);
  }
  for (const child of children.flat()) {
    if (child !== null && child !== undefined) element.append(child);
  }
  return element;
}

/** Returns an icon, which screen readers pass over. */
export function icon(name) {
  const namespace = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(namespace, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(namespace, "path");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

/** Returns a button with an icon and a name. */
export function iconButton(name, label, onclick) {
  return h("button", { type: "button", className: "icon", ariaLabel: label, title: label, onclick }, icon(name));
}

/** Returns the element of the page with an id. */
export const byId = (id) => document.getElementById(id);

/** Returns a button that copies a text. */
export function copyButton(label, text) {
  const button = iconButton("copy", label, async () => {
    let done = true;
    try {
      await navigator.clipboard.writeText(text());
    } catch {
      done = false;
    }
    button.replaceChildren(icon(done ? "done" : "close"));
    button.ariaLabel = done ? "Copied" : "Cannot copy; select the text";
    setTimeout(() => {
      button.replaceChildren(icon("copy"));
      button.ariaLabel = label;
    }, 1500);
  });
  return button;
}

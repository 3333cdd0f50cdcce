// Markdown of models as elements. Only what is listed here becomes an element, by its own name, and
// all text becomes text nodes: HTML in an answer is shown as it was written.

import { copyButton, h } from "./dom.js";

/** The depth of quotes, lists and emphasis; deeper ones are text. */
const MAX_DEPTH = 8;
/** The longest emphasis or link, in characters. It bounds the search for its end. */
const MAX_SPAN = 2000;
const SCHEMES = ["http:", "https:", "mailto:"];
// No two parts of an expression take the same characters, or a line of blanks would take too long.
const FENCE = /^ {0,3}(`{3,}|~{3,})[ \t]*([\w+#.-]*)/;
const HEADING = /^ {0,3}(#{1,6}) (.*)$/;
const ITEM = /^( {0,12})([-*+]|\d{1,9}[.)]) +(.*)$/;
const QUOTE = /^ {0,3}> ?(.*)$/;
const URL_START = /^https?:\/\/[^\s<>"'`]+/;
/** Characters that change the direction of what follows. In code they would hide what it does. */
const DIRECTIONS = /([\u202a-\u202e\u2066-\u2069])/u;

/** Returns the elements of a text. */
export function markdown(text) {
  const fragment = document.createDocumentFragment();
  for (const block of blocks(text.replace(/\r\n?/g, "\n").split("\n"), 0)) fragment.append(block);
  return fragment;
}

function blocks(lines, depth) {
  const found = [];
  let paragraph = [];
  const flush = () => {
    if (paragraph.length) found.push(h("p", { dir: "auto" }, inline(paragraph.join("\n"), 0)));
    paragraph = [];
  };
  for (let at = 0; at < lines.length; ) {
    const line = lines[at];
    const block =
      fence(lines, at) ?? heading(line, at) ?? rule(line, at) ?? table(lines, at) ??
      (depth < MAX_DEPTH ? quote(lines, at, depth) ?? list(lines, at, depth) : null);
    if (block) {
      flush();
      found.push(block.element);
      at = block.end;
    } else {
      if (line.trim()) paragraph.push(line);
      else flush();
      at += 1;
    }
  }
  flush();
  return found;
}

function fence(lines, at) {
  const [begin, mark, language] = FENCE.exec(lines[at]) ?? [];
  if (!mark || (mark[0] === "`" && lines[at].includes("`", begin.length))) return null;
  const closes = (line) => line.trim().length >= mark.length && line.trim() === mark[0].repeat(line.trim().length);
  let end = at + 1;
  while (end < lines.length && !closes(lines[end])) end += 1;
  const text = lines.slice(at + 1, end).join("\n");
  return { element: code(text, language), end: end + 1 };
}

function code(text, language) {
  return h("div", { className: "code" },
    h("div", { className: "code-head" }, h("span", {}, language || "text"), copyButton("Copy the code", () => text)),
    h("pre", { tabIndex: 0, role: "region", ariaLabel: `Code, ${language || "text"}` }, h("code", { dir: "ltr" }, visible(text))));
}

/** Returns a text in which characters that change the direction are seen. */
function visible(text) {
  // Between two texts is the character that separates them.
  return text.split(DIRECTIONS).map((piece, index) =>
    index % 2
      ? h("span", { className: "direction", title: "A character that changes the direction of text" },
          `U+${piece.codePointAt(0).toString(16).toUpperCase()}`)
      : piece);
}

function heading(line, at) {
  const [, marks, text] = HEADING.exec(line) ?? [];
  if (!marks) return null;
  // The page's own headings are above them.
  const tag = `h${Math.min(marks.length + 2, 6)}`;
  return { element: h(tag, { dir: "auto" }, inline(text.replace(/ #+ *$/, ""), 0)), end: at + 1 };
}

function rule(line, at) {
  const marks = line.length < 100 ? line.replaceAll(" ", "") : "";
  const isRule = marks.length >= 3 && "-*_".includes(marks[0]) && marks === marks[0].repeat(marks.length);
  return isRule ? { element: h("hr"), end: at + 1 } : null;
}

function cells(line) {
  return line.trim().replace(/^\|/, "").replace(/\|$/, "").split("|").map((cell) => cell.trim());
}

function table(lines, at) {
  if (!lines[at].includes("|") || !lines[at + 1]?.includes("-")) return null;
  const head = cells(lines[at]);
  const marks = cells(lines[at + 1]);
  if (head.length !== marks.length || !marks.every((mark) => /^:?-+:?$/.test(mark))) return null;
  let end = at + 2;
  while (end < lines.length && lines[end].includes("|")) end += 1;
  const row = (tag, texts) => h("tr", {}, head.map((_, index) => h(tag, { dir: "auto" }, inline(texts[index] ?? "", 0))));
  const body = lines.slice(at + 2, end).map((line) => row("td", cells(line)));
  const element = h("div", { className: "table", tabIndex: 0, role: "region", ariaLabel: "Table" },
    h("table", {}, h("thead", {}, row("th", head)), h("tbody", {}, body)));
  return { element, end };
}

function quote(lines, at, depth) {
  const inner = [];
  let end = at;
  for (let match; end < lines.length && (match = QUOTE.exec(lines[end])); end += 1) inner.push(match[1]);
  return inner.length ? { element: h("blockquote", {}, blocks(inner, depth + 1)), end } : null;
}

function list(lines, at, depth) {
  const first = ITEM.exec(lines[at]);
  if (!first) return null;
  const isOrdered = /\d/.test(first[2]);
  const indent = first[1].length;
  const items = [];
  let end = at;
  while (end < lines.length) {
    const match = ITEM.exec(lines[end]);
    if (!match || match[1].length !== indent || /\d/.test(match[2]) !== isOrdered) break;
    const inner = [match[3]];
    const width = indent + 1;
    end += 1;
    // What is indented more belongs to the item, and so does a blank line in front of that.
    const belongs = (line) => line !== undefined && line.search(/\S/) >= width;
    while (end < lines.length && (belongs(lines[end]) || (!lines[end].trim() && belongs(lines[end + 1])))) {
      inner.push(lines[end]);
      end += 1;
    }
    const depths = inner.slice(1).filter((line) => line.trim()).map((line) => line.search(/\S/));
    const deep = depths.reduce((least, one) => Math.min(least, one), Infinity);
    const content = inner.map((line, index) => (index && deep !== Infinity ? line.slice(deep) : line));
    items.push(item(content, depth));
    while (!lines[end]?.trim() && ITEM.exec(lines[end + 1] ?? "")?.[1].length === indent) end += 1;
  }
  const start = isOrdered ? Number.parseInt(first[2], 10) : undefined;
  return { element: h(isOrdered ? "ol" : "ul", { start }, items), end };
}

function item(lines, depth) {
  const inner = blocks(lines, depth + 1);
  // A line of its own needs no paragraph.
  const isPlain = inner[0]?.tagName === "P" && inner.filter((block) => block.tagName === "P").length === 1;
  return isPlain ? h("li", { dir: "auto" }, [...inner[0].childNodes], inner.slice(1)) : h("li", { dir: "auto" }, inner);
}

/** Returns the nodes of a text with emphasis, code and links. */
function inline(text, depth) {
  const nodes = [];
  const ends = new Map();
  let plain = "";
  const push = (node) => {
    if (plain) nodes.push(plain);
    plain = "";
    nodes.push(node);
  };
  for (let at = 0; at < text.length; ) {
    const span = depth < MAX_DEPTH ? spanAt(text, at, depth, ends) : null;
    if (!span) {
      plain += text[at];
      at += 1;
    } else if (typeof span.node === "string") {
      plain += span.node;
      at = span.end;
    } else {
      push(span.node);
      at = span.end;
    }
  }
  if (plain) nodes.push(plain);
  return nodes;
}

function spanAt(text, at, depth, ends) {
  switch (text[at]) {
    case "\\":
      return /[!-/:-@[-`{-~]/.test(text[at + 1] ?? "") ? { node: text[at + 1], end: at + 2 } : null;
    case "`":
      return codeSpan(text, at);
    case "*":
    case "_":
      return emphasis(text, at, 2, "strong", depth, ends) ?? emphasis(text, at, 1, "em", depth, ends);
    case "~":
      return emphasis(text, at, 2, "del", depth, ends);
    case "[":
      return link(text, at, depth);
    case "h":
      return bareLink(text, at);
    default:
      return null;
  }
}

function codeSpan(text, at) {
  let open = at;
  while (text[open] === "`") open += 1;
  const mark = text.slice(at, open);
  const near = text.slice(open, open + MAX_SPAN);
  for (let from = 0, found; (found = near.indexOf(mark, from)) >= 0; ) {
    let close = found;
    while (near[close] === "`") close += 1;
    if (close - found === mark.length) {
      const inner = near.slice(0, found).replace(/^ (.*) $/s, "$1");
      return { node: h("code", {}, visible(inner)), end: open + close };
    }
    from = close;
  }
  return { node: mark, end: open };
}

const isWord = (character) => /[\p{L}\p{N}_]/u.test(character ?? "");

function emphasis(text, at, width, tag, depth, ends) {
  const mark = text[at].repeat(width);
  const start = at + width;
  if (!text.startsWith(mark, at) || !text[start] || /\s/.test(text[start])) return null;
  // Names with underscores are not emphasis.
  if (mark[0] === "_" && isWord(text[at - 1])) return null;
  const end = endAfter(text, start, mark, ends);
  if (end === undefined || end + width > start + MAX_SPAN) return null;
  return { node: h(tag, {}, inline(text.slice(start, end), depth + 1)), end: end + width };
}

/**
 * Returns the first end of emphasis with a mark after a place. All ends of a text are found at
 * once, and places are asked for in their order: a search for each mark that has no end takes too long.
 */
function endAfter(text, start, mark, ends) {
  let found = ends.get(mark);
  if (!found) {
    found = { places: [], next: 0 };
    for (let end = text.indexOf(mark, 1); end >= 0; end = text.indexOf(mark, end + 1)) {
      const isInner = mark.length === 1 && (text[end + 1] === mark || text[end - 1] === mark);
      if (/\s/.test(text[end - 1]) || isInner || (mark[0] === "_" && isWord(text[end + mark.length]))) continue;
      found.places.push(end);
    }
    ends.set(mark, found);
  }
  while (found.places[found.next] <= start) found.next += 1;
  return found.places[found.next];
}

function link(text, at, depth) {
  const near = text.slice(at, at + MAX_SPAN);
  const middle = near.indexOf("](");
  const end = middle < 0 ? -1 : near.indexOf(")", middle);
  if (end < 0 || near.slice(1, middle).includes("[")) return null;
  const node = anchor(near.slice(middle + 2, end).trim(), inline(near.slice(1, middle), depth + 1));
  return node && { node, end: at + end + 1 };
}

function bareLink(text, at) {
  const match = URL_START.exec(text.slice(at, at + MAX_SPAN));
  let end = match?.[0].length ?? 0;
  while (end > 0 && ".,;:!?)]*_".includes(match[0][end - 1])) end -= 1;
  const address = match?.[0].slice(0, end);
  const node = address && anchor(address, [address]);
  return node ? { node, end: at + address.length } : null;
}

/** Returns a link, or null if its address is not one that is safe to follow. */
function anchor(address, children) {
  let url;
  try {
    url = new URL(address);
  } catch {
    return null;
  }
  if (!SCHEMES.includes(url.protocol)) return null;
  return h("a", { href: url.href, title: url.href, target: "_blank", rel: "noopener noreferrer nofollow" }, children);
}

//! A template's tags and their words, for finding names. minijinja checks the syntax itself.

use std::ops::Range;

/// The last column of a line at which a tag may end. minijinja counts columns up to 65,535, and
/// reports of a syntax error after that column overflow.
pub(super) const MAX_COLUMNS: usize = 65_000;

/// One tag: `{{ … }}` or `{% … %}`.
#[derive(Debug)]
pub(super) struct Tag<'s> {
    pub(super) is_statement: bool,
    pub(super) words: Vec<Word<'s>>,
}

/// One word of a tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Word<'s> {
    pub(super) kind: Kind,
    pub(super) text: &'s str,
    /// The position in the source, in bytes.
    pub(super) offset: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Name,
    /// A string or a number.
    Literal,
    /// One character, or one of `==`, `!=`, `<=`, `>=`, `//`, `**`.
    Operator,
}

/// Returns the tags of a template, in order, without comments and raw text.
pub(super) fn tags(source: &str) -> Vec<Tag<'_>> {
    scan(source, |_| {})
}

/// Returns the offset of the first tag, comment or raw text that ends after [`MAX_COLUMNS`] of a
/// line, or whose text has a longer line.
pub(super) fn tag_beyond_columns(source: &str) -> Option<usize> {
    if source.len() <= MAX_COLUMNS {
        return None;
    }
    let mut found = None;
    let (mut at, mut column) = (0, 0);
    scan(source, |span| {
        for text in [at..span.start, span.start..span.end] {
            let is_tag = text.start == span.start;
            for character in source.get(text).unwrap_or_default().chars() {
                column = if character == '\n' { 0 } else { column + 1 };
                if is_tag && column > MAX_COLUMNS {
                    found.get_or_insert(span.start);
                }
            }
        }
        at = span.end;
    });
    found
}

fn scan<'s>(source: &'s str, mut visit: impl FnMut(Range<usize>)) -> Vec<Tag<'s>> {
    let mut tags = Vec::new();
    let mut at = 0;
    while let Some((offset, kind)) = next_tag(source, at) {
        let inside = offset + 2;
        if kind == b'#' {
            at = find(source, inside, "#}").map_or(source.len(), |end| end + 2);
            visit(offset..at);
            continue;
        }
        let is_statement = kind == b'%';
        let (words, end) = words(source, inside, is_statement);
        at = end;
        // The first word may be a mark that trims whitespace: `{%- raw -%}`.
        let mut named = words.iter().filter(|word| !matches!(word.text, "-" | "+"));
        let is_raw = is_statement && named.next().is_some_and(|word| word.text == "raw");
        if is_raw {
            at = end_of_raw(source, at);
        } else {
            tags.push(Tag { is_statement, words });
        }
        visit(offset..at);
    }
    tags
}

fn next_tag(source: &str, from: usize) -> Option<(usize, u8)> {
    let bytes = source.as_bytes().get(from..)?;
    let found = bytes.windows(2).position(|pair| matches!(pair, [b'{', b'{' | b'%' | b'#']))?;
    Some((from + found, *bytes.get(found + 1)?))
}

fn find(source: &str, from: usize, wanted: &str) -> Option<usize> {
    source.get(from..)?.find(wanted).map(|found| from + found)
}

/// Returns the offset after `{% endraw %}`.
fn end_of_raw(source: &str, from: usize) -> usize {
    let mut at = from;
    while let Some(open) = find(source, at, "{%") {
        at = open + 2;
        let inside = source.get(at..).unwrap_or_default();
        let inside = inside.trim_start_matches(['-', '+']).trim_start();
        if inside.starts_with("endraw") {
            return find(source, at, "%}").map_or(source.len(), |end| end + 2);
        }
    }
    source.len()
}

/// Reads the words of a tag up to its end, and returns the offset after it.
fn words(source: &str, from: usize, is_statement: bool) -> (Vec<Word<'_>>, usize) {
    let close = if is_statement { "%}" } else { "}}" };
    let mut words = Vec::new();
    let mut braces = 0_usize;
    let mut at = from;
    loop {
        let rest = source.get(at..).unwrap_or_default();
        let Some(first) = rest.chars().next() else { return (words, at) };
        if braces == 0 && rest.starts_with(close) {
            return (words, at + close.len());
        }
        let (kind, length) = match first {
            c if c.is_whitespace() => {
                at += c.len_utf8();
                continue;
            }
            '\'' | '"' => (Kind::Literal, string_length(rest, first)),
            c if c.is_ascii_digit() => (Kind::Literal, number_length(rest)),
            c if is_word(c) => (Kind::Name, rest.find(|c| !is_word(c)).unwrap_or(rest.len())),
            c => {
                braces = match c {
                    '{' => braces + 1,
                    '}' => braces.saturating_sub(1),
                    _ => braces,
                };
                let two =
                    ["==", "!=", "<=", ">=", "//", "**"].iter().any(|op| rest.starts_with(op));
                (Kind::Operator, if two { 2 } else { c.len_utf8() })
            }
        };
        let text = rest.get(..length).unwrap_or(rest);
        words.push(Word { kind, text, offset: at });
        at += text.len();
    }
}

fn is_word(character: char) -> bool {
    character == '_' || unicode_word(character)
}

fn unicode_word(character: char) -> bool {
    character.is_alphanumeric() || !character.is_ascii() && !character.is_whitespace()
}

/// Returns the length of a string with its quotes.
fn string_length(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (index, character) in rest.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return index + 1,
            _ => {}
        }
    }
    rest.len()
}

/// Returns the length of a number: `1_000`, `2.5`, `1e-3`, `0xff`.
fn number_length(rest: &str) -> usize {
    let whole = |text: &str| text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let mut length = whole(rest).unwrap_or(rest.len());
    let fraction = rest.get(length..).and_then(|rest| rest.strip_prefix('.'));
    if let Some(fraction) = fraction.filter(|f| f.starts_with(|c: char| c.is_ascii_digit())) {
        length += 1 + whole(fraction).unwrap_or(fraction.len());
    }
    let number = rest.get(..length).unwrap_or_default();
    let sign = rest.get(length..).is_some_and(|rest| rest.starts_with(['+', '-']));
    if number.ends_with(['e', 'E']) && !number.starts_with("0x") && sign {
        let exponent = rest.get(length + 1..).unwrap_or_default();
        length += 1 + whole(exponent).unwrap_or(exponent.len());
    }
    length
}

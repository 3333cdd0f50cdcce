//! A template's tags and their words, as minijinja reads them. minijinja checks the syntax itself.

use std::ops::Range;

/// The last column of a line at which a tag may end. minijinja counts columns up to 65,535, and
/// reports of a syntax error after that column overflow.
pub const MAX_COLUMNS: usize = 65_000;

/// One tag: `{{ … }}` or `{% … %}`.
#[derive(Debug)]
pub struct Tag<'s> {
    /// Whether it is a statement: `{% … %}`.
    pub is_statement: bool,
    /// The position in the source after its opening, in bytes.
    pub inside: usize,
    /// Its words, with the marks that trim whitespace.
    pub words: Vec<Word<'s>>,
}

impl<'s> Tag<'s> {
    /// Returns the words without the marks that trim whitespace: `{{- … -}}`. A first sign that
    /// does not touch the opening belongs to a value: `{{ -n }}`.
    #[must_use]
    pub fn words_without_trim_marks(&self) -> &[Word<'s>] {
        let is_mark = |word: &Word<'_>| matches!(word.text, "-" | "+");
        let words = match self.words.split_first() {
            Some((first, rest)) if is_mark(first) && first.offset == self.inside => rest,
            _ => &self.words,
        };
        match words.split_last() {
            Some((last, rest)) if is_mark(last) => rest,
            _ => words,
        }
    }
}

/// One word of a tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Word<'s> {
    /// The kind of the word.
    pub kind: Kind,
    /// Its text in the source.
    pub text: &'s str,
    /// The position in the source, in bytes.
    pub offset: usize,
}

/// A kind of word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A name or a keyword.
    Name,
    /// A string or a number.
    Literal,
    /// One character, or one of `==`, `!=`, `<=`, `>=`, `//`, `**`.
    Operator,
}

/// Returns the tags of a template, in order, without comments and raw text.
#[must_use]
pub fn tags(source: &str) -> Vec<Tag<'_>> {
    scan(source, |_| {})
}

/// Returns the offset of the first tag, comment or raw text that ends after [`MAX_COLUMNS`] of a
/// line, or whose text has a longer line.
#[must_use]
pub fn tag_beyond_columns(source: &str) -> Option<usize> {
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
        let raw = is_statement.then(|| basic_tag(source, after_mark(source, inside), "raw"));
        if let Some(end) = raw.flatten() {
            at = end_of_raw(source, end);
        } else {
            let (words, end) = words(source, inside, is_statement);
            at = end;
            tags.push(Tag { is_statement, inside, words });
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
        if let Some(end) = basic_tag(source, after_mark(source, at), "endraw") {
            return end;
        }
    }
    source.len()
}

/// Returns the offset after a mark that trims whitespace, if there is one.
fn after_mark(source: &str, at: usize) -> usize {
    let is_mark = source.get(at..).is_some_and(|rest| rest.starts_with(['-', '+']));
    at + usize::from(is_mark)
}

/// Returns the offset after a statement of one word, from inside the statement.
fn basic_tag(source: &str, inside: usize, name: &str) -> Option<usize> {
    let rest = source.get(inside..)?.trim_ascii_start().strip_prefix(name)?.trim_ascii_start();
    let rest = rest.strip_prefix(['-', '+']).unwrap_or(rest).strip_prefix("%}")?;
    Some(source.len() - rest.len())
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
            c if c.is_ascii_digit() => {
                let is_index = source.get(..at).is_some_and(|before| before.ends_with('.'));
                (Kind::Literal, number_length(rest, is_index))
            }
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

/// Returns the length of a number: `1_000`, `2.5`, `1e-3`, `0xff`. After a dot it is an index and
/// has no fraction.
fn number_length(rest: &str, is_index: bool) -> usize {
    let radix = rest.get(..2).unwrap_or_default().to_ascii_lowercase();
    let is_decimal = !matches!(radix.as_str(), "0b" | "0o" | "0x");
    let mut state = if is_decimal { Number::Integer } else { Number::Radix };
    let bytes = rest.as_bytes();
    let mut at = if is_decimal { 0 } else { 2 };
    while let Some(byte) = bytes.get(at) {
        state = match (byte, state) {
            (b'0'..=b'9' | b'+' | b'-', Number::Exponent) => Number::Signed,
            (b'0'..=b'9' | b'_', state) => state,
            (b'.', Number::Integer) if is_index => break,
            (b'.', Number::Integer) => {
                let after = |count: usize| bytes.get(at + count).copied().unwrap_or_default();
                let is_exponent = matches!(after(1), b'e' | b'E')
                    && matches!(after(2), b'+' | b'-' | b'0'..=b'9');
                let is_name = rest.get(at + 1..).is_some_and(|rest| rest.starts_with(is_start));
                if is_name && !is_exponent {
                    break;
                }
                Number::Fraction
            }
            (b'e' | b'E', Number::Integer | Number::Fraction) => Number::Exponent,
            (b'a'..=b'f' | b'A'..=b'F', Number::Radix) if radix == "0x" => state,
            _ => break,
        };
        at += 1;
    }
    at
}

/// Returns whether a character can start a name.
fn is_start(character: char) -> bool {
    character == '_' || unicode_ident::is_xid_start(character)
}

/// The part of a number that was read last.
#[derive(Clone, Copy)]
enum Number {
    Radix,
    Integer,
    Fraction,
    Exponent,
    /// The exponent after its sign or first digit.
    Signed,
}

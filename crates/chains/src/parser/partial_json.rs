//! JSON that may be cut off, and JSON that begins a longer text.

use serde_json::{Map, Number, Value as Json};

/// How deep values may be nested, as in serde_json.
const MAX_DEPTH: usize = 128;

/// Reads JSON that may be cut off, and ignores text that follows it. Brackets and text that are
/// left open are closed; a member or an item that is not complete enough is left out. `None` if
/// there is no JSON at the start, or a bracket closes one of another kind.
///
/// Use it on an answer while it streams. Control characters in text are accepted, since models
/// write them. Time is linear in the text; values that are nested deeper than 128 are refused.
///
/// LangChain 0.1.20 `langchain_core/utils/json.py::parse_partial_json`: the result is that of the
/// longest prefix which is JSON once the brackets that the whole text leaves open are closed.
///
/// # Examples
///
/// ```
/// use conversant_chains::parse_partial_json;
/// use serde_json::json;
///
/// assert_eq!(parse_partial_json(r#"{"a": [1, 2, {"b": "c"#), Some(json!({"a": [1, 2, {"b": "c"}]})));
/// assert_eq!(parse_partial_json(r#"{"a": 1, "b": tru"#), Some(json!({"a": 1})));
/// assert_eq!(parse_partial_json("no JSON"), None);
/// ```
#[must_use]
pub fn parse_partial_json(text: &str) -> Option<Json> {
    let open = open_brackets(text)?;
    let prefix = Scanner::new(text, &open).longest_prefix()?;
    Reader { rest: prefix }.value()
}

/// Reads the whole value at the start of a text, and returns it with the text after it.
pub(super) fn parse_first_value(text: &str) -> Option<(Json, &str)> {
    let mut scanner = Scanner::new(text, &[]);
    while !scanner.is_whole() {
        scanner.step()?;
    }
    let (value, rest) = text.split_at_checked(scanner.at)?;
    Some((Reader { rest: value }.value()?, rest))
}

/// Returns the brackets that a text leaves open, or `None` if one closes another kind.
fn open_brackets(text: &str) -> Option<Vec<u8>> {
    let mut open = Vec::new();
    for (_, bracket) in brackets(text) {
        match bracket {
            b'{' | b'[' => open.push(bracket),
            closing => {
                let opening = if closing == b'}' { b'{' } else { b'[' };
                if open.pop() != Some(opening) {
                    return None;
                }
            }
        }
    }
    Some(open)
}

/// Returns what follows the brackets that a text begins with, if they are closed.
pub(super) fn after_brackets(text: &str) -> Option<&str> {
    let mut depth = 0_usize;
    for (at, bracket) in brackets(text) {
        match bracket {
            b'{' | b'[' => depth += 1,
            _ => depth = depth.saturating_sub(1),
        }
        if depth == 0 {
            return text.get(at + 1..);
        }
    }
    None
}

/// Returns the brackets outside of quotes, with their positions.
fn brackets(text: &str) -> impl Iterator<Item = (usize, u8)> {
    let (mut is_in_quotes, mut is_escaped) = (false, false);
    text.bytes().enumerate().filter(move |(_, byte)| {
        match byte {
            b'"' if !is_escaped => is_in_quotes = !is_in_quotes,
            b'\\' if is_in_quotes => {
                is_escaped = !is_escaped;
                return false;
            }
            _ => {}
        }
        is_escaped = false;
        !is_in_quotes && matches!(byte, b'{' | b'[' | b'}' | b']')
    })
}

/// The next token that JSON allows.
#[derive(Clone, Copy, PartialEq)]
enum Expected {
    Value,
    /// After `[`.
    ValueOrEnd,
    /// After `{`.
    KeyOrEnd,
    Key,
    Colon,
    /// After a value.
    Separator,
}

/// Reads the grammar of JSON without building values.
struct Scanner<'t> {
    text: &'t str,
    at: usize,
    expected: Expected,
    open: Vec<u8>,
    /// The brackets that are open at the end of the whole text.
    open_at_end: &'t [u8],
    /// The number of brackets that `open` has in common with `open_at_end`.
    common: usize,
}

impl<'t> Scanner<'t> {
    fn new(text: &'t str, open_at_end: &'t [u8]) -> Self {
        Self { text, at: 0, expected: Expected::Value, open: Vec::new(), open_at_end, common: 0 }
    }

    /// Returns the longest prefix that is JSON once the brackets of `open_at_end` are closed.
    fn longest_prefix(mut self) -> Option<&'t str> {
        let mut end = None;
        while !self.is_whole() && self.step().is_some() {
            let can_close = matches!(
                self.expected,
                Expected::Separator | Expected::ValueOrEnd | Expected::KeyOrEnd
            );
            let depth = self.open.len();
            if can_close && depth == self.open_at_end.len() && depth == self.common {
                end = Some(self.at);
            }
        }
        self.text.get(..end?)
    }

    /// Returns whether the outermost value has ended.
    fn is_whole(&self) -> bool {
        self.expected == Expected::Separator && self.open.is_empty()
    }

    /// Reads one token. `None` if it is not one that JSON allows here.
    fn step(&mut self) -> Option<()> {
        let rest = self.text.get(self.at..)?;
        let trimmed = rest.trim_start_matches(SPACE);
        self.at += rest.len() - trimmed.len();
        let first = trimmed.bytes().next()?;
        match (self.expected, first) {
            (Expected::Value | Expected::ValueOrEnd, b'{' | b'[') => self.open(first)?,
            (Expected::KeyOrEnd, b'}') | (Expected::ValueOrEnd, b']') => self.close(),
            (Expected::Separator, b'}' | b']') => {
                let opening = if first == b'}' { b'{' } else { b'[' };
                if self.open.last() != Some(&opening) {
                    return None;
                }
                self.close();
            }
            (Expected::Separator, b',') => {
                let is_object = self.open.last() == Some(&b'{');
                self.take(1, if is_object { Expected::Key } else { Expected::Value });
            }
            (Expected::Colon, b':') => self.take(1, Expected::Value),
            (Expected::Key | Expected::KeyOrEnd, b'"') => {
                let key = string(trimmed)?;
                if !key.is_closed {
                    return None;
                }
                self.take(key.length, Expected::Colon);
            }
            (Expected::Value | Expected::ValueOrEnd, _) => {
                let (_, length) = scalar(trimmed)?;
                self.take(length, Expected::Separator);
            }
            _ => return None,
        }
        Some(())
    }

    fn take(&mut self, bytes: usize, expected: Expected) {
        self.at += bytes;
        self.expected = expected;
    }

    fn open(&mut self, bracket: u8) -> Option<()> {
        if self.open.len() == MAX_DEPTH {
            return None;
        }
        if self.common == self.open.len() && self.open_at_end.get(self.common) == Some(&bracket) {
            self.common += 1;
        }
        self.open.push(bracket);
        let is_object = bracket == b'{';
        self.take(1, if is_object { Expected::KeyOrEnd } else { Expected::ValueOrEnd });
        Some(())
    }

    fn close(&mut self) {
        self.open.pop();
        self.common = self.common.min(self.open.len());
        self.take(1, Expected::Separator);
    }
}

/// Returns the text, word or number at the start, and its length.
fn scalar(rest: &str) -> Option<(Json, usize)> {
    let word = |word: &str, value: Json| rest.starts_with(word).then_some((value, word.len()));
    match rest.bytes().next()? {
        b'"' => string(rest).map(|string| (Json::String(string.text), string.length)),
        b'-' | b'0'..=b'9' => number(rest).map(|(number, length)| (Json::Number(number), length)),
        b't' => word("true", Json::Bool(true)),
        b'f' => word("false", Json::Bool(false)),
        _ => word("null", Json::Null),
    }
}

/// A text in quotes.
struct Quoted {
    text: String,
    /// The number of bytes, with the quotes.
    length: usize,
    /// Whether its closing quote is there.
    is_closed: bool,
}

/// Returns the text in quotes at the start. One that is left open ends with `rest`. `None` if an
/// escape is invalid.
fn string(rest: &str) -> Option<Quoted> {
    let body = rest.get(1..)?;
    let mut is_escaped = false;
    let end = body.bytes().position(|byte| {
        let is_end = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        is_end
    });
    let is_closed = end.is_some();
    let end = end.unwrap_or(body.len());
    let text = unescape(body.get(..end)?)?;
    Some(Quoted { text, length: 1 + end + usize::from(is_closed), is_closed })
}

/// Reads the escapes of a text's body. serde_json does it, once raw control characters are escapes
/// too. Its `FromStr` is compiled already, for any JSON. A backslash before a control character is
/// an invalid escape, as in Python.
fn unescape(body: &str) -> Option<String> {
    if !body.bytes().any(|byte| byte == b'\\' || byte < b' ') {
        return Some(body.to_owned());
    }
    let mut quoted = String::with_capacity(body.len() + 2);
    quoted.push('"');
    let mut is_escaped = false;
    for character in body.chars() {
        if character < ' ' {
            // The backslash would escape the one that is written here.
            if is_escaped {
                return None;
            }
            quoted.push_str(&format!("\\u{:04x}", u32::from(character)));
        } else {
            quoted.push(character);
        }
        is_escaped = character == '\\' && !is_escaped;
    }
    quoted.push('"');
    match quoted.parse().ok()? {
        Json::String(text) => Some(text),
        _ => None,
    }
}

/// Returns the longest number at the start, and its length.
fn number(rest: &str) -> Option<(Number, usize)> {
    let bytes = rest.as_bytes();
    let digits_from = |at: usize| {
        let rest = bytes.get(at..).unwrap_or_default();
        rest.iter().take_while(|byte| byte.is_ascii_digit()).count()
    };
    let start = usize::from(rest.starts_with('-'));
    let mut end = match bytes.get(start)? {
        b'0' => start + 1,
        _ => start + digits_from(start),
    };
    if bytes.get(end) == Some(&b'.') && digits_from(end + 1) > 0 {
        end += 1 + digits_from(end + 1);
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        let digits = digits_from(end + 1 + sign);
        end += if digits > 0 { 1 + sign + digits } else { 0 };
    }
    let number = match rest.get(..end)? {
        // Python has one zero among the integers.
        "-0" => Number::from(0),
        digits => match digits.parse().ok()? {
            Json::Number(number) => number,
            _ => return None,
        },
    };
    Some((number, end))
}

/// Builds the value of a text that a [`Scanner`] has read. What is open at its end is closed.
struct Reader<'t> {
    rest: &'t str,
}

impl Reader<'_> {
    fn value(&mut self) -> Option<Json> {
        self.skip_space();
        match self.rest.bytes().next()? {
            b'{' => self.object(),
            b'[' => self.array(),
            _ => {
                let (value, length) = scalar(self.rest)?;
                self.skip(length)?;
                Some(value)
            }
        }
    }

    fn object(&mut self) -> Option<Json> {
        self.skip(1)?;
        let mut members = Map::new();
        while !self.ends('}') {
            let key = string(self.rest)?;
            self.skip(key.length)?;
            self.skip_space();
            self.skip(1)?;
            members.insert(key.text, self.value()?);
        }
        Some(Json::Object(members))
    }

    fn array(&mut self) -> Option<Json> {
        self.skip(1)?;
        let mut items = Vec::new();
        while !self.ends(']') {
            items.push(self.value()?);
        }
        Some(Json::Array(items))
    }

    /// Skips a comma or the closing bracket, and returns whether the container ends.
    fn ends(&mut self, bracket: char) -> bool {
        self.skip_space();
        if let Some(rest) = self.rest.strip_prefix(bracket) {
            self.rest = rest;
            return true;
        }
        self.rest = self.rest.strip_prefix(',').unwrap_or(self.rest);
        self.skip_space();
        self.rest.is_empty()
    }

    fn skip(&mut self, bytes: usize) -> Option<()> {
        self.rest = self.rest.get(bytes..)?;
        Some(())
    }

    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start_matches(SPACE);
    }
}

/// The whitespace of JSON.
const SPACE: [char; 4] = [' ', '\t', '\n', '\r'];

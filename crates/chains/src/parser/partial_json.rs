//! JSON that may be cut off: one pass, and what is left open is closed.

use serde_json::{Map, Number, Value as Json};

/// How deep values may be nested, as in serde_json.
const DEPTH: usize = 128;

/// Reads JSON that may be cut off, and ignores what follows it. Text that is left open is closed; a
/// member or an item that was not begun, or whose key, word, number or escape is cut, is left out.
/// `None` if there is no JSON at the start.
///
/// Use it on an answer while it streams. Raw control characters in text are taken, as models write
/// them. Time is linear in the text; values nested deeper than 128 are refused.
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
    match (Reader { rest: text }).value(0) {
        Read::Whole(value) | Read::Cut(Some(value)) => Some(value),
        Read::Cut(None) | Read::Malformed => None,
    }
}

/// The result of reading a value.
enum Read<T> {
    Whole(T),
    /// The text ended within it; what there is of it, if that is worth keeping.
    Cut(Option<T>),
    Malformed,
}

struct Reader<'t> {
    rest: &'t str,
}

impl Reader<'_> {
    fn value(&mut self, depth: usize) -> Read<Json> {
        self.skip_space();
        match self.peek() {
            None => Read::Cut(None),
            Some('{' | '[') if depth == DEPTH => Read::Malformed,
            Some('{') => self.object(depth),
            Some('[') => self.array(depth),
            Some('"') => match self.string() {
                Read::Whole(text) => Read::Whole(Json::String(text)),
                Read::Cut(text) => Read::Cut(text.map(Json::String)),
                Read::Malformed => Read::Malformed,
            },
            Some('-' | '0'..='9') => self.number(),
            Some(_) => self.word(),
        }
    }

    fn object(&mut self, depth: usize) -> Read<Json> {
        self.take('{');
        let mut members = Map::new();
        loop {
            self.skip_space();
            match self.peek() {
                Some('}') => {
                    self.take('}');
                    return Read::Whole(Json::Object(members));
                }
                Some('"') => {}
                None => return Read::Cut(Some(Json::Object(members))),
                Some(_) => return Read::Malformed,
            }
            let key = match self.string() {
                Read::Whole(key) => key,
                Read::Cut(_) => return Read::Cut(Some(Json::Object(members))),
                Read::Malformed => return Read::Malformed,
            };
            self.skip_space();
            if !self.take(':') {
                let is_cut = self.rest.is_empty();
                return if is_cut {
                    Read::Cut(Some(Json::Object(members)))
                } else {
                    Read::Malformed
                };
            }
            match self.value(depth + 1) {
                Read::Whole(value) => members.insert(key, value),
                Read::Cut(value) => {
                    members.extend(value.map(|value| (key, value)));
                    return Read::Cut(Some(Json::Object(members)));
                }
                Read::Malformed => return Read::Malformed,
            };
            self.skip_space();
            if !self.take(',') && !matches!(self.peek(), Some('}') | None) {
                return self.cut_by_prose(Json::Object(members));
            }
        }
    }

    fn array(&mut self, depth: usize) -> Read<Json> {
        self.take('[');
        let mut items = Vec::new();
        loop {
            self.skip_space();
            if self.take(']') {
                return Read::Whole(Json::Array(items));
            }
            match self.value(depth + 1) {
                Read::Whole(value) => items.push(value),
                Read::Cut(value) => {
                    items.extend(value);
                    return Read::Cut(Some(Json::Array(items)));
                }
                Read::Malformed => return Read::Malformed,
            }
            self.skip_space();
            if !self.take(',') && !matches!(self.peek(), Some(']') | None) {
                return self.cut_by_prose(Json::Array(items));
            }
        }
    }

    /// Reads text. Text that is cut within an escape is not worth keeping.
    fn string(&mut self) -> Read<String> {
        self.take('"');
        let mut escaped = false;
        let end = self.rest.find(|character| {
            let is_end = character == '"' && !escaped;
            escaped = character == '\\' && !escaped;
            is_end
        });
        let (body, is_whole) = match end.and_then(|end| self.rest.split_at_checked(end)) {
            Some((body, rest)) => {
                self.rest = rest;
                self.take('"');
                (body, true)
            }
            None => (std::mem::take(&mut self.rest), false),
        };
        match (unescape(body), is_whole) {
            (Some(text), true) => Read::Whole(text),
            (text, false) => Read::Cut(text),
            (None, true) => Read::Malformed,
        }
    }

    /// Reads a number. Of one that is cut, what is a number already is kept.
    fn number(&mut self) -> Read<Json> {
        let is_part =
            |character: char| matches!(character, '0'..='9' | '+' | '-' | '.' | 'e' | 'E');
        let after = self.rest.trim_start_matches(is_part);
        let number = self.rest.strip_suffix(after).unwrap_or(self.rest);
        self.rest = after;
        match serde_json::from_str::<Number>(number) {
            Ok(value) if !after.is_empty() => Read::Whole(Json::Number(value)),
            Ok(value) => Read::Cut(Some(Json::Number(value))),
            Err(_) if after.is_empty() => {
                let whole = number.trim_end_matches(['+', '-', '.', 'e', 'E']);
                Read::Cut(serde_json::from_str(whole).ok().map(Json::Number))
            }
            Err(_) => Read::Malformed,
        }
    }

    /// Returns a value as cut off if what follows is only prose, such as the end of a fenced block.
    fn cut_by_prose(&mut self, value: Json) -> Read<Json> {
        if self.rest.contains(['"', '{', '}', '[', ']']) {
            return Read::Malformed;
        }
        self.rest = "";
        Read::Cut(Some(value))
    }

    fn word(&mut self) -> Read<Json> {
        for (word, value) in
            [("true", Json::Bool(true)), ("false", Json::Bool(false)), ("null", Json::Null)]
        {
            if let Some(rest) = self.rest.strip_prefix(word) {
                self.rest = rest;
                return Read::Whole(value);
            }
            if word.starts_with(self.rest) {
                return Read::Cut(None);
            }
        }
        Read::Malformed
    }

    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn take(&mut self, character: char) -> bool {
        match self.rest.strip_prefix(character) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
    }
}

/// Reads the escapes of a text's body. serde_json does it, once raw control characters are escapes
/// too.
fn unescape(body: &str) -> Option<String> {
    let mut quoted = String::with_capacity(body.len() + 2);
    quoted.push('"');
    for character in body.chars() {
        if character < ' ' {
            quoted.push_str(&format!("\\u{:04x}", u32::from(character)));
        } else {
            quoted.push(character);
        }
    }
    quoted.push('"');
    serde_json::from_str(&quoted).ok()
}

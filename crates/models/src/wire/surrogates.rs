//! Mends JSON with halves of characters: servers that count text in UTF-16 cut characters in two
//! and escape the halves, which is not text.

use std::{collections::VecDeque, fmt::Write as _};

/// The length of an escape such as `\ud83d`.
const ESCAPE: usize = 6;

/// JSON whose halves were joined or replaced.
pub(super) struct Mended {
    pub(super) text: String,
    /// Whether a string ends with the first half of a character, without the other.
    pub(super) is_open: bool,
}

/// The escape of half of a character, without the other half next to it.
struct Half {
    /// The position of its backslash.
    at: usize,
    unit: u16,
    /// Whether it is the first half, at the end of its string.
    is_open: bool,
    /// Whether it is the second half, at the start of its string.
    continues: bool,
    fate: Fate,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Alone,
    /// It is written with its second half.
    Moved,
    /// It is written after this first half.
    After(u16),
}

/// Joins the halves of characters in the strings of JSON. Halves that stay alone become U+FFFD.
///
/// Returns `None` if there are none.
pub(super) fn mended(json: &str) -> Option<Mended> {
    let mut halves = halves(json);
    if halves.is_empty() {
        return None;
    }
    join(halves.iter_mut());
    let is_open = halves.iter().any(|half| half.is_open && half.fate == Fate::Alone);
    Some(Mended { text: write(json, &halves, false), is_open })
}

/// Joins characters of which JSON has the first half at the end of a string, and the next JSON the
/// second half at the start of one. Of the first, halves that stay alone become U+FFFD.
pub(super) fn joined(first: &str, next: &str) -> (String, String) {
    let (mut before, mut after) = (halves(first), halves(next));
    join(before.iter_mut().chain(&mut after));
    (write(first, &before, false), write(next, &after, true))
}

/// Finds the halves of characters.
fn halves(json: &str) -> Vec<Half> {
    let bytes = json.as_bytes();
    let (mut found, mut start, mut at) = (Vec::new(), None, 0);
    while let Some(byte) = bytes.get(at) {
        match (byte, start) {
            (b'"', None) => start = Some(at + 1),
            (b'"', Some(_)) => start = None,
            (b'\\', Some(start)) => {
                at += match (unit_at(bytes, at), unit_at(bytes, at + ESCAPE)) {
                    (Some(0xD800..=0xDBFF), Some(0xDC00..=0xDFFF)) => 2 * ESCAPE,
                    (Some(unit @ 0xD800..=0xDFFF), _) => {
                        let is_first = unit < 0xDC00;
                        found.push(Half {
                            at,
                            unit,
                            is_open: is_first && bytes.get(at + ESCAPE) == Some(&b'"'),
                            continues: !is_first && at == start,
                            fate: Fate::Alone,
                        });
                        ESCAPE
                    }
                    _ => 2,
                };
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    found
}

/// Reads an escape of a UTF-16 unit.
fn unit_at(bytes: &[u8], at: usize) -> Option<u16> {
    let digits = bytes.get(at..at + ESCAPE)?.strip_prefix(b"\\u")?;
    let digits = std::str::from_utf8(digits).ok()?;
    let is_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    is_hex.then(|| u16::from_str_radix(digits, 16).ok()).flatten()
}

/// Joins first halves with the second halves that come after them, in their order: the same text
/// may be in several fields.
fn join<'h>(halves: impl Iterator<Item = &'h mut Half>) {
    let mut open = VecDeque::new();
    for half in halves {
        if half.is_open {
            open.push_back(half);
        } else if half.continues
            && let Some(first) = open.pop_front()
        {
            first.fate = Fate::Moved;
            half.fate = Fate::After(first.unit);
        }
    }
}

/// Writes JSON with its halves joined. Those that are alone stay or become U+FFFD.
fn write(json: &str, halves: &[Half], stay: bool) -> String {
    let mut out = String::with_capacity(json.len() + ESCAPE);
    let mut copied = 0;
    for half in halves {
        out.push_str(json.get(copied..half.at).unwrap_or_default());
        // Writing to a string cannot fail.
        let _ = match half.fate {
            Fate::Moved => Ok(()),
            Fate::After(first) => write!(out, "\\u{first:04x}\\u{:04x}", half.unit),
            Fate::Alone if stay => write!(out, "\\u{:04x}", half.unit),
            Fate::Alone => out.write_str("\\ufffd"),
        };
        copied = half.at + ESCAPE;
    }
    out.push_str(json.get(copied..).unwrap_or_default());
    out
}

//! Halves of characters in JSON: escapes of lone surrogates, where a server cut a text within a
//! character. They are not valid in text, so the JSON cannot be read.

use memchr::memchr;

/// The escape of U+FFFD, which stands for what cannot be read.
const REPLACEMENT: &str = "\\ufffd";
/// The length of an escape.
const ESCAPE: usize = 6;

/// Returns JSON in which lone surrogates are U+FFFD, or `None` if there are none.
pub(super) fn without_lone(json: &str) -> Option<String> {
    let mut out = String::new();
    let mut copied = 0;
    while let Some((at, _)) = next_lone(json, copied) {
        out.push_str(json.get(copied..at)?);
        out.push_str(REPLACEMENT);
        copied = at + ESCAPE;
    }
    if copied == 0 {
        return None;
    }
    out.push_str(json.get(copied..)?);
    Some(out)
}

/// Returns whether the only fault of an event is that a text of it ends within a character, so that
/// the next event may have the other half. An event with a finish reason has no next one.
pub(super) fn ends_within(event: &str) -> bool {
    let has_reason = event
        .split_once("\"finish_reason\"")
        .is_some_and(|(_, reason)| !reason.trim_start_matches([':', ' ']).starts_with("null"));
    let split = || open_half(event).is_some();
    !has_reason && split()
}

/// Puts the halves of a character together that the first event ends with and the second begins
/// with, or returns `None` if they are not of one. The second event has the character then.
pub(super) fn join(first: &str, second: &str) -> Option<(String, String)> {
    let high_at = open_half(first)?;
    let (low_at, is_high) = next_lone(second, 0)?;
    let (before, rest) = second.split_at_checked(low_at)?;
    if is_high || !before.ends_with('"') {
        return None;
    }
    let (beginning, high) = first.split_at_checked(high_at)?;
    let (high, end) = high.split_at_checked(ESCAPE)?;
    Some(([beginning, end].concat(), [before, high, rest].concat()))
}

/// Returns the position of the first half of a character, if it ends a text and is the only one.
fn open_half(event: &str) -> Option<usize> {
    let (at, is_high) = next_lone(event, 0)?;
    let after = at + ESCAPE;
    let is_last = is_high && event.get(after..)?.starts_with('"');
    (is_last && next_lone(event, after).is_none()).then_some(at)
}

/// Returns the position of the next lone surrogate, and whether it is the first half.
fn next_lone(json: &str, mut from: usize) -> Option<(usize, bool)> {
    let bytes = json.as_bytes();
    loop {
        let at = from + memchr(b'\\', bytes.get(from..)?)?;
        from = at + 2;
        match unit_at(bytes, at) {
            Some(0xd800..=0xdbff) => match unit_at(bytes, at + ESCAPE) {
                Some(0xdc00..=0xdfff) => from = at + 2 * ESCAPE,
                _ => return Some((at, true)),
            },
            Some(0xdc00..=0xdfff) => return Some((at, false)),
            _ => {}
        }
    }
}

/// Returns the code unit of an escape.
fn unit_at(bytes: &[u8], at: usize) -> Option<u16> {
    let digits = bytes.get(at..at + ESCAPE)?.strip_prefix(b"\\u")?;
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

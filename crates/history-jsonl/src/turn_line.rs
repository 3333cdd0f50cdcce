//! Reading lines of turns.
//!
//! The fields of a turn's line have a fixed order when this program has written it, so that only
//! the messages are decoded as JSON. Any other line is decoded as a whole.

use std::str;

use conversant_core::{Message, Turn, TurnId, Version};

use crate::log_record::{Line, WholeTurn};

/// Decodes a line whose checksum was compared. Returns `None` if it is not a line of this format.
pub(crate) fn read(line: &[u8]) -> Option<Line<Turn>> {
    ordered(line).or_else(|| serde_json::from_slice(line).ok())
}

/// Decodes the turn of a line whose checksum was compared.
pub(crate) fn turn(line: &[u8]) -> serde_json::Result<Turn> {
    match ordered(line).and_then(Line::into_turn) {
        Some(turn) => Ok(turn),
        None => Ok(serde_json::from_slice::<WholeTurn>(line)?.turn),
    }
}

/// Decodes the line of a turn that follows the tip, if its fields are in their order.
fn ordered(line: &[u8]) -> Option<Line<Turn>> {
    let (number, rest) = number(line.strip_prefix(b"{\"line\":")?)?;
    let (first, rest) = self::number(after_length(rest)?.strip_prefix(b"\"first\":")?)?;
    let rest = rest.strip_prefix(b",\"turn\":{\"id\":\"")?;
    let (id, rest) = rest.split_at_checked(36)?;
    let id: TurnId = str::from_utf8(id).ok()?.parse().ok()?;
    let rest = rest.strip_prefix(b"\",\"messages\":")?;
    // A text has no quotes, and what follows the messages has no list.
    let end = memchr::memmem::rfind(rest, b"],\"incomplete\":")? + 1;
    let (messages, rest) = rest.split_at_checked(end)?;
    let rest = rest.strip_prefix(b",\"incomplete\":")?;
    let (incomplete, rest) = match rest.strip_prefix(b"false") {
        Some(rest) => (false, rest),
        None => (true, rest.strip_prefix(b"true")?),
    };
    let rest = rest.strip_prefix(b",\"base\":")?;
    let base = rest.get(..memchr::memmem::find(rest, b"},\"sum\":\"")?)?;
    let base: Option<Version> = match base {
        b"null" => None,
        base => Some(serde_json::from_slice(base).ok()?),
    };
    let messages = Message::list_from_stored_json(messages, "a turn").ok()?;
    let turn = Turn::identified(id, messages).with_incomplete(incomplete);
    let turn = base.into_iter().fold(turn, Turn::with_base);
    Some(Line::of_turn(number, first, turn))
}

/// Returns whether a line that begins with these bytes is that of a turn.
pub(crate) fn begins(line: &[u8]) -> bool {
    let Some((_, rest)) = line.strip_prefix(b"{\"line\":").and_then(number) else { return false };
    // Lines of older versions have neither their length nor the number of a message.
    rest.starts_with(b",\"turn\":{")
        || after_length(rest).is_some_and(|rest| rest.starts_with(b"\"first\":"))
}

/// Returns what follows the length of a line. `rest` follows its number.
fn after_length(rest: &[u8]) -> Option<&[u8]> {
    let (_, rest) = number(rest.strip_prefix(b",\"bytes\":")?)?;
    rest.strip_prefix(b",\"bytes_sum\":\"")?.get(8..)?.strip_prefix(b"\",")
}

/// Reads the number at the start of a text.
fn number(text: &[u8]) -> Option<(u64, &[u8])> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = text.split_at_checked(digits)?;
    Some((str::from_utf8(digits).ok()?.parse().ok()?, rest))
}

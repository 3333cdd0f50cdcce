//! A row: a message in its stored form, with the mark of its turn.

use std::fmt;

use conversant_core::{HistoryError, Message, Role, Turn, TurnId, Version};
use serde_json::{Map, Value as Json};

const KWARGS: &str = "additional_kwargs";
const INCOMPLETE: &str = "conversant_incomplete";
const BASE: &str = "conversant_base";

/// The field of `additional_kwargs` that holds the id of a row's turn.
pub const TURN_ID: &str = "conversant_turn_id";

/// A decoded row.
#[derive(Debug, Clone)]
pub struct Row {
    message: Message,
    mark: Option<Mark>,
    foreign: TurnId,
    tip: u64,
}

/// The turn of a row that this crate encoded.
#[derive(Debug, Clone, Copy)]
struct Mark {
    turn: TurnId,
    incomplete: bool,
    base: Option<Version>,
}

/// Encodes the messages of a turn as rows.
///
/// # Errors
/// As [`Message::to_stored_json`], and [`HistoryError::Unsupported`] if a message's
/// `additional_kwargs` are not an object.
///
/// # Examples
///
/// ```
/// use conversant_core::{Turn, TurnId};
/// use conversant_history::langchain::{Row, encode_turn, turns};
///
/// let turn = Turn::exchange("Hi", "Hello!");
/// let rows: Vec<Row> = encode_turn(&turn, 1024)?
///     .iter()
///     .map(|json| Row::decode(json, "row 1", || TurnId::from_u128(1)))
///     .collect::<Result<_, _>>()?;
/// assert_eq!(turns(&rows), [turn]);
/// # Ok::<(), conversant_core::HistoryError>(())
/// ```
pub fn encode_turn(turn: &Turn, max_message_bytes: u64) -> Result<Vec<String>, HistoryError> {
    let encode = |message| mark(message, turn)?.to_stored_json(max_message_bytes);
    turn.messages().iter().map(encode).collect()
}

/// Checks that messages can be appended as rows, with any version that their turn names.
///
/// # Errors
/// As [`encode_turn`].
pub fn check_messages(messages: &[Message], max_message_bytes: u64) -> Result<(), HistoryError> {
    check_rows(messages, max_message_bytes, |_| Ok(()))
}

/// Checks that messages can be appended as rows, and each row by `check`.
///
/// # Errors
/// As [`encode_turn`], and those of `check`.
pub fn check_rows(
    messages: &[Message],
    max_message_bytes: u64,
    check: impl Fn(&str) -> Result<(), HistoryError>,
) -> Result<(), HistoryError> {
    // The longest mark that a row can have.
    let base = Version::new(u64::MAX, u64::MAX).with_tip(u64::MAX);
    let turn = Turn::new(messages.to_vec()).with_base(base).with_incomplete(true);
    encode_turn(&turn, max_message_bytes)?.iter().try_for_each(|row| check(row))
}

fn mark(message: &Message, turn: &Turn) -> Result<Message, HistoryError> {
    let mut kwargs = match message.extra().get(KWARGS) {
        None => Map::new(),
        Some(Json::Object(kwargs)) => kwargs.clone(),
        Some(_) => {
            let what = "messages whose `additional_kwargs` are not an object";
            return Err(HistoryError::Unsupported { what });
        }
    };
    kwargs.insert(TURN_ID.to_owned(), turn.id().to_string().into());
    if turn.is_incomplete() {
        kwargs.insert(INCOMPLETE.to_owned(), true.into());
    }
    if let Some(base) = turn.base() {
        kwargs.insert(BASE.to_owned(), version_to_text(base).into());
    }
    Ok(message.clone().with_extra(KWARGS, kwargs))
}

impl Row {
    /// Decodes a row. `place` names it in errors; `foreign_id` returns the id of a turn that begins
    /// with it if Python wrote it, the same at every read.
    ///
    /// # Errors
    /// [`HistoryError::Corrupt`] if the text is not a stored message.
    pub fn decode(
        json: impl AsRef<[u8]>,
        place: impl fmt::Display,
        foreign_id: impl FnOnce() -> TurnId,
    ) -> Result<Self, HistoryError> {
        let corrupt = |source| HistoryError::Corrupt {
            what: format!("cannot decode {place}"),
            source: Some(source),
        };
        let mut stored: Json =
            serde_json::from_slice(json.as_ref()).map_err(|error| corrupt(error.into()))?;
        let mark = take_mark(&mut stored);
        let message = Message::from_stored(stored).map_err(|error| corrupt(error.into()))?;
        let foreign = mark.map_or_else(foreign_id, |mark| mark.turn);
        let tip = match mark {
            Some(mark) => mark.turn.fingerprint(),
            None => fingerprint(json.as_ref()),
        };
        Ok(Self { message, mark, foreign, tip })
    }

    /// Returns the message, without the mark of its turn.
    #[must_use]
    pub const fn message(&self) -> &Message {
        &self.message
    }

    /// Returns the message, without the mark of its turn.
    #[must_use]
    pub fn into_message(self) -> Message {
        self.message
    }

    /// Returns the id of the turn, if this crate encoded the row.
    #[must_use]
    pub fn turn_id(&self) -> Option<TurnId> {
        self.mark.map(|mark| mark.turn)
    }

    /// Returns the fingerprint for the [`tip`](Version::tip) of a version that ends with this row.
    /// For rows that Python wrote, it is that of the row's text: a table that was emptied and
    /// filled again can have other rows of the same numbers.
    #[must_use]
    pub const fn tip(&self) -> u64 {
        self.tip
    }

    /// Returns the number of bytes of the message's own JSON, as
    /// [`Range::LastBytes`](conversant_core::Range::LastBytes) counts them.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        serde_json::to_string(&self.message).map_or(0, |json| json.len() as u64)
    }

    /// Returns whether a turn begins with this row, which follows `before`.
    #[must_use]
    pub fn begins_turn_after(&self, before: &Self) -> bool {
        match (self.mark, before.mark) {
            (Some(mark), Some(before)) => mark.turn != before.turn,
            (None, None) => *self.message.role() == Role::Human,
            _ => true,
        }
    }
}

/// Returns the first 64 bits of the text's SHA-1, or 1 if they are 0. A script on a Redis server
/// can compute it too.
fn fingerprint(text: &[u8]) -> u64 {
    let digest = sha1_smol::Sha1::from(text).digest().bytes();
    digest.first_chunk().map_or(1, |bits| u64::from_be_bytes(*bits).max(1))
}

/// Returns the indices of the rows with which turns begin.
#[must_use]
pub fn turn_starts(rows: &[Row]) -> Vec<usize> {
    let later = rows.windows(2).enumerate().filter_map(|(index, pair)| match pair {
        [before, row] if row.begins_turn_after(before) => Some(index + 1),
        _ => None,
    });
    (!rows.is_empty()).then_some(0).into_iter().chain(later).collect()
}

/// Returns the turns that rows form.
#[must_use]
pub fn turns(rows: &[Row]) -> Vec<Turn> {
    let starts = turn_starts(rows);
    let ends = starts.iter().copied().skip(1).chain([rows.len()]);
    let parts = starts.iter().zip(ends).filter_map(|(&start, end)| rows.get(start..end));
    parts.filter_map(turn).collect()
}

fn turn(rows: &[Row]) -> Option<Turn> {
    let first = rows.first()?;
    let messages: Vec<_> = rows.iter().map(|row| row.message.clone()).collect();
    let turn = Turn::identified(first.foreign, messages);
    let Some(Mark { incomplete, base, .. }) = first.mark else { return Some(turn) };
    Some(base.into_iter().fold(turn.with_incomplete(incomplete), Turn::with_base))
}

/// Removes the mark from a stored message.
fn take_mark(stored: &mut Json) -> Option<Mark> {
    let kwargs = stored.get_mut("data")?.get_mut(KWARGS)?.as_object_mut()?;
    let turn = kwargs.get(TURN_ID)?.as_str()?.parse().ok()?;
    kwargs.shift_remove(TURN_ID);
    let incomplete = kwargs.shift_remove(INCOMPLETE) == Some(Json::Bool(true));
    let base = kwargs.shift_remove(BASE);
    Some(Mark {
        turn,
        incomplete,
        base: base.as_ref().and_then(Json::as_str).and_then(version_from_text),
    })
}

/// Formats a version as its epoch, its number of messages and, if it is known, its tip.
#[must_use]
pub fn version_to_text(version: Version) -> String {
    match version.tip {
        0 => version.to_string(),
        tip => format!("{version}.{tip}"),
    }
}

/// Parses a version that [`version_to_text`] formatted.
#[must_use]
pub fn version_from_text(text: &str) -> Option<Version> {
    let mut parts = text.split('.').map(str::parse);
    let version = Version::new(parts.next()?.ok()?, parts.next()?.ok()?);
    match (parts.next(), parts.next()) {
        (None, _) => Some(version),
        (Some(tip), None) => Some(version.with_tip(tip.ok()?)),
        _ => None,
    }
}

/// Returns the id of a turn that Python wrote, from the number of its first row.
///
/// A UUID of version 8 with "langcha" in ASCII. Stores may hold copies under it, so it never
/// changes.
#[must_use]
pub const fn numbered_turn_id(number: u64) -> TurnId {
    TurnId::from_u128(
        0x6c61_6e67_6368_8061_8000_0000_0000_0000 | (number & 0x3fff_ffff_ffff_ffff) as u128,
    )
}

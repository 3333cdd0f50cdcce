//! Rows of LangChain's, one message each, and the turns that they make up.
//!
//! A row of ours says in `additional_kwargs`, which LangChain keeps and does not send to models, what turn it is of. A row of Python's does
//! not: there, a turn begins at a human message.

use conversant_core::{HistoryError, Message, Turn, TurnId, Version};
use serde_json::{Map, Value as Json};

use crate::encoded;

const KWARGS: &str = "additional_kwargs";
pub(super) const TURN_ID: &str = "conversant_turn_id";
const INCOMPLETE: &str = "conversant_incomplete";
const BASE: &str = "conversant_base";

/// A row that was read.
pub(super) struct Row {
    /// What it says, without our marks.
    pub(super) message: Message,
    mark: Option<Mark>,
    /// The id of a turn that begins with this row, if it is Python's.
    own: TurnId,
}

/// What a row of ours says of its turn.
#[derive(Clone, Copy, PartialEq)]
struct Mark {
    turn: TurnId,
    incomplete: bool,
    base: Option<Version>,
}

/// Writes the rows of a turn.
pub(super) fn write(turn: &Turn, limit: u64) -> Result<Vec<String>, HistoryError> {
    turn.messages()
        .iter()
        .map(|message| encoded::encode_one(&marked(message, turn)?, limit))
        .collect()
}

fn marked(message: &Message, turn: &Turn) -> Result<Message, HistoryError> {
    let mut kwargs = match message.extra().get(KWARGS) {
        None => Map::new(),
        Some(Json::Object(kwargs)) => kwargs.clone(),
        Some(_) => {
            return Err(HistoryError::Unsupported { what: "`additional_kwargs` that are no map" });
        }
    };
    kwargs.insert(TURN_ID.to_owned(), turn.id().to_string().into());
    if turn.is_incomplete() {
        kwargs.insert(INCOMPLETE.to_owned(), true.into());
    }
    if let Some(base) = turn.base() {
        kwargs.insert(BASE.to_owned(), base.to_string().into());
    }
    Ok(message.clone().with_extra(KWARGS, kwargs))
}

impl Row {
    /// Reads a row. `number` tells it from all others, and gives the turn that begins with it an id if it is Python's.
    pub(super) fn read(json: &[u8], number: u64) -> Result<Self, HistoryError> {
        let unreadable = |source: conversant_core::BoxError| HistoryError::Corrupt {
            what: format!("row {number} can't be read"),
            source: Some(source),
        };
        let mut stored: Json =
            serde_json::from_slice(json).map_err(|error| unreadable(error.into()))?;
        let mark = take_mark(&mut stored);
        let message = Message::from_stored(stored).map_err(|error| unreadable(error.into()))?;
        Ok(Self { message, mark, own: foreign_id(number) })
    }

    /// Returns the size of the message's own JSON, as `Range::LastBytes` counts.
    pub(super) fn bytes(&self) -> u64 {
        serde_json::to_string(&self.message).map_or(0, |json| json.len() as u64)
    }

    /// Tells whether a turn begins with this row, after another.
    fn begins_after(&self, before: &Self) -> bool {
        match (self.mark, before.mark) {
            (Some(mark), Some(before)) => mark.turn != before.turn,
            (None, None) => *self.message.role() == conversant_core::Role::Human,
            _ => true,
        }
    }
}

/// Returns the indices of the rows that turns begin with.
pub(super) fn starts(rows: &[Row]) -> Vec<usize> {
    let later = rows.windows(2).enumerate().filter_map(|(index, pair)| match pair {
        [before, row] if row.begins_after(before) => Some(index + 1),
        _ => None,
    });
    (!rows.is_empty()).then_some(0).into_iter().chain(later).collect()
}

/// Returns the turns that rows make up.
pub(super) fn turns(rows: &[Row]) -> Vec<Turn> {
    let starts = starts(rows);
    let ends = starts.iter().copied().skip(1).chain([rows.len()]);
    let parts = starts.iter().zip(ends).filter_map(|(&start, end)| rows.get(start..end));
    parts.filter_map(turn).collect()
}

fn turn(rows: &[Row]) -> Option<Turn> {
    let first = rows.first()?;
    let messages: Vec<_> = rows.iter().map(|row| row.message.clone()).collect();
    let Some(Mark { turn, incomplete, base }) = first.mark else {
        return Some(Turn::new(messages).with_id(first.own));
    };
    let turn = Turn::new(messages).with_id(turn).with_incomplete(incomplete);
    Some(match base {
        Some(base) => turn.with_base(base),
        None => turn,
    })
}

/// Takes our marks out of a stored message.
fn take_mark(stored: &mut Json) -> Option<Mark> {
    let kwargs = stored.get_mut("data")?.get_mut(KWARGS)?.as_object_mut()?;
    let turn = kwargs.get(TURN_ID)?.as_str()?.parse().ok()?;
    kwargs.shift_remove(TURN_ID);
    let incomplete = kwargs.shift_remove(INCOMPLETE) == Some(Json::Bool(true));
    let base = kwargs.shift_remove(BASE);
    Some(Mark { turn, incomplete, base: base.as_ref().and_then(Json::as_str).and_then(version) })
}

fn version(text: &str) -> Option<Version> {
    let (epoch, messages) = text.split_once('.')?;
    Some(Version::new(epoch.parse().ok()?, messages.parse().ok()?))
}

/// Returns an id for a turn that Python wrote: the same whenever it is read, so that copying it twice is copying it once.
fn foreign_id(number: u64) -> TurnId {
    // A UUID of version 8, which is for uses like this; "langcha" in ASCII.
    TurnId::from_u128(
        0x6c61_6e67_6368_8061_8000_0000_0000_0000 | u128::from(number & 0x3fff_ffff_ffff_ffff),
    )
}

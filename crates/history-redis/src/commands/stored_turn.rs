//! The stored form of a turn: `first count id incomplete base`, and the messages as JSON.

use std::ops::Range;

use conversant_core::{HistoryError, Message, Messages, Turn, TurnId, Version};
use conversant_history::langchain::version_from_text;

use super::scripts::corrupt;

/// A stored turn.
pub(crate) struct StoredTurn {
    /// The index of its first message in the session.
    first: u64,
    /// Its number of messages.
    count: u64,
    id: TurnId,
    incomplete: bool,
    base: Option<Version>,
    text: Vec<u8>,
    /// The index at which the JSON begins in the text.
    json: usize,
}

impl StoredTurn {
    /// Parses a turn as `append.rs` and `append.lua` write it.
    pub(super) fn read(text: Vec<u8>) -> Result<Self, HistoryError> {
        Self::parse(text).ok_or_else(|| corrupt("cannot decode a turn".to_owned()))
    }

    fn parse(text: Vec<u8>) -> Option<Self> {
        let json = text.iter().position(|&byte| byte == b'[')?;
        let header = std::str::from_utf8(text.get(..json)?).ok()?;
        let mut parts = header.strip_suffix(' ')?.split(' ');
        let first = parts.next()?.parse().ok()?;
        let count = parts.next()?.parse().ok()?;
        let id = parts.next()?.parse().ok()?;
        let incomplete = parts.next()? == "1";
        let base = match parts.next()? {
            "-" => None,
            base => Some(version_from_text(base)?),
        };
        if parts.next().is_some() {
            return None;
        }
        Some(Self { first, count, id, incomplete, base, text, json })
    }

    /// Returns the number of messages that the session has after this turn.
    const fn end(&self) -> u64 {
        self.first.saturating_add(self.count)
    }

    /// Returns whether this is the last turn of a version.
    pub(super) fn ends_with(&self, version: Version) -> bool {
        self.end() == version.messages && self.id.fingerprint() == version.tip
    }

    /// Decodes the turn.
    pub(super) fn into_turn(self) -> Result<Turn, HistoryError> {
        let messages = self.messages()?;
        Ok(self.with_messages(messages))
    }

    fn with_messages(self, messages: impl Into<Messages>) -> Turn {
        let turn = Turn::identified(self.id, messages).with_incomplete(self.incomplete);
        self.base.into_iter().fold(turn, Turn::with_base)
    }

    /// Returns the stored form.
    #[cfg(feature = "cluster")]
    pub(super) fn text(&self) -> &[u8] {
        &self.text
    }

    /// Decodes the messages.
    fn messages(&self) -> Result<Vec<Message>, HistoryError> {
        let json = self.text.get(self.json..).unwrap_or_default();
        let place = format_args!("the messages from number {} on", self.first);
        let messages = Message::list_from_stored_json(json, place)?;
        match messages.len() as u64 == self.count {
            true => Ok(messages),
            false => Err(corrupt(format!(
                "turn {} has {} messages instead of {}",
                self.id,
                messages.len(),
                self.count
            ))),
        }
    }
}

/// The decoded messages of turns that follow each other.
pub(crate) struct Decoded {
    pub(crate) messages: Vec<Message>,
    /// The turns, and the indices of their messages.
    turns: Vec<(StoredTurn, Range<usize>)>,
}

impl Decoded {
    /// Decodes turns, of which the first begins at `start`, or anywhere.
    pub(crate) fn new(turns: Vec<StoredTurn>, start: Option<u64>) -> Result<Self, HistoryError> {
        let mut next = start;
        let mut messages = Vec::new();
        let mut decoded = Vec::with_capacity(turns.len());
        for turn in turns {
            if next.is_some_and(|next| next != turn.first) {
                return Err(corrupt(format!(
                    "turn {} begins at message {} instead of {}",
                    turn.id,
                    turn.first,
                    next.unwrap_or_default()
                )));
            }
            next = Some(turn.end());
            let first = messages.len();
            messages.append(&mut turn.messages()?);
            decoded.push((turn, first..messages.len()));
        }
        Ok(Self { messages, turns: decoded })
    }

    /// Returns the number of messages of the session after the last turn, or `None` without turns.
    pub(crate) fn end(&self) -> Option<u64> {
        self.turns.last().map(|(turn, _)| turn.end())
    }

    /// Returns the indices at which the turns begin.
    pub(crate) fn starts(&self) -> impl Iterator<Item = usize> {
        self.turns.iter().map(|(_, messages)| messages.start)
    }

    /// Returns the turns that begin at an index or later.
    pub(crate) fn into_turns(self, from: usize) -> Vec<Turn> {
        let messages = Messages::from(self.messages);
        let turns = self.turns.into_iter().filter(|(_, range)| range.start >= from);
        turns.map(|(turn, range)| turn.with_messages(messages.slice(range))).collect()
    }
}

//! Ranges of a session: their messages and turns.

use conversant_core::{BytesLeft, HistoryError, Message, Range, Turn, Version};

use super::{
    path::{StoredTurn, Turns},
    turn_row::Header,
};

/// Loads the messages of a range, and the indices at which turns begin.
pub(crate) fn messages(
    turns: &mut Turns<'_, '_>,
    range: Range,
) -> Result<(Vec<Message>, Vec<usize>), HistoryError> {
    let part = Part::load(turns, range)?;
    let count: usize = part.turns.iter().map(|(_, messages)| messages.len()).sum();
    // A range can begin within a turn.
    let before = count.saturating_sub(part.messages);
    let mut messages = Vec::with_capacity(count);
    let mut starts = Vec::with_capacity(part.turns.len());
    for (_, turn) in part.turns.into_iter().rev() {
        if !turn.is_empty() && messages.len() >= before {
            starts.push(messages.len() - before);
        }
        messages.extend(turn);
    }
    messages.drain(..before);
    Ok((messages, starts))
}

/// Loads the turns that begin in a range, and the turns without messages between them.
pub(crate) fn turns(turns: &mut Turns<'_, '_>, range: Range) -> Result<Vec<Turn>, HistoryError> {
    let mut part = Part::load(turns, range)?;
    let start = turns.session().version.messages.saturating_sub(part.messages as u64);
    part.turns.pop_if(|(header, _)| header.first < start);
    // The start of the conversation is the start of its first turn, even without messages.
    while turns.is_at_start() && part.take(turns.next()?)? {}
    Ok(part.turns.into_iter().rev().map(|(header, messages)| header.into_turn(messages)).collect())
}

/// Loads the first messages, at most `count`.
pub(crate) fn first(turns: &mut Turns<'_, '_>, count: usize) -> Result<Vec<Message>, HistoryError> {
    let mut messages = Vec::new();
    let mut number = 0;
    while messages.len() < count {
        let Some(turn) = turns.messages_of(number)? else { break };
        messages.extend(turn);
        number += 1;
    }
    messages.truncate(count);
    Ok(messages)
}

/// The turns of a range, newest first, and the number of their last messages that are in it.
#[derive(Default)]
struct Part {
    turns: Vec<(Header, Vec<Message>)>,
    messages: usize,
}

impl Part {
    fn load(turns: &mut Turns<'_, '_>, range: Range) -> Result<Self, HistoryError> {
        let mut part = Self::default();
        match range {
            Range::All => while part.take(turns.next()?)? {},
            Range::LastTurns(count) => {
                let mut left = count;
                while left > 0 && part.take(turns.next()?)? {
                    // Turns without messages do not count.
                    let has_messages = part.turns.last().is_some_and(|(turn, _)| turn.count > 0);
                    left -= usize::from(has_messages);
                }
            }
            Range::LastMessages(count) => {
                while part.messages < count && part.take(turns.next()?)? {}
                part.messages = part.messages.min(count);
            }
            Range::LastBytes(bytes) => part.take_bytes(turns, bytes)?,
            Range::After(seen) => part.take_after(turns, seen)?,
            _ => return Err(HistoryError::Unsupported { what: "this range" }),
        }
        Ok(part)
    }

    /// Adds a turn. Returns whether there was one.
    fn take(&mut self, turn: Option<StoredTurn<'_>>) -> Result<bool, HistoryError> {
        let Some(turn) = turn else { return Ok(false) };
        let messages = turn.messages()?;
        self.messages += messages.len();
        self.turns.push((turn.header, messages));
        Ok(true)
    }

    /// Adds the last messages that have at most `bytes` bytes together.
    fn take_bytes(&mut self, turns: &mut Turns<'_, '_>, bytes: u64) -> Result<(), HistoryError> {
        let (mut left, mut fitting) = (BytesLeft::new(bytes), 0);
        while self.take(turns.next()?)? {
            let messages = self.turns.last().map(|(_, messages)| messages.as_slice());
            for message in messages.unwrap_or_default().iter().rev() {
                if !left.takes(message.stored_json_len()) {
                    self.messages = fitting;
                    self.drop_before();
                    return Ok(());
                }
                fitting += 1;
            }
        }
        Ok(())
    }

    /// Drops the oldest turn if none of its messages are in the range.
    fn drop_before(&mut self) {
        let mut held: usize = self.turns.iter().map(|(_, messages)| messages.len()).sum();
        while let Some((_, messages)) = self.turns.last() {
            held -= messages.len();
            if held < self.messages {
                break;
            }
            self.turns.pop();
        }
    }

    /// Adds the messages after a version, or all if the version is not a position of this
    /// conversation.
    fn take_after(&mut self, turns: &mut Turns<'_, '_>, seen: Version) -> Result<(), HistoryError> {
        let current = turns.session().version;
        let mut seen_in = match seen {
            _ if seen.epoch != current.epoch => Seen::Elsewhere,
            _ if seen.tip == 0 || seen == current => Seen::Here,
            _ if seen.messages >= current.messages => Seen::Elsewhere,
            _ => Seen::Unknown,
        };
        while let Some(turn) = turns.next()? {
            let header = turn.header;
            if header.end() <= seen.messages {
                if matches!(seen_in, Seen::Unknown) && header.count > 0 {
                    let is_it = header.end() == seen.messages && header.tip() == seen.tip;
                    seen_in = if is_it { Seen::Here } else { Seen::Elsewhere };
                }
                if matches!(seen_in, Seen::Here) {
                    break;
                }
            }
            self.take(Some(turn))?;
        }
        if matches!(seen_in, Seen::Here) {
            let after = current.messages.saturating_sub(seen.messages);
            self.messages = self.messages.min(usize::try_from(after).unwrap_or(usize::MAX));
        }
        Ok(())
    }
}

/// The place of a version.
enum Seen {
    /// In the stored conversation.
    Here,
    /// In another conversation of this name.
    Elsewhere,
    /// In the stored conversation, if the turn that ends there is the one that it names.
    Unknown,
}

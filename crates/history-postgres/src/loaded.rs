//! Loaded turns: their check, and the part of them that is in a range.

use conversant_core::{BytesLeft, HistoryError, Message, Messages, Range, Slice, Turn};

use crate::statements::{Loaded, Stored};

impl Loaded {
    /// Checks that the turns have no gap, from the begin of the range to the end of the session.
    pub(crate) fn check(&self) -> Result<(), HistoryError> {
        let count = self.version.messages;
        // The first message that is in the range for any sizes of the turns.
        let needed = match self.range {
            Range::LastTurns(0) | Range::LastBytes(0) => count,
            Range::LastTurns(_) | Range::LastBytes(_) => count.saturating_sub(1),
            _ => self.start().min(count),
        };
        let mut next = self.turns.first().map_or(count, |turn| turn.first);
        if next > needed {
            return Err(corrupt(format!("message {needed} is missing")));
        }
        for turn in &self.turns {
            if turn.first != next {
                let Stored { id, first, .. } = turn;
                return Err(corrupt(format!(
                    "turn {id} begins at message {first} instead of {next}"
                )));
            }
            next = turn.end();
        }
        if next != count {
            return Err(corrupt(format!("the session has {next} messages instead of {count}")));
        }
        Ok(())
    }

    /// Returns the index of the first message of a range that does not count bytes.
    fn start(&self) -> u64 {
        let count = self.version.messages;
        match self.range {
            Range::LastMessages(messages) => count.saturating_sub(messages as u64),
            Range::After(seen) if seen.epoch == self.version.epoch => seen.messages,
            _ => 0,
        }
    }

    pub(crate) fn slice(&self) -> Result<Slice, HistoryError> {
        let (messages, start) = self.messages()?;
        let begins = self.turns.iter().filter_map(|turn| turn.first.checked_sub(start));
        let begins = begins.filter_map(|begin| usize::try_from(begin).ok()).collect();
        Ok(Slice::new(messages, self.version).with_turns(begins))
    }

    /// Decodes the messages in the range, and returns the index of the first one.
    fn messages(&self) -> Result<(Vec<Message>, u64), HistoryError> {
        let start = self.start();
        let first = self.turns.first().map_or(start, |turn| turn.first);
        let skipped = usize::try_from(start.saturating_sub(first)).unwrap_or(usize::MAX);
        let numbered = self.turns.iter().flat_map(Stored::numbered);
        let mut messages: Vec<Message> = numbered
            .skip(skipped)
            .map(|(number, turn, json)| turn.decode(number, json))
            .collect::<Result<_, _>>()?;
        if let Range::LastBytes(bytes) = self.range {
            let mut left = BytesLeft::new(bytes);
            let sizes = messages.iter().rev().map(Message::stored_json_len);
            let fitting = sizes.take_while(|&bytes| left.takes(bytes)).count();
            messages.drain(..messages.len() - fitting);
        }
        let start = self.version.messages.saturating_sub(messages.len() as u64);
        Ok((messages, start))
    }

    /// Returns the turns that begin in the range.
    pub(crate) fn turns(&self) -> Result<Vec<Turn>, HistoryError> {
        let start = match self.range {
            Range::LastBytes(_) => self.messages()?.1,
            _ => self.start(),
        };
        self.turns.iter().filter(|turn| turn.first >= start).map(Stored::turn).collect()
    }
}

impl Stored {
    fn end(&self) -> u64 {
        self.first.saturating_add(self.messages.len() as u64)
    }

    fn numbered(&self) -> impl Iterator<Item = (u64, &Self, &str)> {
        (self.first..).zip(&self.messages).map(move |(number, json)| (number, self, json.as_str()))
    }

    fn decode(&self, number: u64, json: &str) -> Result<Message, HistoryError> {
        Message::from_stored_json(json, format_args!("message {number}, of turn {}", self.id))
    }

    pub(crate) fn turn(&self) -> Result<Turn, HistoryError> {
        let messages: Messages = self
            .numbered()
            .map(|(number, turn, json)| turn.decode(number, json))
            .collect::<Result<Vec<_>, _>>()?
            .into();
        let turn = Turn::identified(self.id, messages).with_incomplete(self.incomplete);
        Ok(self.base.into_iter().fold(turn, Turn::with_base))
    }
}

fn corrupt(what: String) -> HistoryError {
    HistoryError::Corrupt { what, source: None }
}

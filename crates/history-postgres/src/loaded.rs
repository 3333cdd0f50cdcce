//! Loaded turns: their check, and the part of them that is in a range.

use conversant_core::{HistoryError, Message, Messages, Range, Slice, Turn};

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
            return Err(corrupt(format!("there are {next} messages instead of {count}")));
        }
        Ok(())
    }

    /// Returns the index of the range's first message.
    fn start(&self) -> u64 {
        let count = self.version.messages;
        match self.range {
            Range::LastMessages(messages) => count.saturating_sub(messages as u64),
            Range::LastBytes(bytes) => {
                let mut left = bytes;
                let messages = self.turns.iter().rev().flat_map(|turn| turn.messages.iter().rev());
                let fitting = messages.take_while(|message| {
                    let rest = left.checked_sub(message.len() as u64);
                    rest.inspect(|&rest| left = rest).is_some()
                });
                count.saturating_sub(fitting.count() as u64)
            }
            Range::After(seen) if seen.epoch == self.version.epoch => seen.messages,
            _ => 0,
        }
    }

    pub(crate) fn slice(&self) -> Result<Slice, HistoryError> {
        let start = self.start();
        let first = self.turns.first().map_or(start, |turn| turn.first);
        let skipped = usize::try_from(start.saturating_sub(first)).unwrap_or(usize::MAX);
        let numbered = self.turns.iter().flat_map(Stored::numbered);
        let messages: Vec<Message> = numbered
            .skip(skipped)
            .map(|(number, turn, json)| turn.decode(number, json))
            .collect::<Result<_, _>>()?;
        Ok(Slice::new(messages, self.version))
    }

    /// Returns the turns that begin in the range.
    pub(crate) fn turns(&self) -> Result<Vec<Turn>, HistoryError> {
        let start = self.start();
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

    fn turn(&self) -> Result<Turn, HistoryError> {
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

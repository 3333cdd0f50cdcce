//! The order of decrypted messages: each in its place, after the one before it.

use conversant_core::TurnId;

use crate::{error::DecryptionFault, message_record::Binding};

/// Checks the messages of a part of a session, one after the other.
#[derive(Debug)]
pub(crate) struct Sequence {
    /// The position of the next message, if it is known.
    position: Option<u64>,
    last: Option<Last>,
    /// Whether the part must begin with a turn.
    begins_turn: bool,
    accepts_moved: bool,
}

/// The message before.
#[derive(Debug, Clone, Copy)]
struct Last {
    turn: TurnId,
    position: u64,
    index: u32,
    count: u32,
}

impl Sequence {
    pub(crate) const fn new(position: Option<u64>, begins_turn: bool, accepts_moved: bool) -> Self {
        Self { position, last: None, begins_turn, accepts_moved }
    }

    /// Checks the next message.
    pub(crate) fn check(&mut self, next: &Binding) -> Result<(), DecryptionFault> {
        if next.index >= next.count {
            return Err(DecryptionFault::UnknownForm);
        }
        let follows = match self.last {
            None if self.begins_turn && next.index > 0 => return Err(DecryptionFault::Cut),
            None => true,
            Some(last) if last.index + 1 < last.count => {
                let is_next = next.index == last.index + 1 && next.count == last.count;
                if next.turn != last.turn || next.position != last.position || !is_next {
                    return Err(DecryptionFault::Cut);
                }
                true
            }
            Some(_) if next.index > 0 => return Err(DecryptionFault::Cut),
            Some(last) => next.previous == 0 || next.previous == last.turn.fingerprint(),
        };
        let position = next.position.saturating_add(u64::from(next.index));
        let is_in_place = self.position.is_none_or(|expected| expected == position);
        if !(follows && is_in_place || self.accepts_moved) {
            return Err(DecryptionFault::Moved);
        }
        self.position = Some(position.saturating_add(1));
        let Binding { turn, position, index, count, .. } = *next;
        self.last = Some(Last { turn, position, index, count });
        Ok(())
    }

    /// Checks that the last turn is whole.
    pub(crate) fn finish(&self) -> Result<(), DecryptionFault> {
        match self.last {
            Some(last) if last.index + 1 < last.count => Err(DecryptionFault::Cut),
            _ => Ok(()),
        }
    }
}

//! Reading a part of a conversation by its index.

use conversant_core::{BytesLeft, HistoryError, Messages, Point, Range, Slice, Turn, Version};

use crate::{
    conversation::Conversation,
    lines::Lines,
    turn_tree::{Place, TurnEntry},
};

impl Conversation<'_> {
    pub(crate) fn load(&self, point: Option<Point>, range: Range) -> Result<Slice, HistoryError> {
        let path = self.path(point)?;
        let start = self.start(path, range)?;
        let turns = self.read_turns(&self.turns_from(path, start))?;
        Ok(slice_of(turns.iter(), start, self.version_at(path)))
    }

    /// Returns the turns that begin in a range.
    pub(crate) fn turns(
        &self,
        point: Option<Point>,
        range: Range,
    ) -> Result<Vec<Turn>, HistoryError> {
        let path = self.path(point)?;
        let start = self.start(path, range)?;
        let mut turns = self.turns_from(path, start);
        turns.retain(|turn| turn.first >= start);
        self.read_turns(&turns)
    }

    /// Returns the first messages of a path, at most `count`.
    pub(crate) fn first(
        &self,
        point: Option<Point>,
        count: usize,
    ) -> Result<Messages, HistoryError> {
        let path = self.path(point)?;
        let wanted = u64::try_from(count).unwrap_or(u64::MAX);
        let entries = self.index.iter().flat_map(|index| index.turns.oldest_first(path));
        let entries: Vec<_> = entries.take_while(|turn| turn.first < wanted).collect();
        let turns = self.read_turns(&entries)?;
        let messages = turns.iter().flat_map(|turn| turn.messages().iter_shared().cloned());
        Ok(messages.take(count).collect())
    }

    /// Returns the number of a range's first message.
    fn start(&self, path: Option<Place>, range: Range) -> Result<u64, HistoryError> {
        let version = self.version_at(path);
        match range {
            Range::After(seen) if self.follows(path, seen) => {
                Ok(seen.messages.min(version.messages))
            }
            Range::All | Range::After(_) => Ok(0),
            Range::LastMessages(count) => Ok(version.messages.saturating_sub(count as u64)),
            Range::LastTurns(0) => Ok(version.messages),
            Range::LastTurns(count) => {
                let turns = self.newest_first(path).filter(|turn| turn.count > 0);
                Ok(turns.take(count).last().map_or(version.messages, |turn| turn.first))
            }
            Range::LastBytes(bytes) => self.start_of_last_bytes(path, bytes),
            _ => Err(HistoryError::Unsupported { what: "this range" }),
        }
    }

    fn start_of_last_bytes(&self, path: Option<Place>, bytes: u64) -> Result<u64, HistoryError> {
        let mut left = BytesLeft::new(bytes);
        let mut start = self.version_at(path).messages;
        for entry in self.newest_first(path) {
            for turn in self.read_turns(&[entry])? {
                for message in turn.messages().iter().rev() {
                    if !left.takes(message.stored_json_len()) {
                        return Ok(start);
                    }
                    start -= 1;
                }
            }
        }
        Ok(start)
    }

    fn newest_first(&self, path: Option<Place>) -> impl Iterator<Item = &TurnEntry> {
        self.index.iter().flat_map(move |index| index.turns.newest_first(path))
    }

    /// Returns the turns of a path that end after message `start`, or all if it is the first.
    fn turns_from(&self, path: Option<Place>, start: u64) -> Vec<&TurnEntry> {
        let turns = self.newest_first(path).take_while(|turn| start == 0 || turn.end() > start);
        let mut turns: Vec<_> = turns.collect();
        turns.reverse();
        turns
    }

    fn read_turns(&self, entries: &[&TurnEntry]) -> Result<Vec<Turn>, HistoryError> {
        let shared = self.index.as_ref().map_or(&[][..], |index| &index.shared);
        Lines::new(self.own_file(), shared).turns(entries)
    }
}

/// Returns the messages of a path's last turns from the message `start` on.
pub(crate) fn slice_of<'t>(
    turns: impl Iterator<Item = &'t Turn> + Clone,
    start: u64,
    version: Version,
) -> Slice {
    let count: usize = turns.clone().map(|turn| turn.messages().len()).sum();
    let wanted = usize::try_from(version.messages.saturating_sub(start)).unwrap_or(usize::MAX);
    // A range can begin within a turn.
    let before = count.saturating_sub(wanted);
    let (mut end, mut starts) = (0, Vec::new());
    for turn in turns.clone() {
        if !turn.messages().is_empty() && end >= before {
            starts.push(end - before);
        }
        end += turn.messages().len();
    }
    let messages = turns.flat_map(|turn| turn.messages().iter_shared().cloned()).skip(before);
    Slice::new(messages.collect::<Messages>(), version).with_turns(starts)
}

//! The names in turns that are not described yet, so that they are not extracted again.

use conversant_core::{Slice, Version};

/// The most turns that are described at once.
pub(super) const MAX_TURNS: usize = 16;

/// The names in the first of the turns that the descriptions do not cover.
#[derive(Clone)]
pub(super) struct Pending {
    /// The number of messages before these turns.
    start: u64,
    /// The number of messages up to their end.
    end: u64,
    /// The version of the conversation in which they are.
    pub(super) seen: Version,
    pub(super) names: Vec<String>,
}

impl Pending {
    /// No turns, since those up to `end` are described.
    pub(super) const fn nothing(end: u64, seen: Version) -> Self {
        Self { start: end, end, seen, names: Vec::new() }
    }

    /// The names in the first messages that are not covered.
    pub(super) fn of(uncovered: &Slice, messages: usize, names: Vec<String>) -> Self {
        let start = uncovered.start();
        Self { start, end: start + messages as u64, seen: uncovered.version, names }
    }

    /// Adds a turn that was appended to `base`, if all turns before it are covered or here, and its
    /// names if there are not more than `max` then. Turns of others are not known here.
    pub(super) fn add(&mut self, base: Version, after: Version, names: Vec<String>, max: usize) {
        let follows = self.end == base.messages && base.matches(self.seen);
        if !follows || self.names.len().saturating_add(names.len()) > max {
            return;
        }
        for name in names {
            if !self.names.contains(&name) {
                self.names.push(name);
            }
        }
        (self.end, self.seen) = (after.messages, after);
    }

    /// Returns the number of messages that are not covered and whose names these are, if they are
    /// those of a conversation that has the version `seen`.
    pub(super) fn messages(&self, uncovered: &Slice) -> Option<usize> {
        let is_within = self.seen.epoch == uncovered.version.epoch
            && self.start == uncovered.start()
            && self.end <= uncovered.version.messages;
        let messages = usize::try_from(self.end.checked_sub(self.start)?).ok()?;
        (is_within && messages > 0).then_some(messages)
    }

    /// Returns whether turns after `end` are among these.
    pub(super) const fn is_after(&self, end: u64) -> bool {
        self.end > end
    }
}

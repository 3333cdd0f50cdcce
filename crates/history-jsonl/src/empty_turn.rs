//! Turns without messages, which are not stored.

use conversant_core::{Expect, HistoryError, Point, Turn, Version};

use crate::{conversation::Conversation, lines::Lines};

impl Conversation<'_> {
    /// Returns the version at a point where a turn without messages would follow. `None` is the
    /// tip. Earlier versions stored such turns.
    pub(crate) fn append_nothing(
        &self,
        point: Option<Point>,
        turn: &Turn,
        expect: Expect,
    ) -> Result<Version, HistoryError> {
        if let Some(index) = &self.index
            && let Some(place) = index.turns.find(turn.id())
            && let Some(entry) = index.turns.entry(place)
        {
            let mut lines = Lines::new(self.own_file(), &index.shared);
            lines.turns(&[entry])?.iter().try_for_each(|stored| turn.check_stored(stored))?;
            return Ok(self.version_at(Some(place)));
        }
        let path = self.path(point)?;
        let current = self.version_at(path);
        let Some(expected) = expect.version() else { return Ok(current) };
        let outcome = expect.check(current).and_then(|()| match self.follows(path, expected) {
            true => Ok(current),
            false => Err(HistoryError::Stale { expected, current }),
        });
        match outcome {
            Err(_) if self.was_left(expect, expected) => Ok(expected),
            outcome => outcome,
        }
    }

    /// Returns whether a version is one of a branch that was left since.
    fn was_left(&self, expect: Expect, version: Version) -> bool {
        let index = self.index.as_ref().filter(|index| index.header.epoch == version.epoch);
        matches!(expect, Expect::SameEpoch(_))
            && index.is_some_and(|index| index.turns.of_version(version).is_some())
    }
}

//! The turns of a session: branches, of which each leaves another after one of its turns.

use std::{collections::HashMap, iter};

use conversant_core::{Alternative, TurnId, Version};

/// The place of a line in a file, without its line break.
#[derive(Clone, Copy)]
pub(crate) struct Span {
    /// The index of the file: 0 for the session's own, others for those that a fork shares.
    pub(crate) file: usize,
    pub(crate) offset: u64,
    pub(crate) bytes: usize,
    pub(crate) line: u64,
}

/// A turn in a file.
#[derive(Clone, Copy)]
pub(crate) struct TurnEntry {
    pub(crate) id: TurnId,
    pub(crate) span: Span,
    /// The number of its first message, and the number of its messages.
    pub(crate) first: u64,
    pub(crate) count: u64,
    /// The fingerprint of the last turn that has messages, of the path that ends here.
    pub(crate) tip: u64,
    /// The number of turns that were stored before it.
    order: usize,
}

impl TurnEntry {
    /// Returns the number of messages of the path that ends here.
    pub(crate) const fn end(&self) -> u64 {
        self.first + self.count
    }
}

/// The place of a turn in the tree, and so the path that ends with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    branch: usize,
    /// The number of turns before it on its path.
    number: usize,
}

/// A branch: its own turns, after a turn of another branch or the start.
struct Branch {
    before: Option<Place>,
    turns: Vec<TurnEntry>,
}

impl Branch {
    /// Returns the number of turns before the first own one.
    fn first(&self) -> usize {
        self.before.map_or(0, |before| before.number + 1)
    }

    /// Returns the index of the first own turn after which the path has this many messages or more.
    fn reaching(&self, messages: u64) -> usize {
        self.turns.partition_point(|turn| turn.end() < messages)
    }
}

/// The turns of a session. `None` as a place is the start.
#[derive(Default)]
pub(crate) struct TurnTree {
    branches: Vec<Branch>,
    places: HashMap<TurnId, Place>,
}

impl TurnTree {
    pub(crate) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Returns the number of turns in a file.
    pub(crate) fn count_in(&self, file: usize) -> usize {
        self.all().filter(|turn| turn.span.file == file).count()
    }

    /// Returns the number of turns up to a place.
    pub(crate) fn count(place: Option<Place>) -> u64 {
        place.map_or(0, |place| place.number as u64 + 1)
    }

    /// Returns all turns, in no order.
    pub(crate) fn all(&self) -> impl Iterator<Item = &TurnEntry> {
        self.branches.iter().flat_map(|branch| &branch.turns)
    }

    pub(crate) fn find(&self, turn: TurnId) -> Option<Place> {
        self.places.get(&turn).copied()
    }

    pub(crate) fn entry(&self, place: Place) -> Option<&TurnEntry> {
        let branch = self.branches.get(place.branch)?;
        branch.turns.get(place.number.checked_sub(branch.first())?)
    }

    /// Returns the version after a place, in an epoch.
    pub(crate) fn version(&self, place: Option<Place>, epoch: u64) -> Version {
        match place.and_then(|place| self.entry(place)) {
            Some(entry) => Version::new(epoch, entry.end()).with_tip(entry.tip),
            None => Version::new(epoch, 0),
        }
    }

    /// Adds a turn after a place, and returns its own. Returns `None` if the turn is there already.
    pub(crate) fn add(
        &mut self,
        before: Option<Place>,
        id: TurnId,
        count: u64,
        span: Span,
    ) -> Option<Place> {
        let order = self.places.len();
        let version = self.version(before, 0);
        let tip = if count > 0 { id.fingerprint() } else { version.tip };
        let entry = TurnEntry { id, span, first: version.messages, count, tip, order };
        let number = before.map_or(0, |before| before.number + 1);
        let continued = before.map(|before| before.branch).filter(|&branch| {
            let branch = self.branches.get(branch);
            branch.is_some_and(|branch| branch.first() + branch.turns.len() == number)
        });
        let place = Place { branch: continued.unwrap_or(self.branches.len()), number };
        if self.places.insert(id, place).is_some() {
            return None;
        }
        match self.branches.get_mut(place.branch) {
            Some(branch) => branch.turns.push(entry),
            None => self.branches.push(Branch { before, turns: vec![entry] }),
        }
        Some(place)
    }

    /// Returns the turns of a path, newest first.
    pub(crate) fn newest_first(&self, path: Option<Place>) -> impl Iterator<Item = &TurnEntry> {
        let places = iter::successors(path, |place| self.before(*place));
        places.filter_map(|place| self.entry(place))
    }

    /// Returns the turns of a path, oldest first.
    pub(crate) fn oldest_first(&self, path: Option<Place>) -> impl Iterator<Item = &TurnEntry> {
        let branches = iter::successors(path, |place| {
            self.branches.get(place.branch).and_then(|branch| branch.before)
        });
        let mut parts: Vec<&[TurnEntry]> =
            branches.filter_map(|last| self.own_turns(last)).collect();
        parts.reverse();
        parts.into_iter().flatten()
    }

    /// Returns the turns of a place's branch up to the place.
    fn own_turns(&self, last: Place) -> Option<&[TurnEntry]> {
        let branch = self.branches.get(last.branch)?;
        branch.turns.get(..=last.number.checked_sub(branch.first())?)
    }

    /// Removes the turns that are not on the path to a place. Only the turns that are removed, and
    /// those of the path that are not of the first branch, take time.
    pub(crate) fn keep_path(&mut self, last: Place) {
        let mut next = Some(last);
        let mut moved = Vec::new();
        while let Some(place) = next.filter(|place| place.branch > 0) {
            moved.extend(self.entry(place).copied());
            next = self.before(place);
        }
        let kept = next.map_or(0, |place| place.number + 1);
        let mut branches = std::mem::take(&mut self.branches).into_iter();
        let mut turns = branches.next().map_or_else(Vec::new, |branch| branch.turns);
        let first = turns.drain(kept.min(turns.len())..);
        for entry in first.chain(branches.flat_map(|branch| branch.turns)) {
            self.places.remove(&entry.id);
        }
        for entry in moved.into_iter().rev() {
            let number = turns.len();
            self.places.insert(entry.id, Place { branch: 0, number });
            turns.push(TurnEntry { order: number, ..entry });
        }
        if !turns.is_empty() {
            self.branches = vec![Branch { before: None, turns }];
        }
    }

    /// Returns the turn before a turn.
    pub(crate) fn before(&self, place: Place) -> Option<Place> {
        let branch = self.branches.get(place.branch)?;
        if place.number == branch.first() {
            return branch.before;
        }
        Some(Place { number: place.number.checked_sub(1)?, ..place })
    }

    /// Returns the place of a path's turn with a number.
    fn numbered(&self, path: Option<Place>, number: usize) -> Option<Place> {
        let mut last = path?;
        while let Some(branch) = self.branches.get(last.branch) {
            if number >= branch.first() {
                return (number <= last.number).then_some(Place { number, ..last });
            }
            last = branch.before?;
        }
        None
    }

    /// Returns whether a path has a turn.
    pub(crate) fn has(&self, path: Option<Place>, turn: Place) -> bool {
        self.numbered(path, turn.number) == Some(turn)
    }

    /// Returns the first turn of a path with which it has this many messages or more.
    pub(crate) fn reaching(&self, path: Option<Place>, messages: u64) -> Option<Place> {
        let mut last = path?;
        self.entry(last).filter(|entry| entry.end() >= messages)?;
        loop {
            let branch = self.branches.get(last.branch)?;
            match branch.before {
                Some(before) if self.entry(before)?.end() >= messages => last = before,
                _ => {
                    let number = branch.first() + branch.reaching(messages);
                    return Some(Place { number, ..last });
                }
            }
        }
    }

    /// Returns whether a path continues from a version of its epoch: whether it had the same turn
    /// there, if the version's tip is known.
    pub(crate) fn follows(&self, path: Option<Place>, version: Version) -> bool {
        version.tip == 0
            || self.reaching(path, version.messages).is_some_and(|place| self.ends(place, version))
    }

    /// Returns whether a version is that after a turn.
    fn ends(&self, place: Place, version: Version) -> bool {
        self.entry(place)
            .is_some_and(|entry| (entry.end(), entry.tip) == (version.messages, version.tip))
    }

    /// Returns the turn of any branch that a version of this epoch names.
    pub(crate) fn of_version(&self, version: Version) -> Option<Place> {
        if version.tip == 0 {
            return None;
        }
        self.branches.iter().enumerate().find_map(|(index, branch)| {
            let number = branch.first() + branch.reaching(version.messages);
            let place = Place { branch: index, number };
            self.ends(place, version).then_some(place)
        })
    }

    /// Returns the turns that follow a place, in the order in which they were stored.
    pub(crate) fn alternatives(
        &self,
        place: Option<Place>,
        tip: Option<Place>,
    ) -> Vec<Alternative> {
        let continued = place.map(|place| Place { number: place.number + 1, ..place });
        let continued = continued.filter(|&first| self.entry(first).is_some());
        let last_of = |place: Place| self.branches.get(place.branch)?.turns.last();
        // The first turns of what follows, each with the last stored of those that come after.
        let mut followers: Vec<(Place, &TurnEntry)> = Vec::new();
        followers.extend(continued.and_then(|first| Some((first, last_of(first)?))));
        // The follower that each branch comes after. A branch comes after the one that it leaves.
        let mut following: Vec<Option<usize>> = Vec::with_capacity(self.branches.len());
        for (index, branch) in self.branches.iter().enumerate() {
            let follower = match (branch.before, place) {
                (before, place) if before == place => {
                    let first = Place { branch: index, number: branch.first() };
                    followers.extend(branch.turns.first().map(|entry| (first, entry)));
                    followers.len().checked_sub(1)
                }
                (Some(before), Some(place)) if before.branch == place.branch => {
                    (before.number > place.number).then_some(0)
                }
                (before, _) => {
                    before.and_then(|before| following.get(before.branch).copied().flatten())
                }
            };
            following.push(follower);
            let newest = follower.and_then(|follower| followers.get_mut(follower));
            if let (Some((_, newest)), Some(last)) = (newest, branch.turns.last())
                && last.order > newest.order
            {
                *newest = last;
            }
        }
        let alternative = |(place, newest): (Place, &TurnEntry)| {
            let turn = self.entry(place)?.id;
            Some(Alternative::new(turn, newest.id).with_current(self.has(tip, place)))
        };
        followers.into_iter().filter_map(alternative).collect()
    }
}

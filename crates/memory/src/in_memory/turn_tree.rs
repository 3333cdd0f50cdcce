//! The turns of a session: branches that share the turns before them.

use std::{borrow::Cow, collections::HashMap};

use conversant_core::{Alternative, Message, Messages, Turn, TurnId, Version};

use super::turn_id_hash::TurnIdHash;

/// The turns of a session. The first branch begins at the start; the others leave a branch after
/// one of its turns.
#[derive(Default)]
pub(super) struct TurnTree {
    branches: Vec<Branch>,
    places: HashMap<TurnId, Place, TurnIdHash>,
    stored: u64,
}

/// A branch: its own turns, after the turns that it shares with its parent.
#[derive(Default)]
struct Branch {
    /// The branch that has the turn before the first own one. `None`: it begins at the start.
    parent: Option<usize>,
    /// The number of turns before the first own one.
    first: usize,
    /// The messages from an index on to the last own turn: from the start, or, of a branch that was
    /// not loaded yet, only the own ones.
    messages: Messages,
    begins: usize,
    /// The own turns, and the indices at which they begin.
    turns: Vec<Header>,
    starts: Vec<usize>,
    /// The number of own turns that [`TurnTree::take_uncounted`] has returned.
    counted: usize,
}

/// A turn, without its messages.
#[derive(Clone)]
struct Header {
    id: TurnId,
    incomplete: bool,
    base: Option<Version>,
    /// The number of turns that were stored before it, in any branch.
    sequence: u64,
}

/// A turn's branch and its number in the path.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Place {
    branch: usize,
    number: usize,
}

/// The path from the start to a point: the first turns of a branch, including those that it shares.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Path {
    branch: usize,
    pub(super) turns: usize,
}

impl Header {
    fn with_messages(&self, messages: Messages) -> Turn {
        let turn = Turn::identified(self.id, messages).with_incomplete(self.incomplete);
        match self.base {
            Some(base) => turn.with_base(base),
            None => turn,
        }
    }
}

impl Branch {
    /// Returns the number of turns up to the last own one.
    fn end(&self) -> usize {
        self.first + self.turns.len()
    }

    fn header(&self, number: usize) -> Option<&Header> {
        self.turns.get(number.checked_sub(self.first)?)
    }

    /// Returns the number of messages up to an own turn.
    fn end_of(&self, number: usize) -> usize {
        let next = number.saturating_sub(self.first) + 1;
        self.starts.get(next).copied().unwrap_or_else(|| self.len())
    }

    /// Returns the number of messages from the start to the last own turn.
    fn len(&self) -> usize {
        self.begins + self.messages.len()
    }

    /// Returns the messages of an own turn.
    fn messages_of(&self, number: usize) -> Option<Messages> {
        let start = self.starts.get(number.checked_sub(self.first)?)?.checked_sub(self.begins)?;
        let end = self.end_of(number).checked_sub(self.begins)?;
        Some(self.messages.slice(start..end))
    }

    /// Returns the own turn that ends after this many messages.
    fn ending_at(&self, messages: usize) -> Option<usize> {
        let after = self.starts.partition_point(|&start| start < messages);
        let number = self.first + after.checked_sub(1)?;
        (self.end_of(number) == messages).then_some(number)
    }
}

impl TurnTree {
    pub(super) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Returns the path to a turn.
    pub(super) fn path_to(&self, turn: TurnId) -> Option<Path> {
        let Place { branch, number } = *self.places.get(&turn)?;
        Some(Path { branch, turns: number + 1 })
    }

    /// Returns the place of the turn with a number in a path.
    fn place(&self, path: Path, number: usize) -> Option<Place> {
        if number >= path.turns {
            return None;
        }
        let mut index = path.branch;
        loop {
            let branch = self.branches.get(index)?;
            if number >= branch.first {
                return Some(Place { branch: index, number });
            }
            index = branch.parent?;
        }
    }

    fn header(&self, place: Place) -> Option<&Header> {
        self.branches.get(place.branch)?.header(place.number)
    }

    fn last(&self, path: Path) -> Option<Place> {
        self.place(path, path.turns.checked_sub(1)?)
    }

    /// Returns the number of messages of a path.
    pub(super) fn len(&self, path: Path) -> usize {
        self.start_of(path, path.turns)
    }

    /// Returns the index of the message with which a turn of the path begins, or the number of
    /// messages.
    pub(super) fn start_of(&self, path: Path, number: usize) -> usize {
        let before = number.min(path.turns).checked_sub(1);
        let place = before.and_then(|before| self.place(path, before));
        let branch = place.and_then(|place| Some((self.branches.get(place.branch)?, place.number)));
        branch.map_or(0, |(branch, number)| branch.end_of(number))
    }

    /// Returns the number of turns of a path that begin before a message.
    pub(super) fn begun_before(&self, path: Path, message: usize) -> usize {
        let mut path = path;
        while let Some(branch) = self.branches.get(path.branch) {
            let own = branch.starts.partition_point(|&start| start < message);
            if own > 0 {
                return path.turns.min(branch.first + own);
            }
            let Some(parent) = branch.parent else { break };
            path = Path { branch: parent, turns: branch.first.min(path.turns) };
        }
        0
    }

    /// Returns the turn of a path that has the last of its first messages.
    pub(super) fn turn_at(&self, path: Path, messages: usize) -> Option<TurnId> {
        let number = self.begun_before(path, messages).checked_sub(1)?;
        self.header(self.place(path, number)?).map(|header| header.id)
    }

    /// Returns whether a path has a turn.
    pub(super) fn has(&self, path: Path, turn: TurnId) -> bool {
        let place = self.places.get(&turn).copied();
        place.is_some_and(|place| self.place(path, place.number) == Some(place))
    }

    /// Returns the messages of a path.
    pub(super) fn messages(&self, path: Path) -> Cow<'_, Messages> {
        let Some(branch) = self.branches.get(path.branch) else {
            return Cow::Owned(Messages::new());
        };
        match self.len(path) {
            len if branch.begins > 0 => Cow::Owned(self.gathered(path.branch, len)),
            // A clone costs more for a longer conversation.
            len if len == branch.messages.len() => Cow::Borrowed(&branch.messages),
            len => Cow::Owned(branch.messages.slice(..len)),
        }
    }

    /// Returns the first messages of a branch, from the branches that have them.
    fn gathered(&self, branch: usize, len: usize) -> Messages {
        let (mut pieces, mut end) = (Vec::new(), len);
        let mut next = self.branches.get(branch);
        while let Some(branch) = next.filter(|_| end > 0) {
            if end > branch.begins {
                pieces.push(branch.messages.slice(..end - branch.begins));
                end = branch.begins;
            }
            next = branch.parent.and_then(|parent| self.branches.get(parent));
        }
        let mut messages = Messages::new();
        pieces.iter().rev().for_each(|piece| messages.append(piece));
        messages
    }

    /// Gathers the messages of a path's branch, before they are loaded for the first time. A new
    /// branch does not: it would take time and memory for each branch that it comes after.
    pub(super) fn gather(&mut self, path: Path) {
        let begins = |branch: &Branch| (branch.begins > 0).then(|| branch.len());
        let Some(len) = self.branches.get(path.branch).and_then(begins) else { return };
        let messages = self.gathered(path.branch, len);
        if let Some(branch) = self.branches.get_mut(path.branch) {
            (branch.messages, branch.begins) = (messages, 0);
        }
    }

    /// Returns the fingerprint of the turn that ends a path, or 0 for an empty one.
    pub(super) fn tip(&self, path: Path) -> u64 {
        let last = self.last(path).and_then(|place| self.header(place));
        last.map_or(0, |header| header.id.fingerprint())
    }

    /// Returns the fingerprint of the turn that ends after this many messages of a path. A number
    /// in the middle of a turn has none.
    pub(super) fn tip_at(&self, path: Path, messages: usize) -> Option<u64> {
        let mut path = path;
        loop {
            let branch = self.branches.get(path.branch)?;
            if let Some(number) = branch.ending_at(messages).filter(|&number| number < path.turns) {
                return branch.header(number).map(|header| header.id.fingerprint());
            }
            path = Path { branch: branch.parent?, turns: branch.first.min(path.turns) };
        }
    }

    /// Returns the path of a version: that of the turn with this fingerprint which ends after this
    /// many messages.
    pub(super) fn path_of(&self, messages: usize, tip: u64) -> Option<Path> {
        self.branches.iter().enumerate().find_map(|(index, branch)| {
            let number = branch.ending_at(messages)?;
            let is_it = branch.header(number)?.id.fingerprint() == tip;
            is_it.then_some(Path { branch: index, turns: number + 1 })
        })
    }

    /// Returns the turns of a path from a number on.
    pub(super) fn turns(&self, path: Path, from: usize) -> Vec<Turn> {
        let mut turns = Vec::with_capacity(path.turns.saturating_sub(from));
        let mut index = path.branch;
        for number in (from..path.turns).rev() {
            let Some(Place { branch, .. }) = self.place(Path { branch: index, ..path }, number)
            else {
                break;
            };
            index = branch;
            let own = self.branches.get(index);
            turns.extend(
                own.and_then(|own| {
                    Some(own.header(number)?.with_messages(own.messages_of(number)?))
                }),
            );
        }
        turns.reverse();
        turns
    }

    /// Returns all messages that are stored, of all branches.
    pub(super) fn stored_messages(&self) -> impl Iterator<Item = &Message> {
        self.branches.iter().flat_map(|branch| {
            let first = branch.starts.first().copied().unwrap_or_else(|| branch.len());
            branch.messages.iter().skip(first.saturating_sub(branch.begins))
        })
    }

    /// Returns the turns that were added since it was last called, of all branches. Turns that the
    /// tree of a fork began with are not returned.
    pub(super) fn take_uncounted(&mut self) -> Vec<Turn> {
        let mut turns = Vec::new();
        for branch in &mut self.branches {
            for (number, header) in branch.turns.iter().enumerate().skip(branch.counted) {
                let messages = branch.messages_of(branch.first + number);
                turns.extend(messages.map(|messages| header.with_messages(messages)));
            }
            branch.counted = branch.turns.len();
        }
        turns
    }

    /// Adds a turn at the end of a path, and returns the path to it.
    pub(super) fn add(&mut self, path: Path, turn: &Turn) -> Path {
        let header = Header {
            id: turn.id(),
            incomplete: turn.is_incomplete(),
            base: turn.base(),
            sequence: self.stored,
        };
        self.stored += 1;
        let parent = self.last(path).map(|place| place.branch);
        let ends_here =
            |&own: &usize| self.branches.get(own).is_some_and(|own| own.end() == path.turns);
        let index = parent.filter(ends_here).unwrap_or(self.branches.len());
        if index == self.branches.len() {
            let (first, begins) = (path.turns, self.len(path));
            self.branches.push(Branch { parent, first, begins, ..Branch::default() });
        }
        if let Some(branch) = self.branches.get_mut(index) {
            branch.starts.push(branch.len());
            branch.turns.push(header);
            branch.messages.extend(turn.messages().iter_shared().cloned());
        }
        self.places.insert(turn.id(), Place { branch: index, number: path.turns });
        Path { branch: index, turns: path.turns + 1 }
    }

    /// Frees the memory that only serves the next calls: what encoders keep with the messages, the
    /// messages that a branch has gathered, and room for further turns.
    pub(super) fn compact(&mut self) {
        for branch in &mut self.branches {
            let first = branch.starts.first().copied().unwrap_or_else(|| branch.len());
            let own = branch.messages.slice(first.saturating_sub(branch.begins)..);
            // The encoders' caches belong to the runs of messages.
            (branch.messages, branch.begins) = (own.iter_shared().cloned().collect(), first);
            branch.turns.shrink_to_fit();
            branch.starts.shrink_to_fit();
        }
        self.places.shrink_to_fit();
    }

    /// Returns the turns that follow a path, in the order in which they were stored.
    pub(super) fn alternatives(&self, path: Path, tip: Path) -> Vec<Alternative> {
        let before = self.last(path).map(|place| place.branch);
        let continued = before.map(|branch| Place { branch, number: path.turns });
        let continued = continued.filter(|&first| self.header(first).is_some());
        let last_of = |branch: usize| self.branches.get(branch)?.turns.last();
        // The first turns of what follows, each with the last stored of those that come after.
        let mut followers: Vec<(Place, &Header)> = Vec::new();
        followers.extend(continued.and_then(|first| Some((first, last_of(first.branch)?))));
        // The follower that each branch comes after. A branch comes after the one that it leaves.
        let mut following: Vec<Option<usize>> = Vec::with_capacity(self.branches.len());
        for (index, branch) in self.branches.iter().enumerate() {
            let follower = if branch.parent == before {
                if branch.first == path.turns {
                    let first = Place { branch: index, number: path.turns };
                    followers.extend(branch.turns.first().map(|header| (first, header)));
                    followers.len().checked_sub(1)
                } else {
                    (branch.first > path.turns).then_some(0)
                }
            } else {
                branch.parent.and_then(|parent| following.get(parent).copied().flatten())
            };
            following.push(follower);
            let newest = follower.and_then(|follower| followers.get_mut(follower));
            if let (Some((_, newest)), Some(last)) = (newest, branch.turns.last())
                && last.sequence > newest.sequence
            {
                *newest = last;
            }
        }
        let alternative = |(place, newest): (Place, &Header)| {
            let turn = self.header(place)?.id;
            let is_current = self.place(tip, place.number) == Some(place);
            Some(Alternative::new(turn, newest.id).with_current(is_current))
        };
        followers.into_iter().filter_map(alternative).collect()
    }

    /// Returns a tree with the turns of a path, and the path to its end.
    pub(super) fn fork(&self, path: Path) -> (Self, Path) {
        let numbers = 0..path.turns;
        let places = numbers.clone().filter_map(|number| self.place(path, number));
        let turns: Vec<_> = places.filter_map(|place| self.header(place).cloned()).collect();
        let stored = self.stored;
        let starts = numbers.map(|number| self.start_of(path, number)).collect();
        let place = |(number, header): (usize, &Header)| (header.id, Place { branch: 0, number });
        let places = turns.iter().enumerate().map(place).collect();
        let messages = self.messages(path).into_owned();
        let branch = Branch { messages, counted: turns.len(), turns, starts, ..Branch::default() };
        let turns = path.turns;
        (Self { branches: vec![branch], places, stored }, Path { branch: 0, turns })
    }
}

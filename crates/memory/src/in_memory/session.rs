//! One session of the in-memory history.

use std::time::Duration;

use conversant_core::{
    Alternative, Expect, HistoryError, LeaseHolder, Messages, Note, Point, Range, SessionCursor,
    SessionFilter, SessionId, SessionInfo, Slice, Turn, TurnId, Version,
    clock::{Instant, SystemTime},
};

use super::{
    listing::Listing,
    turn_tree::{Path, TurnTree},
};

/// A session: its turns since it was last cleared, its notes and its lease.
#[derive(Default)]
pub(super) struct Session {
    /// The epoch in which the session was begun.
    first_epoch: u64,
    epoch: u64,
    turns: TurnTree,
    /// The path to the tip.
    tip: Path,
    /// The notes: as many as memories show the session.
    notes: Vec<StoredNote>,
    lease: Option<HeldLease>,
    listing: Listing,
    /// Whether the session was deleted. Another caller may still hold it.
    deleted: bool,
    use_state: UseState,
}

/// A note, with the last turn that it covers.
struct StoredNote {
    name: String,
    note: Note,
    last: Option<TurnId>,
}

/// Whether a session is one of those that were loaded last.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum UseState {
    #[default]
    Idle,
    /// It is, and was loaded once.
    Recent,
    /// It is, and was loaded again.
    UsedAgain,
}

/// The lease's holder, and its end (`None`: never).
struct HeldLease {
    holder: LeaseHolder,
    until: Option<Instant>,
}

/// The turns with which a fork begins.
#[derive(Default)]
pub(super) struct Fork {
    turns: TurnTree,
    tip: Path,
    listing: Listing,
}

impl Session {
    /// Creates a session whose epoch distinguishes it from deleted sessions of the same name.
    pub(super) fn in_epoch(epoch: u64) -> Self {
        Self { first_epoch: epoch, epoch, ..Self::default() }
    }

    pub(super) const fn is_deleted(&self) -> bool {
        self.deleted
    }

    /// Marks the session as deleted, and returns the first epoch for a new session of its name.
    pub(super) const fn delete(&mut self) -> u64 {
        self.deleted = true;
        self.epoch.saturating_add(1)
    }

    /// Marks the session as deleted if nothing was ever stored in it. Returns whether it is.
    pub(super) fn leave_if_new(&mut self) -> bool {
        self.deleted = self.epoch == self.first_epoch
            && !self.listing.has_begun()
            && self.notes.is_empty()
            && self.lease.is_none();
        self.deleted
    }

    /// Notes that the session is loaded. Returns whether it was idle before.
    pub(super) fn begin_use(&mut self) -> bool {
        let was_idle = self.use_state == UseState::Idle;
        self.use_state = if was_idle { UseState::Recent } else { UseState::UsedAgain };
        was_idle
    }

    /// Makes the session idle, and frees what only serves the next calls, unless it was loaded
    /// again. Returns whether it is idle.
    pub(super) fn end_use(&mut self) -> bool {
        if self.use_state == UseState::UsedAgain {
            self.use_state = UseState::Recent;
            return false;
        }
        self.use_state = UseState::Idle;
        self.turns.compact();
        true
    }

    pub(super) fn is_listed(&self) -> bool {
        !self.turns.is_empty() || !self.listing.is_empty()
    }

    /// Returns whether a filter selects the session, and it is after a place in a list.
    pub(super) fn is_selected(
        &self,
        id: &SessionId,
        filter: &SessionFilter,
        after: Option<&SessionCursor>,
    ) -> Option<SystemTime> {
        let summary = self.listing.summary(id);
        let is_selected = self.is_listed()
            && after.is_none_or(|after| after.is_before(&summary))
            && filter.matches(&summary)
            && self.listing.has_words(filter, &self.turns);
        is_selected.then_some(summary.last_used_at)
    }

    /// Returns the session as a list shows it.
    pub(super) fn info(&mut self, id: &SessionId) -> Option<SessionInfo> {
        let is_listed = self.is_listed();
        let mut info = self.listing.info(id, &mut self.turns);
        info.turns = self.tip.turns as u64;
        is_listed.then_some(info)
    }

    pub(super) fn set_title(&mut self, title: Option<&str>) {
        self.listing.title = title.map(str::to_owned);
        self.listing.begin();
    }

    pub(super) fn set_label(
        &mut self,
        name: &str,
        value: Option<&str>,
    ) -> Result<(), HistoryError> {
        self.listing.begin();
        self.listing.set_label(name, value)
    }

    /// Returns the path to a point. `None` is the tip.
    fn path(&self, point: Option<Point>) -> Result<Path, HistoryError> {
        match point {
            None => Ok(self.tip),
            Some(point) => match point.turn() {
                None => Ok(Path::default()),
                Some(turn) => self.turns.path_to(turn).ok_or(HistoryError::UnknownTurn { turn }),
            },
        }
    }

    fn version(&self, path: Path) -> Version {
        Version::new(self.epoch, self.turns.len(path) as u64).with_tip(self.turns.tip(path))
    }

    /// Returns a version as one of this session: while it was not written, it had the epochs that
    /// the deletion of other sessions began.
    const fn seen(&self, version: Version) -> Version {
        if version.messages == 0 && version.epoch < self.first_epoch {
            return Version::new(self.first_epoch, 0);
        }
        version
    }

    fn expected(&self, expect: Expect) -> Expect {
        match expect {
            Expect::SameEpoch(version) => Expect::SameEpoch(self.seen(version)),
            Expect::Exactly(version) => Expect::Exactly(self.seen(version)),
            any => any,
        }
    }

    /// Returns whether a version of this epoch belongs to a path.
    fn has(&self, path: Path, version: Version) -> bool {
        let tip = || self.turns.tip_at(path, usize::try_from(version.messages).ok()?);
        version.tip == 0 || version.messages == 0 || tip() == Some(version.tip)
    }

    pub(super) fn load(
        &mut self,
        point: Option<Point>,
        range: Range,
    ) -> Result<Slice, HistoryError> {
        let path = self.path(point)?;
        self.turns.gather(path);
        let messages = self.turns.messages(path);
        let mut slice = match range {
            Range::LastTurns(last) => {
                let start = self.turns.start_of(path, path.turns.saturating_sub(last));
                Slice::new(messages.slice(start..), Version::default())
            }
            Range::After(version) if !self.has(path, version) => {
                Range::All.cut(self.epoch, &messages, &[])
            }
            range => range.cut(self.epoch, &messages, &[]),
        };
        slice.version = self.version(path);
        Ok(slice)
    }

    /// Returns the turns that begin in a range.
    pub(super) fn turns(
        &mut self,
        point: Option<Point>,
        range: Range,
    ) -> Result<Vec<Turn>, HistoryError> {
        let path = self.path(point)?;
        let from = match range {
            Range::All => 0,
            Range::LastTurns(last) => path.turns.saturating_sub(last),
            range => {
                let start = self.load(point, range)?.start();
                self.turns.begun_before(path, usize::try_from(start).unwrap_or(usize::MAX))
            }
        };
        Ok(self.turns.turns(path, from))
    }

    /// Appends a turn at a point, which becomes the tip. `None` is the tip.
    pub(super) fn append(
        &mut self,
        point: Option<Point>,
        turn: &Turn,
        expect: Expect,
    ) -> Result<Version, HistoryError> {
        if let Some(version) = self.repeated(turn)? {
            return Ok(version);
        }
        let mut path = self.path(point)?;
        let (expect, current) = (self.expected(expect), self.version(path));
        let mut is_tip = true;
        let on_path = expect.version().is_none_or(|expected| self.has(path, expected));
        if let Err(error) = expect.check(current).and_then(|()| match expect.version() {
            Some(expected) if !on_path => Err(HistoryError::Stale { expected, current }),
            _ => Ok(()),
        }) {
            // The tip was moved since.
            path = self.left_path(expect).ok_or(error)?;
            is_tip = false;
        }
        if turn.messages().is_empty() {
            return Ok(self.version(path));
        }
        path = self.turns.add(path, turn);
        self.listing.use_for(turn.id());
        if is_tip {
            self.tip = path;
        }
        Ok(self.version(path))
    }

    /// Returns the version after a turn, if it is stored already.
    fn repeated(&self, turn: &Turn) -> Result<Option<Version>, HistoryError> {
        let Some(path) = self.turns.path_to(turn.id()) else { return Ok(None) };
        let stored = self.turns.turns(path, path.turns.saturating_sub(1));
        stored.iter().try_for_each(|stored| turn.check_stored(stored))?;
        Ok(Some(self.version(path)))
    }

    /// Returns the path of an expected version that is not on the path to the tip.
    fn left_path(&self, expect: Expect) -> Option<Path> {
        match expect {
            Expect::SameEpoch(version) if version.epoch == self.epoch && version.tip != 0 => {
                self.turns.path_of(usize::try_from(version.messages).ok()?, version.tip)
            }
            _ => None,
        }
    }

    pub(super) fn set_tip(&mut self, tip: Point, expect: Expect) -> Result<Version, HistoryError> {
        let (expect, current) = (self.expected(expect), self.version(self.tip));
        expect.check(current)?;
        if let Some(expected) = expect.version().filter(|&version| !self.has(self.tip, version)) {
            return Err(HistoryError::Stale { expected, current });
        }
        self.tip = self.path(Some(tip))?;
        Ok(self.version(self.tip))
    }

    pub(super) fn alternatives(&self, point: Point) -> Result<Vec<Alternative>, HistoryError> {
        Ok(self.turns.alternatives(self.path(Some(point))?, self.tip))
    }

    /// Returns the turns up to a point, for another session.
    pub(super) fn forked(&self, point: Point) -> Result<Fork, HistoryError> {
        let (turns, tip) = self.turns.fork(self.path(Some(point))?);
        Ok(Fork { turns, tip, listing: self.listing.forked() })
    }

    /// Begins this session, which is empty, with the turns of another one.
    pub(super) fn begin(&mut self, fork: Fork) -> Result<Version, HistoryError> {
        let Fork { turns, tip, listing } = fork;
        let current = self.version(self.tip);
        if !self.turns.is_empty() {
            return Err(HistoryError::Stale { expected: Version::new(self.epoch, 0), current });
        }
        (self.turns, self.tip) = (turns, tip);
        self.listing.take_from(listing);
        Ok(self.version(tip))
    }

    pub(super) fn clear(&mut self) {
        *self = Self {
            first_epoch: self.first_epoch,
            epoch: self.epoch + 1,
            lease: self.lease.take(),
            listing: self.listing.cleared(),
            use_state: self.use_state,
            ..Self::default()
        };
    }

    pub(super) fn first(
        &self,
        point: Option<Point>,
        count: usize,
    ) -> Result<Messages, HistoryError> {
        Ok(self.turns.messages(self.path(point)?).slice(..count))
    }

    /// Returns a note, if the turns that it covers are on the path.
    pub(super) fn note(
        &self,
        point: Option<Point>,
        name: &str,
    ) -> Result<Option<Note>, HistoryError> {
        let path = self.path(point)?;
        let stored = self.notes.iter().find(|stored| stored.name == name);
        let on_path =
            |stored: &&StoredNote| stored.last.is_none_or(|turn| self.turns.has(path, turn));
        Ok(stored.filter(on_path).map(|stored| stored.note.clone()))
    }

    /// Stores a note, unless the point is another one than the tip.
    pub(super) fn put_note(
        &mut self,
        point: Option<Point>,
        name: &str,
        note: &Note,
    ) -> Result<(), HistoryError> {
        if self.path(point)? != self.tip {
            return Ok(());
        }
        let (covers, current) = (self.seen(note.covers), self.version(self.tip));
        Expect::SameEpoch(covers).check(current)?;
        if !self.has(self.tip, covers) {
            return Err(HistoryError::Stale { expected: covers, current });
        }
        let messages = usize::try_from(covers.messages).unwrap_or(usize::MAX);
        let last = self.turns.turn_at(self.tip, messages);
        let note = Note::new(note.body.clone(), covers);
        match self.notes.iter_mut().find(|stored| stored.name == name) {
            Some(stored) => (stored.note, stored.last) = (note, last),
            None => self.notes.push(StoredNote { name: name.to_owned(), note, last }),
        }
        Ok(())
    }

    /// Stores a note, if the one at the point is still the one that was read. Returns whether it
    /// is.
    pub(super) fn replace_note(
        &mut self,
        point: Option<Point>,
        name: &str,
        read: Option<&Note>,
        note: &Note,
    ) -> Result<bool, HistoryError> {
        if self.note(point, name)?.as_ref() != read {
            return Ok(false);
        }
        self.put_note(point, name, note).map(|()| true)
    }

    pub(super) fn lease(
        &mut self,
        now: Instant,
        time: Duration,
    ) -> Result<LeaseHolder, HistoryError> {
        if self.lease.as_ref().is_some_and(|held| held.until.is_none_or(|until| now < until)) {
            return Err(HistoryError::Busy);
        }
        let holder = LeaseHolder::in_process();
        self.lease = Some(HeldLease { holder, until: now.checked_add(time) });
        Ok(holder)
    }

    pub(super) fn release(&mut self, holder: LeaseHolder) {
        self.lease.take_if(|held| held.holder == holder);
    }
}

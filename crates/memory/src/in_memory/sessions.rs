//! The sessions of an in-memory history, at their tips or at other points.

use std::{
    collections::{BTreeMap, VecDeque},
    ops::Bound,
    sync::{Arc, Mutex, Weak},
    time::Duration,
};

use conversant_core::{
    Alternative, Expect, HistoryError, HistoryIdentity, Lease, Messages, Note, Point, Range,
    SessionCursor, SessionFilter, SessionId, SessionInfo, SessionPage, Slice, Turn, Version,
    clock::{Instant, SystemTime},
};

use super::session::Session;
use crate::sync::lock;

/// A shared handle to sessions. The operations are those of a history; the point is where the
/// session ends, `None` for its tip.
///
/// Each session has a lock of its own, and what takes time holds that one alone. The lock of all
/// sessions may be taken by who holds that of a session, and not the other way round, so that no
/// session waits for another one.
#[derive(Clone, Default)]
pub(super) struct Sessions(Arc<Mutex<State>>);

/// The number of sessions that are recent, by default.
const MAX_RECENT: usize = 256;

/// The most sessions that a list takes at a time.
const MAX_PAGE: usize = 1024;

struct State {
    by_id: BTreeMap<SessionId, Arc<Mutex<Session>>>,
    /// The first epoch of new sessions. It is greater than that of any deleted session.
    epoch: u64,
    /// The sessions that were loaded last, in the order in which they became recent. The others
    /// keep nothing that only serves the next calls.
    recent: VecDeque<Weak<Mutex<Session>>>,
    max_recent: usize,
}

impl Default for State {
    fn default() -> Self {
        let (by_id, recent) = Default::default();
        Self { by_id, epoch: 0, recent, max_recent: MAX_RECENT }
    }
}

impl Sessions {
    pub(super) fn identity(&self) -> HistoryIdentity {
        HistoryIdentity::of(&self.0)
    }

    pub(super) fn count(&self) -> usize {
        lock(&self.0).by_id.len()
    }

    /// Returns a session, if it exists.
    fn find(&self, id: &SessionId) -> Option<Arc<Mutex<Session>>> {
        lock(&self.0).by_id.get(id).map(Arc::clone)
    }

    /// Returns a session, and whether it was created.
    fn find_or_create(&self, id: &SessionId) -> (Arc<Mutex<Session>>, bool) {
        let mut sessions = lock(&self.0);
        if let Some(known) = sessions.by_id.get(id) {
            return (Arc::clone(known), false);
        }
        let new = Arc::new(Mutex::new(Session::in_epoch(sessions.epoch)));
        sessions.by_id.insert(id.clone(), Arc::clone(&new));
        (new, true)
    }

    /// Calls a function with a session and with whether it was created for the call.
    fn with<T>(&self, id: &SessionId, act: impl FnOnce(&mut Session, bool) -> T) -> T {
        loop {
            let (session, is_new) = self.find_or_create(id);
            let mut session = lock(&session);
            // Another caller may have deleted the session in the meantime.
            if !session.is_deleted() {
                let done = act(&mut session, is_new);
                self.leave(id, &mut session);
                return done;
            }
        }
    }

    /// Takes a session that is locked away if it has nothing, as if it was never written.
    fn leave(&self, id: &SessionId, session: &mut Session) {
        if session.leave_if_new() {
            lock(&self.0).by_id.remove(id);
        }
    }

    /// Takes a session that is locked away.
    fn remove(&self, id: &SessionId, session: &mut Session) {
        let mut state = lock(&self.0);
        state.by_id.remove(id);
        state.epoch = state.epoch.max(session.delete());
    }

    /// Returns at most `count` sessions in the order of their ids, after one if it is given.
    fn following(
        &self,
        after: Option<&SessionId>,
        count: usize,
    ) -> Vec<(SessionId, Arc<Mutex<Session>>)> {
        let state = lock(&self.0);
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let later = state.by_id.range::<SessionId, _>((start, Bound::Unbounded)).take(count);
        later.map(|(id, session)| (id.clone(), Arc::clone(session))).collect()
    }

    /// Returns the version of a session that does not exist.
    fn absent(&self) -> Version {
        Version::new(lock(&self.0).epoch, 0)
    }

    pub(super) fn load(
        &self,
        session: &SessionId,
        point: Option<Point>,
        range: Range,
    ) -> Result<Slice, HistoryError> {
        let Some(found) = self.find(session) else {
            return empty(point).map(|()| Slice::new(Messages::new(), self.absent()));
        };
        let (slice, was_idle) = {
            let mut session = lock(&found);
            (session.load(point, range), session.begin_use())
        };
        if was_idle {
            self.add_recent(&found);
        }
        slice
    }

    pub(super) fn set_max_recent(&self, sessions: usize) {
        lock(&self.0).max_recent = sessions;
    }

    /// Adds a session to the recent ones, and removes the oldest ones that were not loaded again.
    fn add_recent(&self, session: &Arc<Mutex<Session>>) {
        let mut added = Some(Arc::downgrade(session));
        loop {
            let oldest = {
                let mut state = lock(&self.0);
                state.recent.extend(added.take());
                if state.recent.len() <= state.max_recent {
                    return;
                }
                state.recent.pop_front()
            };
            // A session that is added again has lost its mark, so that the loop ends.
            if let Some(oldest) = oldest.as_ref().and_then(Weak::upgrade)
                && !lock(&oldest).end_use()
            {
                added = Some(Arc::downgrade(&oldest));
            }
        }
    }

    pub(super) fn append(
        &self,
        session: &SessionId,
        point: Option<Point>,
        turn: &Turn,
        expect: Expect,
    ) -> Result<Version, HistoryError> {
        // A caller that saw an empty session accepts one that was created and deleted since.
        let saw_nothing = saw_nothing(expect);
        if !saw_nothing {
            match self.find(session) {
                None => expect.check(self.absent())?,
                Some(found) => {
                    let mut found = lock(&found);
                    if !found.is_deleted() {
                        return found.append(point, turn, expect);
                    }
                }
            }
        }
        if turn.messages().is_empty() && self.find(session).is_none() {
            return empty(point).map(|()| self.absent());
        }
        self.with(session, |session, is_new| {
            let expect = if is_new && saw_nothing { Expect::Any } else { expect };
            session.append(point, turn, expect)
        })
    }

    pub(super) fn turns(
        &self,
        session: &SessionId,
        point: Option<Point>,
        range: Range,
    ) -> Result<Vec<Turn>, HistoryError> {
        match self.find(session) {
            Some(session) => lock(&session).turns(point, range),
            None => empty(point).map(|()| Vec::new()),
        }
    }

    pub(super) fn first(
        &self,
        session: &SessionId,
        point: Option<Point>,
        count: usize,
    ) -> Result<Messages, HistoryError> {
        match self.find(session) {
            Some(session) => lock(&session).first(point, count),
            None => empty(point).map(|()| Messages::new()),
        }
    }

    pub(super) fn note(
        &self,
        session: &SessionId,
        point: Option<Point>,
        name: &str,
    ) -> Result<Option<Note>, HistoryError> {
        match self.find(session) {
            Some(session) => lock(&session).note(point, name),
            None => empty(point).map(|()| None),
        }
    }

    pub(super) fn put_note(
        &self,
        session: &SessionId,
        point: Option<Point>,
        name: &str,
        note: &Note,
    ) -> Result<(), HistoryError> {
        self.with(session, |session, _| session.put_note(point, name, note))
    }

    pub(super) fn replace_note(
        &self,
        session: &SessionId,
        point: Option<Point>,
        name: &str,
        read: Option<&Note>,
        note: &Note,
    ) -> Result<bool, HistoryError> {
        if read.is_some() && self.find(session).is_none() {
            return empty(point).map(|()| false);
        }
        self.with(session, |session, _| session.replace_note(point, name, read, note))
    }

    pub(super) fn clear(&self, session: &SessionId) {
        self.with(session, |session, _| session.clear());
    }

    pub(super) fn list(&self, after: Option<&SessionId>, limit: usize) -> Vec<SessionId> {
        let (mut listed, mut after) = (Vec::new(), after.cloned());
        while listed.len() < limit {
            let page = self.following(after.as_ref(), (limit - listed.len()).min(MAX_PAGE));
            let Some((last, _)) = page.last() else { break };
            after = Some(last.clone());
            let written = page.into_iter().filter(|(_, session)| lock(session).is_listed());
            listed.extend(written.map(|(id, _)| id));
        }
        listed
    }

    pub(super) fn delete(&self, id: &SessionId) {
        let Some(found) = self.find(id) else { return };
        let mut session = lock(&found);
        if !session.is_deleted() {
            self.remove(id, &mut session);
        }
    }

    pub(super) fn set_tip(
        &self,
        session: &SessionId,
        tip: Point,
        expect: Expect,
    ) -> Result<Version, HistoryError> {
        match self.find(session) {
            Some(session) => lock(&session).set_tip(tip, expect),
            None => {
                if !saw_nothing(expect) {
                    expect.check(self.absent())?;
                }
                empty(Some(tip)).map(|()| self.absent())
            }
        }
    }

    pub(super) fn alternatives(
        &self,
        session: &SessionId,
        point: Point,
    ) -> Result<Vec<Alternative>, HistoryError> {
        match self.find(session) {
            Some(session) => lock(&session).alternatives(point),
            None => empty(Some(point)).map(|()| Vec::new()),
        }
    }

    pub(super) fn fork(
        &self,
        session: &SessionId,
        point: Point,
        into: &SessionId,
    ) -> Result<Version, HistoryError> {
        let fork = match self.find(session) {
            Some(session) => lock(&session).forked(point)?,
            None => {
                empty(Some(point))?;
                Default::default()
            }
        };
        self.with(into, |into, _| into.begin(fork))
    }

    pub(super) fn info(&self, id: &SessionId) -> Option<SessionInfo> {
        let session = self.find(id)?;
        lock(&session).info(id)
    }

    /// Returns the sessions that a filter selects, by the times of their last use.
    fn select(
        &self,
        filter: &SessionFilter,
        after: Option<&SessionCursor>,
    ) -> Vec<(SystemTime, SessionId)> {
        let selected = |(id, session): (SessionId, Arc<Mutex<Session>>)| {
            let used = lock(&session).is_selected(&id, filter, after)?;
            Some((used, id))
        };
        let all = self.following(None, usize::MAX);
        let mut selected: Vec<_> = all.into_iter().filter_map(selected).collect();
        selected.sort_unstable();
        selected
    }

    pub(super) fn page(
        &self,
        filter: &SessionFilter,
        after: Option<&SessionCursor>,
        limit: usize,
    ) -> SessionPage {
        let mut selected = self.select(filter, after);
        selected.reverse();
        let mut page = SessionPage::default();
        if let (true, Some((used, id))) =
            (selected.len() > limit, limit.checked_sub(1).and_then(|last| selected.get(last)))
        {
            page.next = Some(SessionCursor::new(*used, id.clone()));
        }
        selected.truncate(limit);
        let infos = selected.into_iter().filter_map(|(used, id)| {
            // A session that was used since is at the start of the list.
            self.info(&id).filter(|info| info.last_used_at == used)
        });
        page.sessions.extend(infos);
        page
    }

    pub(super) fn set_title(&self, id: &SessionId, title: Option<&str>) {
        if title.is_some() || self.find(id).is_some() {
            self.with(id, |session, _| session.set_title(title));
        }
    }

    pub(super) fn set_label(
        &self,
        id: &SessionId,
        name: &str,
        value: Option<&str>,
    ) -> Result<(), HistoryError> {
        if value.is_none() && self.find(id).is_none() {
            return Ok(());
        }
        self.with(id, |session, _| session.set_label(name, value))
    }

    /// Deletes at most `limit` of the sessions that a filter selects, and returns the number.
    pub(super) fn delete_selected(&self, filter: &SessionFilter, limit: usize) -> usize {
        let mut deleted = 0;
        for (_, id) in self.select(filter, None) {
            if deleted == limit {
                break;
            }
            let Some(found) = self.find(&id) else { continue };
            let mut session = lock(&found);
            // It may have been used or deleted since it was selected.
            if !session.is_deleted() && session.is_selected(&id, filter, None).is_some() {
                self.remove(&id, &mut session);
                deleted += 1;
            }
        }
        deleted
    }

    pub(super) fn lease(&self, session: &SessionId, time: Duration) -> Result<Lease, HistoryError> {
        let holder = self.with(session, |session, _| session.lease(Instant::now(), time))?;
        Ok(Lease::new(session.clone(), holder))
    }

    pub(super) fn release(&self, lease: &Lease) {
        let Some(found) = self.find(&lease.session) else { return };
        let mut session = lock(&found);
        if !session.is_deleted() {
            session.release(lease.holder);
            self.leave(&lease.session, &mut session);
        }
    }
}

/// Returns whether a session is expected to be empty.
fn saw_nothing(expect: Expect) -> bool {
    expect.version().is_some_and(|seen| seen.messages == 0)
}

/// Checks that a session without turns has a point.
fn empty(point: Option<Point>) -> Result<(), HistoryError> {
    match point.and_then(Point::turn) {
        Some(turn) => Err(HistoryError::UnknownTurn { turn }),
        None => Ok(()),
    }
}

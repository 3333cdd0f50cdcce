//! The lines of one session, in.

use std::collections::HashSet;

use conversant_core::{ChatHistory, Expect, HistoryError, Point, Range, SessionId, Turn, TurnId};
use serde::Deserialize;

use super::line::{Line, Place};
use crate::{
    append::{Appended, SessionWriter},
    error::TransferError,
    event::{Events, OmissionReason, Omitted, TransferEvent},
    facts::SessionFacts,
    session_tree::{Names, append_at, has_turn, set_tip},
};

/// The lines of the last session among those that were passed over at the start of a file.
#[derive(Default)]
pub(super) struct Passed {
    session: Option<SessionId>,
    /// The first turn of the session.
    first: Option<TurnId>,
    /// The last turn on the path to the tip.
    last: Option<TurnId>,
    turns: HashSet<TurnId>,
}

/// A turn of which only the id is read.
#[derive(Deserialize)]
struct PassedTurn {
    id: TurnId,
}

impl Passed {
    /// Passes over a line, which may be invalid.
    pub(super) fn pass(&mut self, text: &[u8]) {
        let Ok(line) = serde_json::from_slice::<Line<SessionId, PassedTurn>>(text) else { return };
        if self.session.as_ref() != Some(&line.session) {
            *self = Self { session: Some(line.session), ..Self::default() };
        }
        if let Some(PassedTurn { id }) = line.turn {
            self.first.get_or_insert(id);
            self.turns.insert(id);
            if line.current {
                self.last = Some(id);
            }
        }
    }

    /// Returns what was passed over of a session that goes on.
    pub(super) fn take(&mut self, session: &SessionId) -> Self {
        let passed = std::mem::take(self);
        if passed.session.as_ref() == Some(session) { passed } else { Self::default() }
    }
}

/// The session whose lines are being read.
pub(super) struct SessionLines<'h> {
    to: &'h dyn ChatHistory,
    id: SessionId,
    passed: Passed,
    /// The turns that were read.
    turns: HashSet<TurnId>,
    /// The turns that were left out, and have turns after them.
    left_out: HashSet<TurnId>,
    /// The path to the tip, of lines without branches or in a history without branches.
    path: Option<SessionWriter<'h>>,
    /// Whether the session has other turns in the place of the ones that follow.
    has_diverged: bool,
    /// The tip before the first line with branches was stored.
    tip: Option<Option<TurnId>>,
    is_counted: bool,
}

impl<'h> SessionLines<'h> {
    pub(super) fn new(to: &'h dyn ChatHistory, id: SessionId, passed: Passed) -> Self {
        let (turns, left_out) = (passed.turns.clone(), HashSet::new());
        let (path, has_diverged, tip, is_counted) = (None, false, None, false);
        Self { to, id, passed, turns, left_out, path, has_diverged, tip, is_counted }
    }

    pub(super) const fn session(&self) -> &SessionId {
        &self.id
    }

    pub(super) async fn store<F: FnMut(TransferEvent) + Send>(
        &mut self,
        line: Line<SessionId, Turn>,
        events: &mut Events<F>,
    ) -> Result<(), TransferError> {
        let Line { turn, follows, current, tip, title, labels, facts, described, .. } = line;
        let has_branches = self.to.at(Point::Start).is_some();
        if let Some(turn) = turn {
            let is_stored = match follows {
                Some(Place(point)) if has_branches => self.store_at(point, &turn, events).await?,
                Some(_) if !current => {
                    let messages = turn.messages().len() as u64;
                    self.omit(OmissionReason::Branch { messages }, events);
                    false
                }
                _ => self.store_next(&turn, events).await?,
            };
            if !is_stored {
                return Ok(());
            }
            events.progress.turns += 1;
            self.count(events);
        }
        if let Some(Place(tip)) = tip.filter(|_| has_branches && !self.has_diverged) {
            self.set_tip(tip).await?;
        }
        // What follows belongs to another conversation than that of the session.
        if self.has_diverged && !self.is_counted {
            return Ok(());
        }
        let names = Names { title, labels };
        if !names.is_empty() {
            if names.store(self.to, &self.id).await? {
                self.count(events);
            } else {
                self.omit(OmissionReason::Names, events);
            }
        }
        let facts = SessionFacts { facts, described, sealed: None };
        if !facts.is_empty() {
            match facts.store(self.to, &self.id).await? {
                None => self.count(events),
                Some(reason) => self.omit(reason, events),
            }
        }
        Ok(())
    }

    /// Counts the session, once.
    fn count<F>(&mut self, events: &mut Events<F>) {
        events.progress.sessions += u64::from(!self.is_counted);
        self.is_counted = true;
    }

    fn omit<F: FnMut(TransferEvent)>(&self, reason: OmissionReason, events: &mut Events<F>) {
        events.omit(Some(&self.id), Omitted::whole(reason));
    }

    /// Leaves out what follows.
    fn diverge<F: FnMut(TransferEvent)>(&mut self, turns: u64, events: &mut Events<F>) {
        self.has_diverged = true;
        self.omit(OmissionReason::Diverged { turns }, events);
    }

    /// Appends a turn after the one before it, and returns whether it is stored.
    async fn store_next<F: FnMut(TransferEvent) + Send>(
        &mut self,
        turn: &Turn,
        events: &mut Events<F>,
    ) -> Result<bool, TransferError> {
        if self.has_diverged {
            return Ok(false);
        }
        // It has no place among the messages.
        if turn.messages().is_empty() {
            self.to.append(&self.id, turn, Expect::Any).await?;
            return Ok(true);
        }
        let path = match (self.path.take(), self.passed.last) {
            (Some(path), _) => Some(path),
            (None, None) => Some(SessionWriter::new(self.to, self.id.clone()).await?),
            (None, Some(last)) => SessionWriter::after(self.to, self.id.clone(), last).await?,
        };
        let Some(path) = path else {
            self.diverge(0, events);
            return Ok(false);
        };
        let path = self.path.insert(path);
        match path.append(turn).await? {
            Appended::Stored => return Ok(true),
            Appended::Refused => self.omit(OmissionReason::RefusedByHistory, events),
            Appended::Diverged { turns } => {
                self.has_diverged = !path.pass_over(turn.id()).await?;
                self.omit(OmissionReason::Diverged { turns }, events);
            }
        }
        Ok(false)
    }

    /// Appends a turn at a point, and returns whether it is stored.
    async fn store_at<F: FnMut(TransferEvent) + Send>(
        &mut self,
        point: Point,
        turn: &Turn,
        events: &mut Events<F>,
    ) -> Result<bool, TransferError> {
        if self.tip.is_none() {
            let found = self.to.turns(&self.id, Range::LastTurns(1)).await?;
            let tip = found.last().map(Turn::id);
            let first = self.passed.first.unwrap_or_else(|| turn.id());
            if tip.is_some() && !has_turn(self.to, &self.id, first).await? {
                self.diverge(0, events);
            }
            self.tip = Some(tip);
        }
        if self.has_diverged {
            return Ok(false);
        }
        let known = self.turns.len() as u64;
        self.turns.insert(turn.id());
        let after_left_out = point.turn().is_some_and(|after| self.left_out.contains(&after));
        let appended = match after_left_out {
            true => Ok(Appended::Refused),
            false => append_at(self.to, &self.id, point, turn).await.map(|()| Appended::Stored),
        };
        match appended {
            Ok(Appended::Stored) => return Ok(true),
            // What follows the turn is stored after the one that has its id.
            Ok(Appended::Diverged { .. }) | Err(HistoryError::TurnIdInUse { .. }) => {
                self.omit(OmissionReason::Diverged { turns: known }, events);
            }
            // The session was cleared meanwhile.
            Err(HistoryError::UnknownTurn { .. })
                if point.turn().is_some_and(|after| self.turns.contains(&after)) =>
            {
                self.diverge(known, events);
            }
            Ok(Appended::Refused)
            | Err(HistoryError::TooLarge { .. } | HistoryError::Unsupported { .. }) => {
                self.left_out.insert(turn.id());
                self.omit(OmissionReason::RefusedByHistory, events);
            }
            Err(error) => return Err(error.into()),
        }
        Ok(false)
    }

    /// Sets the tip, unless the session had gone on before: it then keeps its tip.
    async fn set_tip(&self, tip: Point) -> Result<(), HistoryError> {
        let before = self.tip.flatten().filter(|before| !self.turns.contains(before));
        let tip = before.map_or(tip, Point::from);
        if tip.turn().is_some_and(|turn| self.left_out.contains(&turn)) {
            return Ok(());
        }
        match set_tip(self.to, &self.id, tip, &self.turns).await {
            // The session was cleared meanwhile.
            Err(HistoryError::UnknownTurn { .. })
                if tip.turn().is_some_and(|turn| self.turns.contains(&turn)) =>
            {
                Ok(())
            }
            set => set,
        }
    }
}

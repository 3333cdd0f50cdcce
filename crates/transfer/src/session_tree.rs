//! A session with all its branches, its title and its labels: read from one history, stored in
//! another.

use std::collections::{BTreeMap, HashMap, HashSet};

use conversant_core::{
    Alternative, ChatHistory, Expect, HistoryError, Point, Range, SessionId, TextFault, Turn,
    TurnId,
};

use crate::{event::OmissionReason, pause::Pace};

/// The most times that a session is read or stored, if it is cleared each time meanwhile.
const MAX_TRIES: usize = 3;

/// A turn and its place.
pub(crate) struct PlacedTurn {
    pub(crate) turn: Turn,
    /// The point that it follows.
    pub(crate) follows: Point,
    /// Whether it is on the path to the tip.
    pub(crate) is_current: bool,
}

/// The turns of a session, each after the one that it follows. Stored in their order, they are the
/// alternatives that they were: the last stored of what follows a turn comes last of it.
pub(crate) struct SessionTree {
    pub(crate) turns: Vec<PlacedTurn>,
    pub(crate) tip: Point,
}

impl SessionTree {
    /// Reads a session. Without branches, its turns are one path. A session that is cleared or
    /// deleted meanwhile is read again.
    ///
    /// With branches it costs an operation for each turn, because a turn's alternatives are asked
    /// for at each point. Other tasks run meanwhile.
    pub(crate) async fn read(
        history: &dyn ChatHistory,
        session: &SessionId,
    ) -> Result<Self, HistoryError> {
        for _ in 1..MAX_TRIES {
            match Self::read_once(history, session).await {
                Err(HistoryError::UnknownTurn { .. }) => {}
                read => return read,
            }
        }
        Self::read_once(history, session).await
    }

    async fn read_once(
        history: &dyn ChatHistory,
        session: &SessionId,
    ) -> Result<Self, HistoryError> {
        let path = history.turns(session, Range::All).await?;
        let tip = path.last().map_or(Point::Start, |turn| turn.id().into());
        if history.at(Point::Start).is_none() {
            return Ok(Self::of_path(path, tip));
        }
        let mut path: HashMap<TurnId, Turn> =
            path.into_iter().map(|turn| (turn.id(), turn)).collect();
        let mut seen = HashSet::new();
        let mut turns = Vec::with_capacity(path.len());
        let (mut open, mut pace) = (vec![Step::Following(Point::Start, None)], Pace::default());
        while let Some(step) = open.pop() {
            pace.step().await;
            let (id, follows) = match step {
                Step::Turn(id, follows) => (id, follows),
                Step::Following(point, newest) => {
                    let alternatives = history.alternatives(session, point).await?;
                    following(&mut open, point, &alternatives, newest);
                    continue;
                }
            };
            if !seen.insert(id) {
                continue;
            }
            let current = path.remove(&id);
            let is_current = current.is_some();
            let turn = match current {
                Some(turn) => turn,
                None => read_turn(history, session, id).await?,
            };
            turns.push(PlacedTurn { turn, follows, is_current });
        }
        Ok(Self { turns, tip })
    }

    fn of_path(path: Vec<Turn>, tip: Point) -> Self {
        let mut follows = Point::Start;
        let turns = path.into_iter().map(|turn| {
            let after = Point::from(turn.id());
            let follows = std::mem::replace(&mut follows, after);
            PlacedTurn { turn, follows, is_current: true }
        });
        Self { turns: turns.collect(), tip }
    }

    /// Returns whether there are turns that are not on the path to the tip.
    pub(crate) fn has_branches(&self) -> bool {
        self.turns.iter().any(|placed| !placed.is_current)
    }

    /// Stores the turns in a history, and returns a reason for each that it has no place for: the
    /// ones of other branches, in a history without branches, those whose ids it has for other
    /// turns, and those that it refuses, with what follows them.
    ///
    /// A session that has gone on since an earlier transfer keeps its tip. One that is cleared or
    /// deleted meanwhile is stored again, and left out if that goes on.
    pub(crate) async fn store(
        &self,
        to: &dyn ChatHistory,
        session: &SessionId,
    ) -> Result<Vec<OmissionReason>, HistoryError> {
        let has_branches = to.at(Point::Start).is_some();
        let Some(first) = self.turns.first().filter(|_| has_branches) else {
            return self.store_path(to, session).await;
        };
        for _ in 0..MAX_TRIES {
            match self.store_branches(to, session, first).await {
                Err(HistoryError::UnknownTurn { .. } | HistoryError::Stale { .. }) => {}
                stored => return stored,
            }
        }
        Ok(vec![OmissionReason::Diverged { turns: 0 }; self.turns.len()])
    }

    /// Stores the turns, the first of which is given, in a history with branches.
    async fn store_branches(
        &self,
        to: &dyn ChatHistory,
        session: &SessionId,
        first: &PlacedTurn,
    ) -> Result<Vec<OmissionReason>, HistoryError> {
        let before = tip_of(to, session).await?;
        let start = start(to, session, before, first.turn.id()).await?;
        let (mut left_out, mut omitted) = (HashSet::new(), Vec::new());
        let mut pace = Pace::default();
        for (turns, placed) in (0..).zip(&self.turns) {
            pace.step().await;
            let is_refused = placed.follows.turn().is_some_and(|turn| left_out.contains(&turn));
            let stored = match is_refused {
                true => Stored::Refused,
                false => {
                    let point = if placed.follows == Point::Start { start } else { placed.follows };
                    Stored::of(append_at(to, session, point, &placed.turn).await)?
                }
            };
            omitted.extend(stored.reason(turns));
            if stored == Stored::Refused {
                left_out.insert(placed.turn.id());
            }
        }
        let ids: HashSet<_> = self.turns.iter().map(|placed| placed.turn.id()).collect();
        let own = before.filter(|before| start == Point::Start && !ids.contains(before));
        let tip = own.map_or(self.tip, Point::from);
        if tip.turn().is_none_or(|turn| !left_out.contains(&turn)) {
            set_tip(to, session, tip, &ids).await?;
        }
        Ok(omitted)
    }

    /// Stores the turns on the path to the tip in a history without branches.
    async fn store_path(
        &self,
        to: &dyn ChatHistory,
        session: &SessionId,
    ) -> Result<Vec<OmissionReason>, HistoryError> {
        let (mut omitted, mut turns, mut stored) = (Vec::new(), 0, Stored::Yes);
        let mut pace = Pace::default();
        for PlacedTurn { turn, is_current, .. } in &self.turns {
            pace.step().await;
            if !is_current {
                let messages = turn.messages().len() as u64;
                omitted.push(OmissionReason::Branch { messages });
                continue;
            }
            if stored != Stored::Refused {
                stored = Stored::of(to.append(session, turn, Expect::Any).await)?;
            }
            omitted.extend(stored.reason(turns));
            turns += 1;
        }
        Ok(omitted)
    }
}

/// Whether a turn is stored, now or before.
#[derive(PartialEq, Eq)]
enum Stored {
    Yes,
    /// Another turn has its id.
    IdInUse,
    /// The history does not take its messages.
    Refused,
}

impl Stored {
    fn of<T>(appended: Result<T, HistoryError>) -> Result<Self, HistoryError> {
        match appended {
            Ok(_) => Ok(Self::Yes),
            Err(HistoryError::TurnIdInUse { .. }) => Ok(Self::IdInUse),
            Err(HistoryError::TooLarge { .. } | HistoryError::Unsupported { .. }) => {
                Ok(Self::Refused)
            }
            Err(error) => Err(error),
        }
    }

    /// Returns the reason for which a turn after some others is left out.
    const fn reason(&self, turns: u64) -> Option<OmissionReason> {
        match self {
            Self::Yes => None,
            Self::IdInUse => Some(OmissionReason::Diverged { turns }),
            Self::Refused => Some(OmissionReason::RefusedByHistory),
        }
    }
}

/// Appends a turn at a point of a history that has branches.
pub(crate) async fn append_at(
    to: &dyn ChatHistory,
    session: &SessionId,
    point: Point,
    turn: &Turn,
) -> Result<(), HistoryError> {
    let view = to.at(point).ok_or(HistoryError::Unsupported { what: "branches" })?;
    view.append(session, turn, Expect::Any).await.map(drop)
}

/// Moves the tip, unless the session has gone on: its tip is then a turn that is not among `ids`.
pub(crate) async fn set_tip(
    to: &dyn ChatHistory,
    session: &SessionId,
    tip: Point,
    ids: &HashSet<TurnId>,
) -> Result<(), HistoryError> {
    match tip_of(to, session).await? {
        Some(found) if ids.contains(&found) && Point::from(found) != tip => {
            to.set_tip(session, tip, Expect::Any).await.map(drop)
        }
        _ => Ok(()),
    }
}

/// Returns the last turn of a session's conversation.
async fn tip_of(to: &dyn ChatHistory, session: &SessionId) -> Result<Option<TurnId>, HistoryError> {
    Ok(to.turns(session, Range::LastTurns(1)).await?.last().map(Turn::id))
}

/// Returns the point after which a transferred session begins: the start, or the tip of a session
/// that has other turns.
async fn start(
    to: &dyn ChatHistory,
    session: &SessionId,
    tip: Option<TurnId>,
    first: TurnId,
) -> Result<Point, HistoryError> {
    let Some(tip) = tip else { return Ok(Point::Start) };
    Ok(if has_turn(to, session, first).await? { Point::Start } else { tip.into() })
}

/// Returns whether a history that has branches has a turn.
pub(crate) async fn has_turn(
    to: &dyn ChatHistory,
    session: &SessionId,
    turn: TurnId,
) -> Result<bool, HistoryError> {
    let view = to.at(turn.into()).ok_or(HistoryError::Unsupported { what: "branches" })?;
    match view.load(session, Range::LastMessages(0)).await {
        Ok(_) => Ok(true),
        Err(HistoryError::UnknownTurn { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

/// A step of reading a session.
enum Step {
    /// A turn, and the point that it follows.
    Turn(TurnId, Point),
    /// All that follows a point, and the last stored turn of it.
    Following(Point, Option<TurnId>),
}

/// Adds the steps that read what follows a point, the first one last.
///
/// The turns that follow a point are in the order in which they were stored. All that follows one
/// of them comes next, except where it was stored last: it then comes after the other turns.
fn following(
    open: &mut Vec<Step>,
    point: Point,
    alternatives: &[Alternative],
    newest: Option<TurnId>,
) {
    let begin = open.len();
    let mut last = None;
    for &Alternative { turn, newest: own, .. } in alternatives {
        open.push(Step::Turn(turn, point));
        let following = Step::Following(turn.into(), Some(own));
        if Some(own) == newest {
            last = Some(following);
        } else {
            open.push(following);
        }
    }
    open.extend(last);
    if let Some(steps) = open.get_mut(begin..) {
        steps.reverse();
    }
}

async fn read_turn(
    history: &dyn ChatHistory,
    session: &SessionId,
    id: TurnId,
) -> Result<Turn, HistoryError> {
    let view = history.at(id.into()).ok_or(HistoryError::Unsupported { what: "branches" })?;
    let turns = view.turns(session, Range::LastTurns(1)).await?;
    turns.into_iter().next_back().ok_or(HistoryError::UnknownTurn { turn: id })
}

/// The title and the labels of a session.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Names {
    pub(crate) title: Option<String>,
    pub(crate) labels: BTreeMap<String, String>,
}

impl Names {
    /// Reads the names. A history without them has none.
    pub(crate) async fn read(
        history: &dyn ChatHistory,
        session: &SessionId,
    ) -> Result<Self, HistoryError> {
        match history.session_info(session).await {
            Ok(Some(info)) => Ok(Self { title: info.title, labels: info.labels }),
            Ok(None) | Err(HistoryError::Unsupported { .. }) => Ok(Self::default()),
            Err(error) => Err(error),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.title.is_none() && self.labels.is_empty()
    }

    /// Sets the names that the session does not have yet, and cuts a title that is too long.
    /// Returns whether the history has taken all of them whole.
    pub(crate) async fn store(
        &self,
        to: &dyn ChatHistory,
        session: &SessionId,
    ) -> Result<bool, HistoryError> {
        if self.is_empty() {
            return Ok(true);
        }
        let found = match to.session_info(session).await {
            Err(HistoryError::Unsupported { .. }) => return Ok(false),
            found => found?,
        };
        let (title, labels) = found.map(|info| (info.title, info.labels)).unwrap_or_default();
        let mut all = true;
        if let Some(new) = self.title.as_deref().filter(|_| title.is_none()) {
            all &= store_title(to, session, new).await?;
        }
        for (name, value) in self.labels.iter().filter(|(name, _)| !labels.contains_key(*name)) {
            all &= is_taken(to.set_label(session, name, Some(value)).await)?;
        }
        Ok(all)
    }
}

/// Sets a title, or its start if it is too long, and returns whether the history has taken it
/// whole.
async fn store_title(
    to: &dyn ChatHistory,
    session: &SessionId,
    title: &str,
) -> Result<bool, HistoryError> {
    let set = to.set_title(session, Some(title)).await;
    if let Err(HistoryError::InvalidText { fault: TextFault::Length { max, .. }, .. }) = &set {
        let start = cut(title, *max);
        if !start.is_empty() {
            is_taken(to.set_title(session, Some(start)).await)?;
        }
    }
    is_taken(set)
}

/// Returns whether a name was set, and not refused.
fn is_taken(set: Result<(), HistoryError>) -> Result<bool, HistoryError> {
    match set {
        Ok(()) => Ok(true),
        Err(
            HistoryError::Unsupported { .. }
            | HistoryError::InvalidText { .. }
            | HistoryError::TooManyLabels { .. },
        ) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Returns the start of a text, of at most a number of bytes.
pub(crate) fn cut(text: &str, max: usize) -> &str {
    let end = (0..=max.min(text.len())).rev().find(|&end| text.is_char_boundary(end));
    text.get(..end.unwrap_or_default()).unwrap_or_default()
}

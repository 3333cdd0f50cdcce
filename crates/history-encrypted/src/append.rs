//! Appends that the store has not accepted at the version that was tried.

use conversant_core::{
    ChatHistory, Expect, HistoryError, Messages, Point, Range, SessionId, Turn, Version,
};

use crate::codec::Codec;

/// Where a turn goes whose session is not at the version that was tried.
pub(crate) enum Next {
    /// To this version.
    At(Version),
    /// To the branch of the version that the caller has seen, which was left meanwhile. A store
    /// with branches finds it by the version.
    LeftBranch(Version),
}

/// Returns where to append a turn after the version `expected` was not met.
pub(crate) async fn next(
    inner: &impl ChatHistory,
    stored: &SessionId,
    expect: Expect,
    expected: Version,
    current: Version,
) -> Result<Next, HistoryError> {
    let Expect::SameEpoch(seen) = expect else {
        return match expect {
            Expect::Any => Ok(Next::At(current)),
            _ => Err(HistoryError::Stale { expected, current }),
        };
    };
    let after = inner.load(stored, Range::After(seen)).await?;
    // What follows the version begins at it, unless it belongs to another conversation or branch.
    let is_on_path = seen.messages >= after.version.messages || after.start() == seen.messages;
    let is_met = expect.check(after.version);
    if is_on_path && is_met.is_ok() {
        return Ok(Next::At(after.version));
    }
    if seen.messages == 0 && seen.epoch < after.version.epoch {
        // The store knows whether the session was cleared since, or only began in a later epoch,
        // and says so to an append of nothing.
        let nothing = Turn::new(Messages::new());
        return inner.append(stored, &nothing, expect).await.map(Next::At);
    }
    if seen.epoch == after.version.epoch && inner.at(Point::Start).is_some() {
        return Ok(Next::LeftBranch(seen));
    }
    is_met?;
    Err(HistoryError::Stale { expected: seen, current: after.version })
}

/// A session of the store.
pub(crate) struct StoredSession<'s, H> {
    pub(crate) history: &'s H,
    pub(crate) codec: &'s Codec,
    /// Its id there.
    pub(crate) name: &'s SessionId,
}

/// Returns the outcome of an append to an encrypted history. No two encryptions of a message are
/// equal, so the store refuses a turn that the session `at` has already, and what it has is
/// compared here. A view at a point that is not known may get a turn that is stored elsewhere.
pub(crate) async fn repeated<H: ChatHistory>(
    history: &impl ChatHistory,
    session: &SessionId,
    at: StoredSession<'_, H>,
    turn: &Turn,
    outcome: Result<Version, HistoryError>,
) -> Result<Version, HistoryError> {
    let refusal = match outcome {
        Err(error @ (HistoryError::TurnIdInUse { .. } | HistoryError::UnknownTurn { .. })) => error,
        outcome => return outcome,
    };
    let point = Point::After(turn.id());
    let Some(view) = history.at(point) else {
        let Some((stored, version)) = at.find(turn).await? else { return Err(refusal) };
        return turn.check_stored(&stored).map(|()| version);
    };
    let stored = match view.turns(session, Range::LastTurns(1)).await {
        // It is not stored, or the session was cleared in the meantime.
        Err(HistoryError::UnknownTurn { .. }) => return Err(refusal),
        stored => stored?,
    };
    stored.iter().try_for_each(|stored| turn.check_stored(stored))?;
    let version = view.load(session, Range::LastMessages(0)).await?.version;
    // What is stored is appended again, so that a view of the store ends at it.
    let Some(view) = at.history.at(point) else { return Ok(version) };
    for sealed in view.turns(at.name, Range::LastTurns(1)).await? {
        at.history.append(at.name, &sealed, Expect::Exactly(version)).await?;
    }
    Ok(version)
}

impl<H: ChatHistory> StoredSession<'_, H> {
    /// Finds the stored turn of a turn's id, and the version after it, in a store without branches:
    /// each record names its turn.
    async fn find(&self, turn: &Turn) -> Result<Option<(Turn, Version)>, HistoryError> {
        // Mostly it is the last one.
        for range in [Range::LastMessages(turn.messages().len()), Range::All] {
            let slice = self.history.load(self.name, range).await?;
            let found = self.codec.find_turn(self.name, &slice, turn.id())?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }
}

//! Forks: copies of turns, since a record is bound to its session.

use conversant_core::{
    ChatHistory, Expect, HistoryError, Note, Point, Range, SessionId, Turn, Version,
};

/// The title that a fork has while it begins.
const BEGINS: &str = "fork";

/// The note of a session that is being forked: the id of the last turn that it will have.
const MARK: &str = "conversant:fork";

/// Begins a session of an encrypted history with the turns of another one up to a point, or goes on
/// with a fork that has stopped before it had all of them.
pub(crate) async fn fork(
    history: &impl ChatHistory,
    session: &SessionId,
    point: Point,
    into: &SessionId,
) -> Result<Version, HistoryError> {
    let unsupported = HistoryError::Unsupported { what: "branches" };
    let view = history.at(point).ok_or(unsupported)?;
    let turns = view.turns(session, Range::All).await?;
    let mut version = history.load(into, Range::LastMessages(0)).await?.version;
    let has_turns =
        version.messages > 0 || !history.alternatives(into, Point::Start).await?.is_empty();
    let stored = if has_turns { begun(history, &turns, into).await? } else { Some(0) };
    let Some(stored) = stored else {
        let expected = Version::new(version.epoch, 0);
        return Err(HistoryError::Stale { expected, current: version });
    };
    if stored == 0 {
        allow_unsupported(mark(history, into, version, turns.last()).await)?;
        allow_unsupported(begin(history, session, into, turns.is_empty()).await)?;
    }
    for turn in turns.iter().skip(stored) {
        version = history.append(into, turn, Expect::Exactly(version)).await?;
    }
    allow_unsupported(mark(history, into, version, None).await)?;
    Ok(version)
}

fn allow_unsupported(outcome: Result<(), HistoryError>) -> Result<(), HistoryError> {
    match outcome {
        Err(HistoryError::Unsupported { .. }) => Ok(()),
        outcome => outcome,
    }
}

/// Notes the last turn of a fork that has begun, or `None` for one that has ended.
async fn mark(
    history: &impl ChatHistory,
    into: &SessionId,
    covers: Version,
    last: Option<&Turn>,
) -> Result<(), HistoryError> {
    let body = last.map(|turn| turn.id().to_string()).unwrap_or_default();
    history.put_note(into, MARK, &Note::new(body, covers)).await
}

/// Returns how many of the turns a session has that is marked as this fork, and has the first of
/// them and no others. `None`: it is another session, or a fork that has ended.
async fn begun(
    history: &impl ChatHistory,
    turns: &[Turn],
    into: &SessionId,
) -> Result<Option<usize>, HistoryError> {
    let mark = match history.note(into, MARK).await {
        Ok(note) => note.and_then(|note| note.body.as_text().map(str::to_owned)),
        Err(HistoryError::Unsupported { .. }) => None,
        Err(error) => return Err(error),
    };
    let last = turns.last().map(|turn| turn.id().to_string());
    if mark.is_none() || mark != last {
        return Ok(None);
    }
    let stored = history.turns(into, Range::All).await?;
    let is_begun = (1..=turns.len()).contains(&stored.len())
        && stored.iter().zip(turns).all(|(stored, turn)| stored.id() == turn.id())
        && history.alternatives(into, Point::Start).await?.len() == 1;
    Ok(Some(stored.len()).filter(|_| is_begun))
}

/// Gives a session the labels of the one that it forks, except for those that it has. It is used
/// when it begins, and not when its turns were made.
async fn begin(
    history: &impl ChatHistory,
    session: &SessionId,
    into: &SessionId,
    is_empty: bool,
) -> Result<(), HistoryError> {
    let source = history.session_info(session).await?.map(|info| info.labels).unwrap_or_default();
    let own = history.session_info(into).await?;
    let mut is_begun = own.is_some();
    let own = own.map(|info| info.labels).unwrap_or_default();
    for (name, value) in source.iter().filter(|(name, _)| !own.contains_key(*name)) {
        match history.set_label(into, name, Some(value)).await {
            Err(HistoryError::TooManyLabels { .. }) => break,
            set => set?,
        }
        is_begun = true;
    }
    if !is_begun && !is_empty {
        history.set_title(into, Some(BEGINS)).await?;
        history.set_title(into, None).await?;
    }
    Ok(())
}

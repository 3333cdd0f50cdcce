//! Turns without messages, and sessions without turns.

use conversant_core::{
    ChatHistory, Expect, HistoryError, Messages, Note, Point, Range, Scope, SessionId, Turn,
    TurnId, UserId, Version,
};

use super::session_driver::{SessionDriver, exchange, joined, supported};
use crate::suite::check::{Checked, Stop, ensure};

fn nothing() -> Turn {
    Turn::new(Messages::new())
}

pub(super) async fn a_turn_without_messages_is_not_stored(history: &impl ChatHistory) -> Checked {
    let driver = SessionDriver::new(history)?;
    let start = driver.version().await?;
    for expect in [Expect::Any, Expect::SameEpoch(start), Expect::Exactly(start)] {
        appends_nothing(&driver, expect, start).await?;
    }
    is_not_listed(history, &driver.session, "a turn without messages").await?;
    let turns = [exchange(1), exchange(2)];
    let mut versions = vec![start];
    for turn in &turns {
        let version = driver.append_if(turn, Expect::Exactly(last(&versions))).await?;
        for expect in [Expect::Any, Expect::SameEpoch(start), Expect::Exactly(version)] {
            appends_nothing(&driver, expect, version).await?;
        }
        is_stale(&driver, Expect::Exactly(last(&versions))).await?;
        versions.push(version);
    }
    let ends = last(&versions);
    driver.holds(&turns.each_ref()).await?;
    if let Some(found) = driver.turns().await? {
        ensure!(found.len() == 2, "there are {} turns instead of 2", found.len());
    }
    let [first, second] = &turns;
    let last = driver.load(Range::LastTurns(1)).await?.messages;
    ensure!(last == joined(&[second]), "the last turn has {} messages instead of 2", last.len());
    // Nor is its id taken.
    let (nothing, third) = (nothing(), exchange(3));
    driver.append(&nothing).await?;
    driver.append(&third.clone().with_id(nothing.id())).await?;
    driver.holds(&[first, second, &third]).await?;
    driver.clear().await?;
    is_stale(&driver, Expect::SameEpoch(ends)).await?;
    appends_nothing(&driver, Expect::Any, driver.version().await?).await?;
    driver.holds(&[]).await
}

fn last(versions: &[Version]) -> Version {
    versions.last().copied().unwrap_or_default()
}

async fn appends_nothing<H: ChatHistory>(
    driver: &SessionDriver<'_, H>,
    expect: Expect,
    current: Version,
) -> Checked {
    let version = driver.append_if(&nothing(), expect).await?;
    ensure!(version == current, "without messages, {expect:?}: {version:?}, not {current:?}");
    Ok(())
}

async fn is_stale<H: ChatHistory>(driver: &SessionDriver<'_, H>, expect: Expect) -> Checked {
    let outcome = driver.append_if(&nothing(), expect).await;
    let is_stale = matches!(outcome, Err(HistoryError::Stale { .. }));
    ensure!(is_stale, "without messages, {expect:?}: {outcome:?}");
    Ok(())
}

pub(super) async fn a_turn_without_messages_is_no_point(history: &impl ChatHistory) -> Checked {
    let driver = SessionDriver::new(history)?;
    let (first, empty, second) = (exchange(1), nothing(), exchange(2));
    driver.append(&first).await?;
    let version = driver.append(&empty).await?;
    driver.append_if(&second, Expect::Exactly(version)).await?;
    let tip = Point::After(second.id());
    let view = history.at(tip).ok_or_else(|| Stop::Skipped("no branches".to_owned()))?;
    let at_tip = view.append(&driver.session, &nothing(), Expect::Any).await?;
    let end = driver.version().await?;
    ensure!(at_tip == end, "at the tip, without messages: {at_tip:?} instead of {end:?}");
    view.append(&driver.session, &exchange(3), Expect::Exactly(end)).await?;
    let moved = history.set_tip(&driver.session, Point::After(empty.id()), Expect::Any).await;
    let is_unknown = matches!(moved, Err(HistoryError::UnknownTurn { turn }) if turn == empty.id());
    ensure!(is_unknown, "set_tip: {moved:?}");
    for (point, next) in [(Point::Start, first.id()), (Point::After(first.id()), second.id())] {
        let found = history.alternatives(&driver.session, point).await?;
        let found: Vec<_> = found.iter().map(|alternative| alternative.turn).collect();
        ensure!(found == [next], "{point:?} is followed by {found:?} instead of {next}");
    }
    Ok(())
}

pub(super) async fn a_session_without_turns_is_not_listed(history: &impl ChatHistory) -> Checked {
    let user = UserId::new(format!("suite {}", TurnId::random()))?;
    let facts = Scope::User(user).facts_session();
    let own = SessionId::new(format!("suite {}", TurnId::random()))?;
    for session in facts.into_iter().chain([own]) {
        let version = history.load(&session, Range::LastMessages(0)).await?.version;
        let note = Note::new("a summary", version);
        supported(history.put_note(&session, "summary", &note).await, "no notes")?;
        is_not_listed(history, &session, "a note").await?;
        history.append(&session, &exchange(1), Expect::Any).await?;
        if let Some(is_listed) = is_listed(history, &session).await? {
            ensure!(is_listed, "`{session}` has a turn and is not listed");
        }
        history.clear(&session).await?;
        is_not_listed(history, &session, "no turns").await?;
    }
    Ok(())
}

async fn is_not_listed(history: &impl ChatHistory, session: &SessionId, has: &str) -> Checked {
    let is_listed = is_listed(history, session).await?;
    ensure!(is_listed != Some(true), "`{session}` is listed, and has {has}");
    match history.session_info(session).await {
        Ok(info) => ensure!(info.is_none(), "`{session}` is described, and has {has}"),
        Err(HistoryError::Unsupported { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

/// Returns whether a session is listed, if the history lists its sessions.
async fn is_listed(
    history: &impl ChatHistory,
    session: &SessionId,
) -> Result<Option<bool>, HistoryError> {
    // The ids of these sessions end with that of a turn, which has no tilde.
    let mut before = session.as_str().to_owned();
    before.pop();
    let before = SessionId::from_stored(before).map_err(|error| HistoryError::Corrupt {
        what: "the id of a session".to_owned(),
        source: Some(error.into()),
    })?;
    let mut after = before;
    loop {
        let page = match history.sessions(Some(&after), 16).await {
            Err(HistoryError::Unsupported { .. }) => return Ok(None),
            page => page?,
        };
        match page.last() {
            Some(last) if !page.contains(session) && last < session => after = last.clone(),
            _ => return Ok(Some(page.contains(session))),
        }
    }
}

//! Forks: which turns they have, and which sessions they begin.

use conversant_core::{ChatHistory, Expect, HistoryError, Note, Point, Range, SessionId, TurnId};

use super::{
    branch::{Tree, is_unknown},
    session_driver::{SessionDriver, exchange, joined, supported},
};
use crate::suite::check::{Checked, NO_TURNS, Stop, ensure};

pub(super) async fn later_turns_of_the_source_are_not_in_a_fork(
    history: &impl ChatHistory,
) -> Checked {
    // Of a fork, and of a fork of a fork.
    let tree = Tree::grown(history, 4).await?;
    let fork = SessionDriver::new(history)?;
    history.fork(tree.session(), tree.after(2)?, &fork.session).await?;
    let second = SessionDriver::new(history)?;
    history.fork(&fork.session, tree.after(1)?, &second.session).await?;
    let (here, branch) = (exchange(10), exchange(11));
    tree.driver.append(&here).await?;
    tree.append_at(tree.after(0)?, &branch).await?;
    let own = exchange(12);
    second.append(&own).await?;
    let of_source = [here.id(), branch.id(), tree.turn(3)?.id()];
    let of_fork = of_source.into_iter().chain([own.id()]);
    let of_second = of_source.into_iter().chain([tree.turn(2)?.id()]);
    for turn in of_fork {
        has_no(history, &fork.session, turn).await?;
    }
    for turn in of_second {
        has_no(history, &second.session, turn).await?;
    }
    for (driver, count) in [(&fork, 3), (&second, 2)] {
        for last in 0..count {
            let view = tree.at(tree.after(last)?)?;
            let shown = view.load(&driver.session, Range::LastTurns(1)).await?;
            ensure!(shown.messages == joined(&[tree.turn(last)?]), "at turn {last}: others");
            let expected = (last as u64 + 1) * 2;
            ensure!(shown.version.messages == expected, "at turn {last}: {:?}", shown.version);
        }
    }
    fork.holds(&[tree.turn(0)?, tree.turn(1)?, tree.turn(2)?]).await?;
    second.holds(&[tree.turn(0)?, tree.turn(1)?, &own]).await
}

/// Checks that a session does not have a turn, whichever part before it is loaded.
async fn has_no(history: &impl ChatHistory, session: &SessionId, turn: TurnId) -> Checked {
    let point = Point::After(turn);
    let Some(view) = history.at(point) else { return Ok(()) };
    let seen = history.load(session, Range::LastMessages(0)).await?.version;
    for range in [
        Range::All,
        Range::LastTurns(1),
        Range::LastTurns(9),
        Range::LastMessages(1),
        Range::LastMessages(0),
        Range::LastBytes(1 << 20),
        Range::After(seen),
    ] {
        let loaded = view.load(session, range).await;
        ensure!(is_unknown(&loaded, turn), "{range:?} of a turn of another session: {loaded:?}");
    }
    let turns = view.turns(session, Range::LastTurns(1)).await;
    let has_turns = !matches!(turns, Err(HistoryError::Unsupported { .. }));
    ensure!(!has_turns || is_unknown(&turns, turn), "turns: {turns:?}");
    let has_first = history.first(session, 1).await?.is_some();
    let first = view.first(session, 1).await;
    ensure!(!has_first || is_unknown(&first, turn), "first: {first:?}");
    let appended = view.append(session, &exchange(20), Expect::Any).await;
    ensure!(is_unknown(&appended, turn), "append: {appended:?}");
    Ok(())
}

pub(super) async fn a_fork_begins_a_session_without_turns(history: &impl ChatHistory) -> Checked {
    let tree = Tree::grown(history, 2).await?;
    // All turns of the session are undone, and are there.
    let undone = Tree::grown(history, 1).await?;
    undone.set_tip(Point::Start).await?;
    let forked = history.fork(tree.session(), tree.after(0)?, undone.session()).await;
    ensure!(matches!(forked, Err(HistoryError::Stale { .. })), "over undone turns: {forked:?}");
    undone.set_tip(undone.after(0)?).await?;
    undone.driver.holds(&[undone.turn(0)?]).await?;
    // One that has nothing is not listed.
    let empty = SessionDriver::new(history)?;
    let version = history.fork(tree.session(), Point::Start, &empty.session).await?;
    ensure!(version.messages == 0, "a fork at the start is at {version:?}");
    let info = history.session_info(&empty.session).await;
    ensure!(
        matches!(info, Ok(None) | Err(HistoryError::Unsupported { .. })),
        "a fork at the start is listed: {info:?}"
    );
    empty.holds(&[]).await?;
    empty.append(tree.turn(0)?).await?;
    empty.holds(&[tree.turn(0)?]).await?;
    // One that has labels is.
    let labelled = SessionDriver::new(history)?;
    match history.set_label(tree.session(), "user", Some("ada")).await {
        Ok(()) => {
            let version = history.fork(tree.session(), Point::Start, &labelled.session).await?;
            ensure!(version.messages == 0, "a fork at the start is at {version:?}");
            let has_label = async || {
                let info = history.session_info(&labelled.session).await?;
                let labels = info.map(|info| info.labels).unwrap_or_default();
                let has = labels.get("user").is_some_and(|user| user == "ada");
                ensure!(has && labels.len() == 1, "a fork at the start has the labels {labels:?}");
                Ok(())
            };
            has_label().await?;
            labelled.append(tree.turn(0)?).await?;
            labelled.holds(&[tree.turn(0)?]).await?;
            has_label().await?;
        }
        Err(HistoryError::Unsupported { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    // A note is not a turn.
    let noted = SessionDriver::new(history)?;
    let note = Note::new("known", noted.version().await?);
    let put = history.put_note(&noted.session, "facts", &note).await;
    supported(put, "it has no notes")?;
    history.fork(tree.session(), tree.after(0)?, &noted.session).await?;
    noted.holds(&[tree.turn(0)?]).await?;
    let found = history.note(&noted.session, "facts").await?;
    let says = found.map(|note| note.body.to_text().into_owned());
    ensure!(says.as_deref() == Some("known"), "the note of the new session is {says:?}");
    Ok(())
}

pub(super) async fn turns_are_whole_on_any_branch(history: &impl ChatHistory) -> Checked {
    let tree = Tree::grown(history, 2).await?;
    let base = tree.version(0)?;
    let stopped = exchange(10).with_base(base).with_incomplete(true);
    let fork = SessionDriver::new(history)?;
    if tree.driver.turns().await?.is_none() {
        return Err(Stop::Skipped(NO_TURNS.to_owned()));
    }
    tree.append_at(tree.after(0)?, &stopped).await?;
    history.fork(tree.session(), Point::After(stopped.id()), &fork.session).await?;
    for (session, place) in [(tree.session(), "at a point"), (&fork.session, "in a fork")] {
        let found = history.turns(session, Range::LastTurns(1)).await?;
        let Some(found) = found.last().filter(|found| found.id() == stopped.id()) else {
            return Err(Stop::Failed(format!("a turn {place} is not the last one")));
        };
        ensure!(found.is_incomplete(), "a part of an answer {place} is a whole one");
        let has_base = found.base().is_some_and(|found| found.matches(base));
        ensure!(has_base, "a turn {place} has the base {:?} instead of {base:?}", found.base());
    }
    Ok(())
}

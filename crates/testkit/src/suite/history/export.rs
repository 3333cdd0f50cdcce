//! Turns, lists of sessions, and deletion, where the history has them.

use std::time::Duration;

use conversant_core::{
    ChatHistory, Expect, HistoryError, Message, Note, Range, SessionId, Turn, TurnId, Version,
};

use super::session_driver::{SessionDriver, exchange, supported};
use crate::suite::check::{Checked, NO_TURNS, ensure};

pub(super) async fn turns_are_loaded_as_they_were_appended(history: &impl ChatHistory) -> Checked {
    let driver = SessionDriver::new(history)?;
    supported(history.turns(&driver.session, Range::All).await, NO_TURNS)?;
    let first = exchange(1);
    let seen = driver.append(&first).await?;
    let second = exchange(2).with_base(seen).with_incomplete(true);
    let middle = driver.append(&second).await?;
    let third = exchange(3).with_base(seen);
    let end = driver.append(&third).await?;
    let turns = [first, second, third];
    for (range, count) in [
        (Range::All, 3),
        (Range::LastTurns(2), 2),
        (Range::LastTurns(0), 0),
        (Range::After(middle), 1),
        (Range::After(end), 0),
    ] {
        let found = history.turns(&driver.session, range).await?;
        let expected = turns.get(turns.len() - count..).unwrap_or_default();
        ensure!(
            found.len() == count,
            "{range:?} of 3 turns gave {} instead of {count}",
            found.len()
        );
        for (found, expected) in found.iter().zip(expected) {
            // A store need not keep the tip of a base.
            let base = match (found.base(), expected.base()) {
                (Some(found), Some(expected)) => found.matches(expected),
                (found, expected) => found == expected,
            };
            ensure!(
                base && found.id() == expected.id()
                    && found.messages() == expected.messages()
                    && found.is_incomplete() == expected.is_incomplete(),
                "turn {} came back as {}: incomplete {} as {}, base {:?} as {:?}",
                expected.id(),
                found.id(),
                expected.is_incomplete(),
                found.is_incomplete(),
                expected.base(),
                found.base()
            );
        }
    }
    Ok(())
}

pub(super) async fn a_turn_that_a_range_cuts_is_left_out(history: &impl ChatHistory) -> Checked {
    let driver = SessionDriver::new(history)?;
    supported(history.turns(&driver.session, Range::All).await, NO_TURNS)?;
    let turns = [exchange(1), exchange(2), exchange(3)];
    let mut versions = Vec::new();
    for turn in &turns {
        versions.push(driver.append(turn).await?);
    }
    let question = |turn: &Turn| turn.messages().first().map_or(0, Message::stored_json_len);
    let bytes = |turn: &Turn| turn.messages().iter().map(Message::stored_json_len).sum::<u64>();
    let [_, second, third] = &turns;
    let middle = Version::new(versions.last().map_or(0, |version| version.epoch), 3);
    for (range, count) in [
        (Range::LastMessages(0), 0),
        (Range::LastMessages(1), 0),
        (Range::LastMessages(2), 1),
        (Range::LastMessages(5), 2),
        (Range::LastBytes(bytes(third) - 1), 0),
        (Range::LastBytes(bytes(third)), 1),
        (Range::LastBytes(bytes(third) + bytes(second) - question(second)), 1),
        (Range::LastBytes(u64::MAX), 3),
        (Range::After(middle), 1),
    ] {
        let found = match history.turns(&driver.session, range).await {
            Err(HistoryError::Unsupported { .. }) if matches!(range, Range::LastBytes(_)) => {
                continue;
            }
            found => found?,
        };
        let expected = turns.iter().skip(turns.len() - count).map(Turn::id);
        let found = found.iter().map(Turn::id);
        ensure!(found.clone().eq(expected), "{range:?} of 3 turns gave {}", found.count());
    }
    Ok(())
}

pub(super) async fn sessions_are_listed_in_their_order(history: &impl ChatHistory) -> Checked {
    let run = format!("suite {}", TurnId::random());
    let before = SessionId::new(run.as_str())?;
    supported(history.sessions(Some(&before), 1).await, "no lists of sessions")?;
    let mut names = Vec::new();
    for tail in ["\u{e9}", "b", "B", " ", "a", "\u{1f600}", "\u{ffff}", "aa", "_", "%"] {
        let driver = SessionDriver::named(history, &format!("{run}{tail}"))?;
        driver.append(&exchange(1)).await?;
        names.push(driver.session.as_str().to_owned());
    }
    // Loading is not writing.
    SessionDriver::named(history, &format!("{run}!"))?.all().await?;
    names.sort();
    for limit in [1, 3, names.len()] {
        let mut found: Vec<String> = Vec::new();
        let mut after = before.clone();
        while found.len() < names.len() {
            let page = history.sessions(Some(&after), limit).await?;
            ensure!(page.len() <= limit, "{limit} were asked for, and {} given", page.len());
            let Some(last) = page.last() else { break };
            after = last.clone();
            found.extend(page.iter().map(|session| session.as_str().to_owned()));
        }
        found.truncate(names.len());
        ensure!(found == names, "in pages of {limit}: {found:?} instead of {names:?}");
    }
    let none = history.sessions(Some(&before), 0).await?;
    ensure!(none.is_empty(), "none were asked for, and {} given", none.len());
    Ok(())
}

pub(super) async fn a_deleted_session_is_gone(history: &impl ChatHistory) -> Checked {
    let run = format!("suite {}", TurnId::random());
    let before = SessionId::new(run.as_str())?;
    let driver = SessionDriver::named(history, &format!("{run} deleted"))?;
    let other = SessionDriver::named(history, &format!("{run} kept"))?;
    let turn = exchange(1);
    let covers = driver.append(&turn).await?;
    other.append(&turn).await?;
    let note = Note::new("a summary", covers);
    let has_notes = history.put_note(&driver.session, "summary", &note).await.is_ok();
    supported(history.delete(&driver.session).await, "no deletion")?;
    driver.holds(&[]).await?;
    if has_notes {
        let note = history.note(&driver.session, "summary").await?;
        ensure!(note.is_none(), "its note is still there");
    }
    other.holds(&[&turn]).await?;
    match history.sessions(Some(&before), 2).await {
        Ok(listed) => {
            let gone = !listed.contains(&driver.session);
            ensure!(gone, "it is still listed");
            ensure!(listed.contains(&other.session), "another one is no longer listed");
        }
        Err(HistoryError::Unsupported { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    // Twice is once, and what was never there can be deleted.
    history.delete(&driver.session).await?;
    history.delete(&SessionDriver::new(history)?.session).await?;
    driver.append(&turn).await?;
    driver.holds(&[&turn]).await
}

pub(super) async fn a_turn_of_a_deleted_session_is_stale(history: &impl ChatHistory) -> Checked {
    let driver = SessionDriver::new(history)?;
    let seen = driver.append(&exchange(1)).await?;
    supported(history.delete(&driver.session).await, "no deletion")?;
    for expect in [Expect::SameEpoch(seen), Expect::Exactly(seen)] {
        let late = driver.append_if(&exchange(2), expect).await;
        let stale = matches!(late, Err(HistoryError::Stale { .. }));
        ensure!(stale, "{expect:?} in a deleted session: {late:?}");
        driver.holds(&[]).await?;
    }
    // Nor after the session was begun again.
    let new = exchange(3);
    driver.append(&new).await?;
    let late = driver.append_if(&exchange(4), Expect::SameEpoch(seen)).await;
    let stale = matches!(late, Err(HistoryError::Stale { .. }));
    ensure!(stale, "in a session begun anew: {late:?}");
    driver.holds(&[&new]).await
}

/// A session that was empty when another one was deleted is the one that callers have seen.
pub(super) async fn a_deletion_leaves_the_sessions_that_are_new(
    history: &impl ChatHistory,
) -> Checked {
    for expect in [Expect::SameEpoch, Expect::Exactly] {
        let (driver, other) = (SessionDriver::new(history)?, SessionDriver::new(history)?);
        let seen = driver.version().await?;
        for _ in 0..2 {
            other.append(&exchange(1)).await?;
            supported(history.delete(&other.session).await, "no deletion")?;
            // In some stores a lease begins a session.
            if let Some(lease) = history.lease(&driver.session, Duration::from_secs(600)).await? {
                history.release(&lease).await?;
            }
        }
        let note = Note::new("a summary", seen);
        match history.put_note(&driver.session, "summary", &note).await {
            Ok(()) => {
                let found = history.note(&driver.session, "summary").await?;
                let covers = Version::new(driver.version().await?.epoch, 0);
                let is_stored = found.as_ref() == Some(&Note::new("a summary", covers));
                ensure!(is_stored, "a note that covers {covers:?} is {found:?}");
            }
            Err(HistoryError::Unsupported { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        let turn = exchange(2);
        driver.append_if(&turn, expect(seen)).await?;
        // Another caller has seen the new session too.
        let second = exchange(3);
        driver.append_if(&second, Expect::SameEpoch(seen)).await?;
        driver.holds(&[&turn, &second]).await?;
    }
    Ok(())
}

//! The suite of histories whose store outlives its handle.

use conversant_core::{ChatHistory, Expect, HistoryError, Note, Range};

use super::session_driver::{SessionDriver, exchange, supported};
use crate::{
    join_all::join_all,
    suite::{
        check::{Checked, ensure, run},
        report::{Running, SuiteError, SuiteReport},
    },
};

/// Checks that handles to one store see each other's writes, at once and later.
///
/// `open` opens the same store each time, as another process would. Run it as well as
/// [`history()`](super::history()), which checks one handle at a time.
///
/// # Errors
///
/// [`SuiteError`] with all checks that failed.
///
/// # Examples
///
/// ```
/// use std::path::Path;
/// use conversant_core::ChatHistory;
/// use conversant_testkit::suite::{self, SuiteError};
///
/// async fn check<H: ChatHistory>(open: fn(&Path) -> H, file: &Path) -> Result<(), SuiteError> {
///     suite::history(|| open(file)).await?;
///     suite::reopened_history(|| open(file)).await?;
///     Ok(())
/// }
/// ```
pub async fn reopened_history<H: ChatHistory>(
    open: impl Fn() -> H,
) -> Result<SuiteReport, SuiteError> {
    let mut running = Running::new("reopened history");
    run!(running, &open =>
        a_conversation_outlives_its_handle,
        handles_see_what_the_others_write,
        a_turn_is_appended_once_by_all_handles,
        one_of_two_handles_wins,
        the_epoch_outlives_its_handle,
        notes_outlive_their_handle,
    );
    running.finish()
}

async fn a_conversation_outlives_its_handle<H: ChatHistory>(open: &impl Fn() -> H) -> Checked {
    let turns = [exchange(1), exchange(2), exchange(3)];
    let session = {
        let history = open();
        let driver = SessionDriver::new(&history)?;
        for turn in &turns {
            driver.append(turn).await?;
        }
        driver.session
    };
    let history = open();
    SessionDriver { history: &history, session }.holds(&turns.each_ref()).await
}

async fn handles_see_what_the_others_write<H: ChatHistory>(open: &impl Fn() -> H) -> Checked {
    let (one, other) = (open(), open());
    let mine = SessionDriver::new(&one)?;
    let yours = SessionDriver { history: &other, session: mine.session.clone() };
    let turns = [exchange(1), exchange(2), exchange(3), exchange(4)];
    let mut seen = mine.version().await?;
    for (turn, driver) in turns.iter().zip([&mine, &yours].into_iter().cycle()) {
        driver.append_if(turn, Expect::Exactly(seen)).await?;
        let slice = driver.load(Range::After(seen)).await?;
        ensure!(slice.messages == *turn.messages(), "the new turn was not what came after");
        seen = slice.version;
    }
    mine.holds(&turns.each_ref()).await?;
    yours.holds(&turns.each_ref()).await
}

async fn a_turn_is_appended_once_by_all_handles<H: ChatHistory>(open: &impl Fn() -> H) -> Checked {
    let (one, other) = (open(), open());
    let mine = SessionDriver::new(&one)?;
    let yours = SessionDriver { history: &other, session: mine.session.clone() };
    let turn = exchange(1);
    mine.append(&turn).await?;
    yours.append(&turn).await?;
    yours.holds(&[&turn]).await?;
    mine.holds(&[&turn]).await
}

async fn one_of_two_handles_wins<H: ChatHistory>(open: &impl Fn() -> H) -> Checked {
    let (one, other) = (open(), open());
    let mine = SessionDriver::new(&one)?;
    let yours = SessionDriver { history: &other, session: mine.session.clone() };
    let mut seen = mine.version().await?;
    for round in 0..8 {
        let turns = [exchange(round), exchange(100 + round)];
        let calls = [&mine, &yours].into_iter().zip(&turns);
        let expect = Expect::Exactly(seen);
        let outcomes = join_all(calls.map(|(driver, turn)| driver.append_if(turn, expect))).await;
        let mut won = 0;
        for outcome in outcomes {
            match outcome {
                Ok(version) => (won, seen) = (won + 1, version),
                Err(HistoryError::Stale { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        ensure!(won == 1, "{won} of 2 handles appended to the same version");
    }
    let found = mine.all().await?.messages.len();
    ensure!(found == 16, "8 rounds led to {found} messages");
    Ok(())
}

async fn the_epoch_outlives_its_handle<H: ChatHistory>(open: &impl Fn() -> H) -> Checked {
    let one = open();
    let mine = SessionDriver::new(&one)?;
    let old = mine.append(&exchange(1)).await?;
    mine.clear().await?;
    let session = mine.session;
    drop(one);
    let other = open();
    let yours = SessionDriver { history: &other, session };
    let late = yours.append_if(&exchange(2), Expect::SameEpoch(old)).await;
    ensure!(
        matches!(late, Err(HistoryError::Stale { .. })),
        "a turn from before the session was cleared: {late:?}"
    );
    yours.holds(&[]).await
}

async fn notes_outlive_their_handle<H: ChatHistory>(open: &impl Fn() -> H) -> Checked {
    let (session, note) = {
        let history = open();
        let driver = SessionDriver::new(&history)?;
        let note = Note::new("a summary", driver.append(&exchange(1)).await?);
        supported(history.put_note(&driver.session, "summary", &note).await, "no notes")?;
        (driver.session, note)
    };
    let found = open().note(&session, "summary").await?;
    ensure!(found.as_ref() == Some(&note), "the note is {found:?} instead of {note:?}");
    Ok(())
}

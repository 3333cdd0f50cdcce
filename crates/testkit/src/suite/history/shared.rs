//! The suite of histories that several handles write at once.

use conversant_core::{ChatHistory, Expect, HistoryError, Range, Turn, Version};

use super::session_driver::{SessionDriver, exchange};
use crate::{
    join_all::join_all,
    suite::{
        check::{Checked, NO_TURNS, Stop, ensure, run, supported},
        report::{Running, SuiteError, SuiteReport},
    },
};

/// The number of writers, and of turns of each.
const WRITERS: usize = 32;
const TURNS: usize = 24;

/// Checks that many writers over several handles to one store have one order, and that none of them
/// loses a turn.
///
/// `handles` are independent, as those of several processes: each with its own connections. Run it
/// in addition to [`reopened_history`](super::reopened_history), which has one writer at a time.
///
/// # Errors
/// [`SuiteError`], which names all checks that failed.
pub async fn shared_history<H: ChatHistory>(handles: &[H]) -> Result<SuiteReport, SuiteError> {
    let mut running = Running::new("shared history");
    run!(running, handles =>
        writers_of_all_handles_have_one_order,
        exact_appends_lose_no_turn,
        one_turn_of_all_handles_is_there_once,
    );
    running.finish()
}

/// Returns a session, with a driver for each writer in turn over the handles.
fn drivers<H: ChatHistory>(handles: &[H], count: usize) -> Result<Vec<SessionDriver<'_, H>>, Stop> {
    let first = handles.first().ok_or_else(|| Stop::Failed("there are no handles".to_owned()))?;
    let session = SessionDriver::new(first)?.session;
    let driver = |history| SessionDriver { history, session: session.clone() };
    Ok(handles.iter().cycle().take(count).map(driver).collect())
}

async fn writers_of_all_handles_have_one_order<H: ChatHistory>(handles: &[H]) -> Checked {
    let drivers = drivers(handles, WRITERS)?;
    let writers = drivers.iter().enumerate().map(async |(writer, driver)| {
        let mut done: Vec<(Version, Turn)> = Vec::new();
        for number in 0..TURNS {
            let seen = driver.load(Range::LastTurns(1)).await?.version;
            let turn = exchange(1000 * writer + number).with_base(seen);
            let version = driver.append_if(&turn, Expect::SameEpoch(seen)).await?;
            done.push((version, turn));
        }
        Ok::<_, Stop>(done)
    });
    let mut told = Vec::new();
    for writer in join_all(writers).await {
        told.extend(writer?);
    }
    told.sort_by_key(|(version, _)| *version);
    let found = stored(&drivers).await?;
    ensure!(
        found.iter().eq(told.iter().map(|(_, turn)| turn)),
        "{} turns were acknowledged; found {}, or another order",
        told.len(),
        found.len()
    );
    let mut end = 0;
    for turn in &found {
        let seen = turn.base().map_or(0, |base| base.messages);
        ensure!(seen <= end, "a turn at message {end} had seen {seen} messages");
        end += turn.messages().len() as u64;
    }
    Ok(())
}

async fn exact_appends_lose_no_turn<H: ChatHistory>(handles: &[H]) -> Checked {
    let drivers = drivers(handles, 8)?;
    let writers = drivers.iter().enumerate().map(async |(writer, driver)| {
        let mut done = Vec::new();
        for number in 0..TURNS / 2 {
            let seen = driver.load(Range::LastMessages(0)).await?.version;
            let turn = exchange(1000 * writer + number);
            match driver.append_if(&turn, Expect::Exactly(seen)).await {
                Ok(version) => {
                    ensure!(version.messages == seen.messages + 2, "{seen} led to {version}");
                    done.push((version, turn));
                }
                Err(HistoryError::Stale { expected, current }) => {
                    ensure!(expected == seen, "instead of {seen:?} {expected:?} was expected");
                    ensure!(current > seen, "{current:?} does not come after {seen:?}");
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok::<_, Stop>(done)
    });
    let mut told = Vec::new();
    for writer in join_all(writers).await {
        told.extend(writer?);
    }
    told.sort_by_key(|(version, _)| *version);
    let found = stored(&drivers).await?;
    ensure!(
        found.iter().eq(told.iter().map(|(_, turn)| turn)),
        "{} turns were acknowledged; found {}, or another order",
        told.len(),
        found.len()
    );
    Ok(())
}

async fn one_turn_of_all_handles_is_there_once<H: ChatHistory>(handles: &[H]) -> Checked {
    let drivers = drivers(handles, WRITERS)?;
    let turn = exchange(1);
    let versions = join_all(drivers.iter().map(|driver| driver.append(&turn))).await;
    for version in versions {
        let version = version?;
        ensure!(version.messages == 2, "the turn ended at {version}");
    }
    let found = stored(&drivers).await?;
    ensure!(found == [turn], "found {} turns of one", found.len());
    Ok(())
}

/// Returns the turns that the first handle finds.
async fn stored<H: ChatHistory>(drivers: &[SessionDriver<'_, H>]) -> Result<Vec<Turn>, Stop> {
    match drivers.first() {
        Some(driver) => {
            supported(driver.history.turns(&driver.session, Range::All).await, NO_TURNS)
        }
        None => Ok(Vec::new()),
    }
}

//! Leases, where the history has them.

use std::time::{Duration, Instant};

use conversant_core::{ChatHistory, HistoryError, Lease};

use super::session_driver::{SessionDriver, exchange};
use crate::suite::check::{Checked, Stop, ensure};

const LONG: Duration = Duration::from_secs(600);
const SHORT: Duration = Duration::from_millis(5);

/// The time for which a lease that should have expired is requested.
const PATIENCE: Duration = Duration::from_secs(1);

/// Begins a session and leases it, if the history has leases.
async fn leased<H: ChatHistory>(
    history: &H,
    time: Duration,
) -> Result<(SessionDriver<'_, H>, Lease), Stop> {
    let driver = SessionDriver::new(history)?;
    match history.lease(&driver.session, time).await? {
        Some(lease) => Ok((driver, lease)),
        None => Err(Stop::Skipped("no leases".to_owned())),
    }
}

async fn is_busy<H: ChatHistory>(driver: &SessionDriver<'_, H>) -> Checked {
    let taken = driver.history.lease(&driver.session, LONG).await;
    ensure!(matches!(taken, Err(HistoryError::Busy)), "a leased session was given: {taken:?}");
    Ok(())
}

/// Requests a lease until it is granted.
async fn lease_at_last<H: ChatHistory>(driver: &SessionDriver<'_, H>) -> Result<Lease, Stop> {
    let give_up = Instant::now() + PATIENCE;
    loop {
        // Read before the attempt: a thread that does not run for a second has another one.
        let is_last = Instant::now() >= give_up;
        match driver.history.lease(&driver.session, LONG).await {
            Ok(Some(lease)) => return Ok(lease),
            Err(HistoryError::Busy) if !is_last => {}
            other => {
                let seen = format!("a lease of {SHORT:?} did not end in {PATIENCE:?}: {other:?}");
                return Err(Stop::Failed(seen));
            }
        }
    }
}

pub(super) async fn a_session_is_leased_to_one(history: &impl ChatHistory) -> Checked {
    let (driver, _lease) = leased(history, LONG).await?;
    is_busy(&driver).await?;
    // Other sessions are free, and a lease does not prevent reads or writes.
    let (other, _) = leased(history, LONG).await?;
    for driver in [&driver, &other] {
        let turn = exchange(1);
        driver.append(&turn).await?;
        driver.holds(&[&turn]).await?;
    }
    Ok(())
}

pub(super) async fn a_released_session_can_be_leased(history: &impl ChatHistory) -> Checked {
    let (driver, lease) = leased(history, LONG).await?;
    history.release(&lease).await?;
    // Twice is once.
    history.release(&lease).await?;
    let again = history.lease(&driver.session, LONG).await?;
    ensure!(again.is_some(), "a released session was not given");
    ensure!(again.as_ref() != Some(&lease), "two holders had the same name");
    is_busy(&driver).await
}

pub(super) async fn a_lease_ends_with_its_time(history: &impl ChatHistory) -> Checked {
    let (driver, _lease) = leased(history, SHORT).await?;
    lease_at_last(&driver).await?;
    is_busy(&driver).await
}

pub(super) async fn an_old_lease_releases_nobody_else(history: &impl ChatHistory) -> Checked {
    let (driver, old) = leased(history, SHORT).await?;
    let new = lease_at_last(&driver).await?;
    history.release(&old).await?;
    is_busy(&driver).await?;
    history.release(&new).await?;
    let free = history.lease(&driver.session, LONG).await?;
    ensure!(free.is_some(), "a released session was not given");
    Ok(())
}

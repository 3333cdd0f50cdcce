//! Replacing and removing the last turn, where the history can.

use conversant_core::{ChatHistory, Expect, HistoryError, Range, Turn, TurnId, Version};

use super::session_driver::{SessionDriver, exchange, supported};
use crate::suite::check::{Checked, Stop, ensure};

const UNSUPPORTED: &str = "no replacing of the last turn";

async fn replaced<H: ChatHistory>(
    driver: &SessionDriver<'_, H>,
    last: TurnId,
    with: Option<&Turn>,
) -> Result<Version, Stop> {
    let replaced = driver.history.replace_last(&driver.session, last, with).await;
    supported(replaced, UNSUPPORTED)
}

pub(super) async fn the_last_turn_is_replaced(history: &impl ChatHistory) -> Checked {
    let driver = SessionDriver::new(history)?;
    let (first, old, new) = (exchange(1), exchange(2), exchange(3));
    driver.append(&first).await?;
    driver.append(&old).await?;
    let version = replaced(&driver, old.id(), Some(&new)).await?;
    driver.holds(&[&first, &new]).await?;
    let stored = driver.version().await?;
    ensure!(version == stored, "the version was {version:?}, and the session has {stored:?}");
    let again = replaced(&driver, old.id(), Some(&new)).await?;
    ensure!(again == version, "a repeated call returned {again:?} instead of {version:?}");
    let next = exchange(4);
    driver.append(&next).await?;
    driver.holds(&[&first, &new, &next]).await
}

pub(super) async fn the_last_turn_is_removed(history: &impl ChatHistory) -> Checked {
    let driver = SessionDriver::new(history)?;
    let (first, last) = (exchange(1), exchange(2));
    let before = driver.append(&first).await?;
    driver.append(&last).await?;
    let version = replaced(&driver, last.id(), None).await?;
    ensure!(version == before, "the version was {version:?}, and {before:?} before the turn");
    driver.holds(&[&first]).await?;
    driver.append(&last).await?;
    driver.holds(&[&first, &last]).await?;
    replaced(&driver, last.id(), None).await?;
    replaced(&driver, first.id(), None).await?;
    driver.holds(&[]).await
}

pub(super) async fn another_turn_than_the_last_stays(history: &impl ChatHistory) -> Checked {
    let driver = SessionDriver::new(history)?;
    let (first, last, new) = (exchange(1), exchange(2), exchange(3));
    for turns in [&[][..], &[&first, &last]] {
        for turn in turns {
            driver.append(turn).await?;
        }
        for id in [first.id(), TurnId::random()] {
            for with in [None, Some(&new)] {
                let refused = history.replace_last(&driver.session, id, with).await;
                let Err(HistoryError::Stale { .. }) = refused else {
                    supported(refused, UNSUPPORTED)?;
                    return Err(Stop::Failed("a turn that was not the last was replaced".into()));
                };
            }
        }
        driver.holds(turns).await?;
    }
    Ok(())
}

pub(super) async fn a_replaced_turn_is_noticed(history: &impl ChatHistory) -> Checked {
    let driver = SessionDriver::new(history)?;
    let before = driver.append(&exchange(1)).await?;
    let old = exchange(2);
    let seen = driver.append(&old).await?;
    replaced(&driver, old.id(), Some(&exchange(3))).await?;
    for (version, expected) in [(before, 2), (seen, 4)] {
        let count = driver.load(Range::After(version)).await?.messages.len();
        ensure!(count == expected, "after {version:?}: {count} messages, not {expected}");
    }
    let refused = driver.append_if(&exchange(4), Expect::SameEpoch(seen)).await;
    ensure!(matches!(refused, Err(HistoryError::Stale { .. })), "a late turn: {refused:?}");
    driver.append_if(&exchange(4), Expect::SameEpoch(before)).await?;
    Ok(())
}

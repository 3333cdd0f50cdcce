//! Checks of an append's expectations of the session.

use conversant_core::{ChatHistory, Expect, HistoryError, Version};

use super::session_driver::{SessionDriver, exchange};
use crate::suite::check::{Checked, ensure};

pub(super) async fn any_is_always_met(history: &impl ChatHistory) -> Checked {
    let driver = SessionDriver::new(history)?;
    driver.fill(2).await?;
    driver.clear().await?;
    let turn = exchange(3);
    driver.append_if(&turn, Expect::Any).await?;
    driver.holds(&[&turn]).await
}

pub(super) async fn the_same_epoch_allows_newer_turns(history: &impl ChatHistory) -> Checked {
    let driver = SessionDriver::new(history)?;
    let start = driver.version().await?;
    let turns = [exchange(1), exchange(2), exchange(3), exchange(4)];
    let [first, second, third, fourth] = &turns;
    let seen = driver.append(first).await?;
    driver.append(second).await?;
    driver.append_if(third, Expect::SameEpoch(seen)).await?;
    // Also from before the first turn of all.
    driver.append_if(fourth, Expect::SameEpoch(start)).await?;
    driver.holds(&turns.each_ref()).await
}

pub(super) async fn exactly_allows_nothing_newer(history: &impl ChatHistory) -> Checked {
    let driver = SessionDriver::new(history)?;
    let (first, second, third) = (exchange(1), exchange(2), exchange(3));
    let seen = driver.append(&first).await?;
    let newer = driver.append_if(&second, Expect::Exactly(seen)).await?;
    let refused = driver.append_if(&third, Expect::Exactly(seen)).await;
    let stale = matches!(
        refused,
        Err(HistoryError::Stale { expected, current }) if expected == seen && current == newer
    );
    ensure!(stale, "instead of stale from {seen:?} to {newer:?}: {refused:?}");
    driver.holds(&[&first, &second]).await
}

pub(super) async fn a_stale_append_stores_nothing(history: &impl ChatHistory) -> Checked {
    let driver = SessionDriver::new(history)?;
    let seen = driver.append(&exchange(1)).await?;
    driver.clear().await?;
    let current = driver.all().await?.version;
    let late = exchange(2);
    for expect in [Expect::SameEpoch(seen), Expect::Exactly(seen)] {
        let refused = driver.append_if(&late, expect).await;
        let stale = matches!(
            refused,
            Err(HistoryError::Stale { expected, current: found })
                if expected == seen && found == current
        );
        ensure!(stale, "{expect:?} in a cleared session: {refused:?}");
        driver.holds(&[]).await?;
    }
    // Refused is not appended: the id is still free.
    driver.append(&late).await?;
    driver.holds(&[&late]).await
}

pub(super) async fn a_new_session_can_be_expected(history: &impl ChatHistory) -> Checked {
    for expect in [Expect::SameEpoch, Expect::Exactly] {
        let driver = SessionDriver::new(history)?;
        let turn = exchange(1);
        driver.append_if(&turn, expect(driver.version().await?)).await?;
        driver.holds(&[&turn]).await?;
    }
    let driver = SessionDriver::new(history)?;
    let never = Version::new(driver.version().await?.epoch, 2);
    let refused = driver.append_if(&exchange(1), Expect::Exactly(never)).await;
    ensure!(
        matches!(refused, Err(HistoryError::Stale { .. })),
        "a version that never was, in a new session: {refused:?}"
    );
    driver.holds(&[]).await
}

/// A first call that runs while its session is cleared is not saved after it.
pub(super) async fn clearing_an_empty_session_starts_an_epoch(
    history: &impl ChatHistory,
) -> Checked {
    for clears in [0, 1] {
        for expect in [Expect::SameEpoch, Expect::Exactly] {
            let driver = SessionDriver::new(history)?;
            for _ in 0..clears {
                driver.clear().await?;
            }
            let seen = driver.version().await?;
            driver.clear().await?;
            let late = driver.append_if(&exchange(1), expect(seen)).await;
            let is_stale = matches!(late, Err(HistoryError::Stale { .. }));
            ensure!(is_stale, "in an empty session that was cleared since {seen:?}: {late:?}");
            driver.holds(&[]).await?;
        }
    }
    Ok(())
}

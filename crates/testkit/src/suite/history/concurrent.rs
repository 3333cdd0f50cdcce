//! Many concurrent callers. They run on one task; a store with its own threads uses them.

use std::collections::BTreeSet;

use conversant_core::{ChatHistory, Expect, HistoryError, Range, Turn, TurnId, Version};

use super::session_driver::{SessionDriver, exchange};
use crate::{
    join_all::join_all,
    suite::check::{Checked, Stop, ensure},
};

const CALLERS: usize = 16;

pub(super) async fn concurrent_appends_are_one_order(history: &impl ChatHistory) -> Checked {
    let driver = SessionDriver::new(history)?;
    let turns: Vec<Turn> = (0..CALLERS).map(exchange).collect();
    let versions = join_all(turns.iter().map(|turn| driver.append(turn))).await;
    let versions: Vec<Version> = versions.into_iter().collect::<Result<_, _>>()?;
    let found: BTreeSet<u64> = versions.iter().map(|version| version.messages).collect();
    let expected: BTreeSet<u64> = (1..=CALLERS as u64).map(|count| 2 * count).collect();
    ensure!(found == expected, "{CALLERS} exchanges led to the versions {found:?}");
    // Each turn is where its version says.
    let mut placed: Vec<(Version, &Turn)> = versions.into_iter().zip(&turns).collect();
    placed.sort_by_key(|(version, _)| *version);
    let in_order: Vec<&Turn> = placed.into_iter().map(|(_, turn)| turn).collect();
    driver.holds(&in_order).await
}

pub(super) async fn one_of_many_exact_appends_wins(history: &impl ChatHistory) -> Checked {
    let driver = SessionDriver::new(history)?;
    let turns: Vec<Turn> = (0..CALLERS).map(exchange).collect();
    let expect = Expect::Exactly(driver.version().await?);
    let outcomes = join_all(turns.iter().map(|turn| driver.append_if(turn, expect))).await;
    let mut won = Vec::new();
    for (turn, outcome) in turns.iter().zip(outcomes) {
        match outcome {
            Ok(_) => won.push(turn),
            Err(HistoryError::Stale { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    ensure!(won.len() == 1, "{} of {CALLERS} appends to the same version succeeded", won.len());
    driver.holds(&won).await
}

pub(super) async fn one_turn_appended_by_many_is_there_once(history: &impl ChatHistory) -> Checked {
    let driver = SessionDriver::new(history)?;
    let turn = exchange(1);
    let expected = Version::new(driver.version().await?.epoch, 2);
    for version in join_all((0..CALLERS).map(|_| driver.append(&turn))).await {
        let version = version?;
        ensure!(
            version.matches(expected),
            "one of them returned {version:?} instead of {expected:?}"
        );
    }
    driver.holds(&[&turn]).await
}

pub(super) async fn one_of_many_turns_with_an_id_is_acknowledged(
    history: &impl ChatHistory,
) -> Checked {
    let driver = SessionDriver::new(history)?;
    let id = TurnId::random();
    let turns: Vec<Turn> = (0..CALLERS).map(|number| exchange(number).with_id(id)).collect();
    let outcomes = join_all(turns.iter().map(|turn| driver.append(turn))).await;
    let mut acknowledged = Vec::new();
    for (turn, outcome) in turns.iter().zip(outcomes) {
        match outcome {
            Ok(_) => acknowledged.push(turn),
            Err(HistoryError::TurnIdInUse { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let count = acknowledged.len();
    ensure!(count == 1, "{count} of {CALLERS} turns with one id were acknowledged");
    driver.holds(&acknowledged).await
}

pub(super) async fn loads_see_whole_turns_only(history: &impl ChatHistory) -> Checked {
    enum Done {
        Appended,
        Loaded(usize),
    }
    let driver = SessionDriver::new(history)?;
    let calls = (0..CALLERS * 2).map(|number| {
        let driver = &driver;
        async move {
            if number % 2 == 0 {
                driver.append(&exchange(number)).await.map(|_| Done::Appended)
            } else {
                driver.load(Range::All).await.map(|slice| Done::Loaded(slice.messages.len()))
            }
        }
    });
    for done in join_all(calls).await {
        if let Done::Loaded(found) = done? {
            ensure!(found % 2 == 0, "a load saw {found} messages, half a turn");
        }
    }
    Ok(())
}

pub(super) async fn sessions_are_written_side_by_side(history: &impl ChatHistory) -> Checked {
    let talks: Vec<SessionDriver<'_, _>> =
        (0..CALLERS).map(|_| SessionDriver::new(history)).collect::<Result<_, Stop>>()?;
    let turns: Vec<[Turn; 2]> =
        (0..CALLERS).map(|number| [exchange(number), exchange(100 + number)]).collect();
    let calls = talks.iter().zip(&turns).map(|(driver, [first, second])| async move {
        driver.append(first).await?;
        driver.append(second).await
    });
    for outcome in join_all(calls).await {
        outcome?;
    }
    for (driver, turns) in talks.iter().zip(&turns) {
        driver.holds(&turns.each_ref()).await?;
    }
    Ok(())
}

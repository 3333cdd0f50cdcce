//! What an append may expect of the session.

use conversant_core::{ChatHistory, Expect, HistoryError, Version};

use super::talk::{Talk, exchange};
use crate::suite::check::{Checked, ensure};

pub(super) async fn any_is_always_met(history: &impl ChatHistory) -> Checked {
    let talk = Talk::new(history)?;
    talk.fill(2).await?;
    talk.clear().await?;
    let turn = exchange(3);
    talk.append_if(&turn, Expect::Any).await?;
    talk.holds(&[&turn]).await
}

pub(super) async fn the_same_epoch_allows_newer_turns(history: &impl ChatHistory) -> Checked {
    let talk = Talk::new(history)?;
    let start = talk.version().await?;
    let turns = [exchange(1), exchange(2), exchange(3), exchange(4)];
    let [first, second, third, fourth] = &turns;
    let seen = talk.append(first).await?;
    talk.append(second).await?;
    talk.append_if(third, Expect::SameEpoch(seen)).await?;
    // Also from before the first turn of all.
    talk.append_if(fourth, Expect::SameEpoch(start)).await?;
    talk.holds(&turns.each_ref()).await
}

pub(super) async fn exactly_allows_nothing_newer(history: &impl ChatHistory) -> Checked {
    let talk = Talk::new(history)?;
    let (first, second, third) = (exchange(1), exchange(2), exchange(3));
    let seen = talk.append(&first).await?;
    let newer = talk.append_if(&second, Expect::Exactly(seen)).await?;
    let refused = talk.append_if(&third, Expect::Exactly(seen)).await;
    let stale = matches!(
        refused,
        Err(HistoryError::Stale { expected, current }) if expected == seen && current == newer
    );
    ensure!(stale, "instead of stale from {seen:?} to {newer:?}: {refused:?}");
    talk.holds(&[&first, &second]).await
}

pub(super) async fn a_stale_append_stores_nothing(history: &impl ChatHistory) -> Checked {
    let talk = Talk::new(history)?;
    let seen = talk.append(&exchange(1)).await?;
    talk.clear().await?;
    let current = talk.all().await?.version;
    let late = exchange(2);
    for expect in [Expect::SameEpoch(seen), Expect::Exactly(seen)] {
        let refused = talk.append_if(&late, expect).await;
        let stale = matches!(
            refused,
            Err(HistoryError::Stale { expected, current: found })
                if expected == seen && found == current
        );
        ensure!(stale, "{expect:?} in a cleared session: {refused:?}");
        talk.holds(&[]).await?;
    }
    // Refused is not appended: the id is still free.
    talk.append(&late).await?;
    talk.holds(&[&late]).await
}

pub(super) async fn a_new_session_can_be_expected(history: &impl ChatHistory) -> Checked {
    for expect in [Expect::SameEpoch, Expect::Exactly] {
        let talk = Talk::new(history)?;
        let turn = exchange(1);
        talk.append_if(&turn, expect(talk.version().await?)).await?;
        talk.holds(&[&turn]).await?;
    }
    let talk = Talk::new(history)?;
    let never = Version::new(talk.version().await?.epoch, 2);
    let refused = talk.append_if(&exchange(1), Expect::Exactly(never)).await;
    ensure!(
        matches!(refused, Err(HistoryError::Stale { .. })),
        "a version that never was, in a new session: {refused:?}"
    );
    talk.holds(&[]).await
}

//! Versions that name their last turn, so that a store that was replaced is noticed.

use conversant_core::{ChatHistory, Expect, HistoryError, Note, Range, Version};

use super::session_driver::{SessionDriver, exchange, supported};
use crate::suite::check::{Checked, Stop, ensure};

/// Appends an exchange, and checks that the version after it has a tip.
async fn first<H: ChatHistory>(driver: &SessionDriver<'_, H>) -> Result<Version, Stop> {
    let version = driver.append(&exchange(1)).await?;
    ensure!(version.tip != 0, "the tip of {version:?} is not known");
    Ok(version)
}

/// Returns the version of another conversation of the same length.
const fn another(version: Version) -> Version {
    version.with_tip(version.tip ^ 0xf0f0)
}

pub(super) async fn a_version_names_its_last_turn(history: &impl ChatHistory) -> Checked {
    let driver = SessionDriver::new(history)?;
    first(&driver).await?;
    let turn = exchange(2);
    let version = driver.append(&turn).await?;
    let expected = turn.id().fingerprint();
    ensure!(version.tip == expected, "the tip was {:x}, not {expected:x}", version.tip);
    driver.append(&exchange(3)).await?;
    let again = driver.append(&turn).await?;
    ensure!(again == version, "a repeated append returned {again:?} instead of {version:?}");
    driver.clear().await?;
    let cleared = driver.version().await?;
    ensure!(cleared.tip == 0, "an empty session had the tip {:x}", cleared.tip);
    Ok(())
}

pub(super) async fn after_another_conversation_comes_all(history: &impl ChatHistory) -> Checked {
    let driver = SessionDriver::new(history)?;
    let seen = first(&driver).await?;
    let last = driver.append(&exchange(2)).await?;
    let longer = Version::new(last.epoch, last.messages + 2).with_tip(last.tip);
    for (version, expected) in
        [(seen, 2), (last, 0), (another(seen), 4), (another(last), 4), (longer, 4)]
    {
        let found = driver.load(Range::After(version)).await?;
        let count = found.messages.len();
        ensure!(count == expected, "after {version:?}: {count} messages, not {expected}");
        ensure!(found.version == last, "after {version:?}: {:?}, not {last:?}", found.version);
    }
    Ok(())
}

pub(super) async fn an_append_to_another_conversation_is_stale(
    history: &impl ChatHistory,
) -> Checked {
    let driver = SessionDriver::new(history)?;
    let seen = first(&driver).await?;
    let last = driver.append(&exchange(2)).await?;
    let longer = Version::new(last.epoch, last.messages + 2).with_tip(last.tip);
    let turn = exchange(3);
    for expect in [
        Expect::Exactly(another(last)),
        Expect::SameEpoch(another(last)),
        Expect::SameEpoch(another(seen)),
        Expect::SameEpoch(longer),
    ] {
        let refused = driver.append_if(&turn, expect).await;
        ensure!(matches!(refused, Err(HistoryError::Stale { .. })), "{expect:?}: {refused:?}");
    }
    driver.append_if(&turn, Expect::SameEpoch(seen)).await?;
    Ok(())
}

pub(super) async fn a_note_keeps_the_tip_that_it_covers(history: &impl ChatHistory) -> Checked {
    let driver = SessionDriver::new(history)?;
    let seen = first(&driver).await?;
    let note = Note::new("brief", seen);
    supported(history.put_note(&driver.session, "summary", &note).await, "it has no notes")?;
    let found = history.note(&driver.session, "summary").await?;
    ensure!(found.as_ref() == Some(&note), "instead of {note:?}: {found:?}");
    Ok(())
}

//! Parts of a session.

use conversant_core::{ChatHistory, Message, Range, Turn, Version};

use super::session_driver::{SessionDriver, exchange, joined};
use crate::suite::check::{Checked, Stop, ensure};

/// Returns a turn of four messages between two turns of two.
fn turns() -> [Turn; 3] {
    let middle = vec![
        Message::human("one"),
        Message::ai("two"),
        Message::ai("three, which is longer"),
        Message::ai("four"),
    ];
    [exchange(1), Turn::new(middle), exchange(3)]
}

/// Checks that a range is the last `count` messages of these turns, its start, and where its turns
/// begin.
async fn gives<H: ChatHistory>(
    driver: &SessionDriver<'_, H>,
    range: Range,
    turns: &[Turn],
    count: usize,
) -> Checked {
    let slice = driver.load(range).await?;
    let all = joined(&turns.iter().collect::<Vec<_>>());
    let expected = all.last_n(count);
    ensure!(
        slice.messages == expected,
        "{range:?} of {} messages gave {} instead of the last {count}",
        all.len(),
        slice.messages.len()
    );
    let start = (all.len() - expected.len()) as u64;
    ensure!(slice.start() == start, "{range:?} begins at {} instead of {start}", slice.start());
    if let Some(found) = &slice.turns {
        let begins = turns.iter().scan(0, |end, turn| {
            let begin = *end;
            *end += turn.messages().len();
            Some(begin)
        });
        let left_out = all.len() - expected.len();
        let begins: Vec<_> = begins.filter_map(|begin| begin.checked_sub(left_out)).collect();
        ensure!(*found == begins, "turns of {range:?} begin at {found:?} instead of {begins:?}");
    }
    Ok(())
}

pub(super) async fn last_turns_are_whole(history: &impl ChatHistory) -> Checked {
    let (driver, turns) = (SessionDriver::new(history)?, turns());
    for turn in &turns {
        driver.append(turn).await?;
    }
    for (range, count) in [(0, 0), (1, 2), (2, 6), (3, 8), (4, 8), (usize::MAX, 8)] {
        gives(&driver, Range::LastTurns(range), &turns, count).await?;
    }
    Ok(())
}

pub(super) async fn last_messages_are_as_many(history: &impl ChatHistory) -> Checked {
    let (driver, turns) = (SessionDriver::new(history)?, turns());
    for turn in &turns {
        driver.append(turn).await?;
    }
    for count in [0, 1, 2, 3, 7, 8, 9, usize::MAX] {
        gives(&driver, Range::LastMessages(count), &turns, count.min(8)).await?;
    }
    Ok(())
}

pub(super) async fn last_bytes_fit(history: &impl ChatHistory) -> Checked {
    let (driver, turns) = (SessionDriver::new(history)?, turns());
    for turn in &turns {
        driver.append(turn).await?;
    }
    let all = joined(&turns.each_ref());
    let mut size = 0;
    for count in 0..all.len() {
        gives(&driver, Range::LastBytes(size), &turns, count).await?;
        let next = all.last_n(count + 1);
        size += next.first().map_or(0, stored_bytes);
        gives(&driver, Range::LastBytes(size - 1), &turns, count).await?;
    }
    for bytes in [size, u64::MAX] {
        gives(&driver, Range::LastBytes(bytes), &turns, all.len()).await?;
    }
    Ok(())
}

fn stored_bytes(message: &Message) -> u64 {
    message.to_stored().to_string().len() as u64
}

pub(super) async fn after_a_version_comes_the_rest(history: &impl ChatHistory) -> Checked {
    let (driver, turns) = (SessionDriver::new(history)?, turns());
    let mut versions = vec![driver.version().await?];
    for turn in &turns {
        versions.push(driver.append(turn).await?);
    }
    for (version, count) in versions.into_iter().zip([8, 6, 2, 0]) {
        gives(&driver, Range::After(version), &turns, count).await?;
    }
    Ok(())
}

/// A version that names another last turn belongs to another conversation.
pub(super) async fn after_a_version_past_the_end_comes_nothing(
    history: &impl ChatHistory,
) -> Checked {
    let (driver, turns) = (SessionDriver::new(history)?, turns());
    let epoch = driver.version().await?.epoch;
    gives(&driver, Range::After(Version::new(epoch, 3)), &[], 0).await?;
    let mut end = Version::default();
    for turn in &turns {
        end = driver.append(turn).await?;
    }
    for past in [1, 2, 100, u64::MAX - end.messages] {
        let past = Version::new(end.epoch, end.messages + past);
        gives(&driver, Range::After(past), &turns, 0).await?;
        let other = past.with_tip(7);
        let count = if end.tip == 0 { 0 } else { 8 };
        gives(&driver, Range::After(other), &turns, count).await?;
    }
    Ok(())
}

pub(super) async fn after_another_epoch_comes_all(history: &impl ChatHistory) -> Checked {
    let driver = SessionDriver::new(history)?;
    let old = driver.append(&exchange(1)).await?;
    driver.clear().await?;
    let turns = [exchange(2), exchange(3)];
    for turn in &turns {
        driver.append(turn).await?;
    }
    gives(&driver, Range::After(old), &turns, 4).await
}

pub(super) async fn every_range_tells_the_version(history: &impl ChatHistory) -> Checked {
    let driver = SessionDriver::new(history)?;
    driver.fill(1).await?;
    driver.clear().await?;
    let versions = driver.fill(2).await?;
    let Some(version) = versions.last().copied() else { return Ok(()) };
    for range in [
        Range::All,
        Range::LastTurns(0),
        Range::LastMessages(1),
        Range::LastBytes(1),
        Range::After(version),
        Range::After(Version::default()),
    ] {
        let found = driver.load(range).await?.version;
        ensure!(found == version, "{range:?} is at {found:?} instead of {version:?}");
    }
    Ok(())
}

pub(super) async fn the_first_messages_are_those_it_begins_with(
    history: &impl ChatHistory,
) -> Checked {
    let (driver, turns) = (SessionDriver::new(history)?, turns());
    let all = joined(&turns.each_ref());
    for (state, length) in [("a new", 0), ("a written", 8), ("a cleared", 0)] {
        match state {
            "a written" => {
                for turn in &turns {
                    driver.append(turn).await?;
                }
            }
            "a cleared" => driver.clear().await?,
            _ => {}
        }
        for count in [0, 1, 2, 3, 7, 8, 9, usize::MAX] {
            let Some(first) = history.first(&driver.session, count).await? else {
                return Err(Stop::Skipped("no first messages".to_owned()));
            };
            ensure!(
                first == all.slice(..count.min(length)),
                "the first {count} messages of {state} session of {length} are {} others",
                first.len()
            );
        }
    }
    Ok(())
}

/// A page of a database, or a default limit of a query, is shorter.
pub(super) async fn a_long_session_is_loaded_whole(history: &impl ChatHistory) -> Checked {
    let driver = SessionDriver::new(history)?;
    let mut turns = Vec::new();
    for number in 0..24 {
        let messages = (0..64).map(|message| Message::human(format!("{number}: {message}")));
        turns.push(Turn::new(messages.collect::<Vec<_>>()));
    }
    let seen = driver.version().await?;
    for turn in &turns {
        driver.append(turn).await?;
    }
    let ranges = [
        Range::All,
        Range::After(seen),
        Range::LastTurns(24),
        Range::LastMessages(1536),
        Range::LastBytes(u64::MAX),
    ];
    for range in ranges {
        gives(&driver, range, &turns, 1536).await?;
    }
    Ok(())
}

/// Stores load in pages: no turn is left out, and no repetition of an old one is stored.
pub(super) async fn a_session_of_many_turns_is_loaded_whole(history: &impl ChatHistory) -> Checked {
    const COUNT: usize = 1_024;
    let driver = SessionDriver::new(history)?;
    let turns: Vec<Turn> =
        (0..COUNT).map(|number| Turn::new(Message::human(number.to_string()))).collect();
    for turn in &turns {
        driver.append(turn).await?;
    }
    for range in [Range::All, Range::LastTurns(COUNT)] {
        gives(&driver, range, &turns, COUNT).await?;
    }
    if let Some(found) = driver.turns().await? {
        let ids = found.iter().map(Turn::id);
        ensure!(ids.eq(turns.iter().map(Turn::id)), "{} turns of {COUNT} are there", found.len());
    }
    if let Some(first) = turns.first() {
        driver.append(first).await?;
    }
    let count = driver.version().await?.messages;
    ensure!(count == COUNT as u64, "a turn was repeated, and {count} messages are there");
    Ok(())
}

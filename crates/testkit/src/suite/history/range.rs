//! Parts of a session.

use conversant_core::{ChatHistory, Message, Messages, Range, Turn, Version};

use super::talk::{Talk, exchange, joined};
use crate::suite::check::{Checked, Stop, ensure};

/// A turn of four messages between two of two.
fn turns() -> [Turn; 3] {
    let middle = vec![
        Message::human("one"),
        Message::ai("two"),
        Message::ai("three, which is longer"),
        Message::ai("four"),
    ];
    [exchange(1), Turn::new(middle), exchange(3)]
}

/// Checks what a range gives: the last so many of these messages, and where they begin.
async fn gives<H: ChatHistory>(
    talk: &Talk<'_, H>,
    range: Range,
    all: &Messages,
    count: usize,
) -> Checked {
    let slice = talk.load(range).await?;
    let expected = all.last_n(count);
    ensure!(
        slice.messages == expected,
        "{range:?} of {} messages gave {} instead of the last {count}",
        all.len(),
        slice.messages.len()
    );
    let start = (all.len() - expected.len()) as u64;
    ensure!(slice.start() == start, "{range:?} begins at {} instead of {start}", slice.start());
    Ok(())
}

pub(super) async fn last_turns_are_whole(history: &impl ChatHistory) -> Checked {
    let (talk, turns) = (Talk::new(history)?, turns());
    for turn in &turns {
        talk.append(turn).await?;
    }
    let all = joined(&turns.each_ref());
    for (range, count) in [(0, 0), (1, 2), (2, 6), (3, 8), (4, 8), (usize::MAX, 8)] {
        gives(&talk, Range::LastTurns(range), &all, count).await?;
    }
    Ok(())
}

pub(super) async fn last_messages_are_as_many(history: &impl ChatHistory) -> Checked {
    let (talk, turns) = (Talk::new(history)?, turns());
    for turn in &turns {
        talk.append(turn).await?;
    }
    let all = joined(&turns.each_ref());
    for count in [0, 1, 2, 3, 7, 8, 9, usize::MAX] {
        gives(&talk, Range::LastMessages(count), &all, count.min(8)).await?;
    }
    Ok(())
}

pub(super) async fn last_bytes_fit(history: &impl ChatHistory) -> Checked {
    let (talk, turns) = (Talk::new(history)?, turns());
    for turn in &turns {
        talk.append(turn).await?;
    }
    let all = joined(&turns.each_ref());
    let mut size = 0;
    for count in 0..all.len() {
        gives(&talk, Range::LastBytes(size), &all, count).await?;
        let next = all.last_n(count + 1);
        size += next.first().map_or(0, stored_bytes);
        gives(&talk, Range::LastBytes(size - 1), &all, count).await?;
    }
    for bytes in [size, u64::MAX] {
        gives(&talk, Range::LastBytes(bytes), &all, all.len()).await?;
    }
    Ok(())
}

fn stored_bytes(message: &Message) -> u64 {
    message.to_stored().to_string().len() as u64
}

pub(super) async fn after_a_version_comes_the_rest(history: &impl ChatHistory) -> Checked {
    let (talk, turns) = (Talk::new(history)?, turns());
    let mut versions = vec![talk.version().await?];
    for turn in &turns {
        versions.push(talk.append(turn).await?);
    }
    let all = joined(&turns.each_ref());
    for (version, count) in versions.into_iter().zip([8, 6, 2, 0]) {
        gives(&talk, Range::After(version), &all, count).await?;
    }
    Ok(())
}

pub(super) async fn after_another_epoch_comes_all(history: &impl ChatHistory) -> Checked {
    let talk = Talk::new(history)?;
    let old = talk.append(&exchange(1)).await?;
    talk.clear().await?;
    let turns = [exchange(2), exchange(3)];
    for turn in &turns {
        talk.append(turn).await?;
    }
    gives(&talk, Range::After(old), &joined(&turns.each_ref()), 4).await
}

pub(super) async fn every_range_tells_the_version(history: &impl ChatHistory) -> Checked {
    let talk = Talk::new(history)?;
    talk.fill(1).await?;
    talk.clear().await?;
    let versions = talk.fill(2).await?;
    let Some(version) = versions.last().copied() else { return Ok(()) };
    for range in [
        Range::All,
        Range::LastTurns(0),
        Range::LastMessages(1),
        Range::LastBytes(1),
        Range::After(version),
        Range::After(Version::default()),
    ] {
        let found = talk.load(range).await?.version;
        ensure!(found == version, "{range:?} is at {found:?} instead of {version:?}");
    }
    Ok(())
}

pub(super) async fn the_first_messages_are_those_it_begins_with(
    history: &impl ChatHistory,
) -> Checked {
    let (talk, turns) = (Talk::new(history)?, turns());
    let all = joined(&turns.each_ref());
    for (state, length) in [("a new", 0), ("a written", 8), ("a cleared", 0)] {
        match state {
            "a written" => {
                for turn in &turns {
                    talk.append(turn).await?;
                }
            }
            "a cleared" => talk.clear().await?,
            _ => {}
        }
        for count in [0, 1, 2, 3, 7, 8, 9, usize::MAX] {
            let Some(first) = history.first(&talk.session, count).await? else {
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

//! Checks of every history: turns are kept, in order, once.

use conversant_core::{ChatHistory, Expect, Message, Range, ToolCall, Turn, TurnId, Version};
use serde_json::json;

use super::session_driver::{SessionDriver, exchange};
use crate::suite::check::{Checked, ensure};

pub(super) async fn a_new_session_is_empty(history: &impl ChatHistory) -> Checked {
    let driver = SessionDriver::new(history)?;
    let version = driver.version().await?;
    ensure!(version.messages == 0, "it is at {version:?}");
    for range in [Range::All, Range::LastTurns(3), Range::After(Version::default())] {
        let slice = driver.load(range).await?;
        ensure!(slice.messages.is_empty(), "{range:?} found {} messages", slice.messages.len());
        ensure!(slice.version == version, "{range:?} is at {:?}, not {version:?}", slice.version);
    }
    Ok(())
}

pub(super) async fn a_turn_is_loaded_as_it_was_appended(history: &impl ChatHistory) -> Checked {
    let driver = SessionDriver::new(history)?;
    let turn = Turn::exchange("Hi there my friend", " Hi there! How can I help you today?");
    let start = driver.version().await?;
    let version = driver.append(&turn).await?;
    let expected = Version::new(start.epoch, 2);
    ensure!(version.matches(expected), "the first exchange led from {start:?} to {version:?}");
    driver.holds(&[&turn]).await?;
    let loaded = driver.all().await?.version;
    ensure!(loaded == version, "append returned {version:?}, and load {loaded:?}");
    Ok(())
}

pub(super) async fn turns_stay_in_the_order_of_appending(history: &impl ChatHistory) -> Checked {
    let driver = SessionDriver::new(history)?;
    // Ids and texts that would sort the other way round.
    let turns: Vec<Turn> =
        (0..12).map(|number| exchange(99 - number).with_id(falling_id(number))).collect();
    for turn in &turns {
        driver.append(turn).await?;
    }
    driver.holds(&turns.iter().collect::<Vec<_>>()).await
}

/// Returns a new id that sorts before those of smaller numbers.
fn falling_id(number: usize) -> TurnId {
    let random = u128::from_be_bytes(*TurnId::random().as_bytes());
    TurnId::from_u128((u128::MAX - number as u128) << 64 | (random & u128::from(u64::MAX)))
}

pub(super) async fn the_version_counts_messages(history: &impl ChatHistory) -> Checked {
    let driver = SessionDriver::new(history)?;
    let versions = driver.fill(3).await?;
    let counts: Vec<u64> = versions.iter().map(|version| version.messages).collect();
    ensure!(counts == [2, 4, 6], "three exchanges led to {versions:?}");
    let epochs: Vec<u64> = versions.iter().map(|version| version.epoch).collect();
    ensure!(
        epochs.windows(2).all(|pair| pair.first() == pair.last()),
        "the epochs were {epochs:?}"
    );
    Ok(())
}

pub(super) async fn loading_changes_nothing(history: &impl ChatHistory) -> Checked {
    let driver = SessionDriver::new(history)?;
    driver.fill(2).await?;
    let first = driver.all().await?;
    for range in [Range::LastMessages(1), Range::LastTurns(0), Range::LastBytes(0)] {
        driver.load(range).await?;
    }
    ensure!(driver.all().await? == first, "loading twice gave two results");
    Ok(())
}

pub(super) async fn a_turn_is_appended_once(history: &impl ChatHistory) -> Checked {
    let driver = SessionDriver::new(history)?;
    let (first, second) = (exchange(1), exchange(2));
    let version = driver.append(&first).await?;
    let again = driver.append(&first).await?;
    ensure!(again == version, "the turn was at {version:?}, and its repetition at {again:?}");
    driver.append(&second).await?;
    let late = driver.append(&first).await?;
    ensure!(late == version, "the turn was at {version:?}, and its late repetition at {late:?}");
    driver.holds(&[&first, &second]).await?;
    // However many turns came in between.
    let later: Vec<Turn> = (0..40).map(exchange).collect();
    for turn in &later {
        driver.append(turn).await?;
    }
    let late = driver.append(&first).await?;
    ensure!(late == version, "40 turns later, its repetition was at {late:?}, not {version:?}");
    let all: Vec<&Turn> = [&first, &second].into_iter().chain(&later).collect();
    driver.holds(&all).await
}

/// A turn that is refused because its id is in use, and the one that is stored.
struct Refused {
    what: &'static str,
    stored: Turn,
    turn: Turn,
}

pub(super) async fn another_turn_of_an_id_is_refused(history: &impl ChatHistory) -> Checked {
    let turn = || Turn::exchange("Tell me a story.", "Once upon a time");
    let part = || Turn::exchange("Tell me a story.", "Once").with_incomplete(true);
    let refused = |what, stored, turn| Refused { what, stored, turn };
    for Refused { what, stored, turn } in [
        refused("another answer", turn(), Turn::exchange("Tell me a story.", "No.")),
        refused("another question", turn(), Turn::exchange("A story!", "Once upon a time")),
        refused("a whole answer, where a part is stored", part(), turn()),
        refused("the part's text as a whole answer", part(), part().with_incomplete(false)),
        refused("a part, where a whole answer is stored", turn(), part()),
        refused("fewer messages", turn(), Turn::new(vec![Message::human("Tell me a story.")])),
        refused("more messages", turn(), {
            let mut messages = turn().messages().clone();
            messages.push(Message::ai("The end."));
            Turn::new(messages)
        }),
    ] {
        let driver = SessionDriver::new(history)?;
        let (before, after) = (exchange(1), exchange(2));
        let seen = driver.append(&before).await?;
        driver.append_if(&stored, Expect::Exactly(seen)).await?;
        let turn = turn.with_id(stored.id());
        driver.refuses(what, &turn, Expect::Exactly(seen)).await?;
        driver.refuses(what, &turn, Expect::SameEpoch(seen)).await?;
        driver.append(&after).await?;
        driver.refuses(what, &turn, Expect::Any).await?;
        driver.holds(&[&before, &stored, &after]).await?;
    }
    Ok(())
}

pub(super) async fn the_same_turn_of_another_call_is_stored_once(
    history: &impl ChatHistory,
) -> Checked {
    let answer = |call: &str| {
        let metadata = json!({"request": call, "seconds": 1.5});
        let message = Message::ai("Hello!").with_id(call);
        vec![Message::human("Hi"), message.with_extra("response_metadata", metadata)]
    };
    let arguments = json!({"from": 1e16, "to": -0.5, "near": 100.0, "list": [1e2, 3, "é"]});
    let call = Message::ai("").with_tool_calls([ToolCall::new("look", arguments).with_id("1")]);
    let tools = vec![Message::human("Hi"), call, Message::tool("nothing", "1"), Message::ai("Hm.")];
    for (first, second) in
        [(answer("one"), answer("two")), (answer("one"), answer("one")), (tools.clone(), tools)]
    {
        let driver = SessionDriver::new(history)?;
        let seen = driver.version().await?;
        let (first, base) = (Turn::new(first), Version::new(seen.epoch, 0));
        let version = driver.append_if(&first, Expect::SameEpoch(seen)).await?;
        driver.append(&exchange(1)).await?;
        for turn in [Turn::new(second), first.clone().with_incomplete(true)] {
            let turn = turn.with_id(first.id()).with_base(base);
            let again = driver.append_if(&turn, Expect::Exactly(seen)).await?;
            ensure!(again == version, "the turn was at {version:?}, and its twin at {again:?}");
        }
        let found = driver.all().await?.messages.len();
        ensure!(found == first.messages().len() + 2, "there were {found} messages");
    }
    Ok(())
}

pub(super) async fn a_repeated_append_succeeds_whatever_it_expects(
    history: &impl ChatHistory,
) -> Checked {
    let driver = SessionDriver::new(history)?;
    let turn = exchange(1);
    let expect = Expect::Exactly(driver.version().await?);
    let version = driver.append_if(&turn, expect).await?;
    // As a caller that lost the reply does: the turn itself has moved the version.
    let again = driver.append_if(&turn, expect).await?;
    ensure!(again == version, "the turn was at {version:?}, and its repetition at {again:?}");
    driver.holds(&[&turn]).await
}

pub(super) async fn clearing_empties_and_starts_an_epoch(history: &impl ChatHistory) -> Checked {
    let driver = SessionDriver::new(history)?;
    driver.fill(2).await?;
    let mut epochs = vec![driver.version().await?.epoch];
    for number in 3..5 {
        driver.clear().await?;
        let cleared = driver.all().await?;
        ensure!(cleared.messages.is_empty(), "{} messages were left", cleared.messages.len());
        let epoch = cleared.version.epoch;
        ensure!(!epochs.contains(&epoch), "after the epochs {epochs:?} came {epoch}");
        ensure!(cleared.version.messages == 0, "the version was {:?}", cleared.version);
        let turn = exchange(number);
        let version = driver.append(&turn).await?;
        ensure!(version.matches(Version::new(epoch, 2)), "the next turn led to {version:?}");
        driver.holds(&[&turn]).await?;
        epochs.push(epoch);
    }
    // An empty session, and one that was never written, can be cleared too.
    driver.clear().await?;
    driver.clear().await?;
    driver.holds(&[]).await?;
    let new = SessionDriver::new(history)?;
    new.clear().await?;
    new.holds(&[]).await
}

pub(super) async fn a_cleared_turn_can_be_appended_again(history: &impl ChatHistory) -> Checked {
    let driver = SessionDriver::new(history)?;
    let turn = exchange(1);
    driver.append(&turn).await?;
    driver.clear().await?;
    driver.append(&turn).await?;
    driver.holds(&[&turn]).await
}

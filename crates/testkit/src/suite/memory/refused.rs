//! Turns that a memory refuses, and what its errors say.

use std::error::Error;

use conversant_core::{LoadContext, Memory, MemoryError, Message, Turn, Value, Variables};

use super::steps::{converse, load, same, turn, view};
use crate::suite::check::{CANARY, Checked, ODD_TEXTS, Stop, ensure, withholds};

pub(super) async fn another_turn_of_an_id_is_refused<M: Memory>(make: &impl Fn() -> M) -> Checked {
    let memory = make();
    if memory.stored_in().is_none() {
        return Err(Stop::Skipped("it does not say where its turns are".to_owned()));
    }
    let first = turn(1);
    converse(&memory, std::slice::from_ref(&first)).await?;
    let loaded = load(&memory).await?;
    // A history that redacts numbers can tell the two apart too.
    let other = Turn::exchange("Is it late?", "It is early.").with_id(first.id());
    let refused = memory.save(&other, loaded.ticket).await;
    ensure!(refused.is_err(), "another turn is saved under the id of a stored one, and is lost");
    same("after it was refused", &view(&memory).await?, &loaded.variables)
}

pub(super) async fn what_is_checked_can_be_saved<M: Memory>(make: &impl Fn() -> M) -> Checked {
    for kilobytes in [1, 200, 3_000] {
        let memory = make();
        let large = Turn::exchange("0123456789abcdef".repeat(64 * kilobytes), "That is long.");
        let ticket = load(&memory).await?.ticket;
        // A chain asks before it pays for an answer.
        let checked = memory.check(large.messages());
        let saved = memory.save(&large, ticket).await;
        match (checked, saved) {
            (Ok(()), Ok(_)) | (Err(_), Err(_)) => {}
            (Ok(()), Err(error)) => {
                ensure!(false, "{kilobytes} KB were checked, and cannot be saved: {error}");
            }
            (Err(error), Ok(_)) => {
                ensure!(false, "{kilobytes} KB can be saved, and were refused before: {error}");
            }
        }
    }
    Ok(())
}

pub(super) async fn errors_withhold_what_was_said<M: Memory>(make: &impl Fn() -> M) -> Checked {
    let memory = make();
    let said = |text: &str| Turn::exchange(format!("{CANARY} {text}"), format!("{text} {CANARY}"));
    for text in ODD_TEXTS.iter().copied().chain(["Who am I?"]) {
        let ticket = load(&memory).await?.ticket;
        is_withheld(memory.check(said(text).messages()))?;
        is_withheld(memory.save(&said(text), ticket).await)?;
    }
    is_withheld(memory.maintain().await)?;
    let (text, inputs) = (format!("{CANARY}?"), Variables::from([("input", Value::from(CANARY))]));
    match memory.load(LoadContext::new(&inputs).with_input(&text)).await {
        Ok(loaded) => memory.abandon(loaded.ticket).await,
        failed => is_withheld(failed)?,
    }
    // Turns that are refused: one under the id of another, and one of a cleared conversation.
    let (first, ticket) = (said("first"), load(&memory).await?.ticket);
    memory.save(&first, ticket.clone()).await?;
    is_withheld(memory.save(&said("second").with_id(first.id()), ticket.clone()).await)?;
    memory.clear().await?;
    is_withheld(memory.save(&said("third"), ticket).await)?;
    let large = Message::human(CANARY.repeat(300_000));
    is_withheld(
        memory
            .save(&Turn::new(vec![large, Message::ai("Long.")]), load(&memory).await?.ticket)
            .await,
    )
}

fn is_withheld<T>(outcome: Result<T, MemoryError>) -> Checked {
    outcome.map_or_else(|error| withholds(&error as &dyn Error), |_| Ok(()))
}

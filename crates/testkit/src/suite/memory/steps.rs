//! The steps of the checks of memories: load, save, compare.

use std::{
    future::{Future, poll_fn},
    task::Poll,
};

use conversant_core::{
    LoadContext, Loaded, Memory, MemoryError, SlotKind, Turn, Value, ValueKind, Variables,
};

use crate::{
    poll_then_drop,
    suite::check::{Checked, MAX_POLLS, ensure},
};

pub(super) fn turn(number: usize) -> Turn {
    Turn::exchange(format!("question {number}"), format!("answer {number}"))
}

pub(super) async fn load(memory: &impl Memory) -> Result<Loaded, MemoryError> {
    let inputs = Variables::from([("human_input", Value::from("Who am I?"))]);
    memory.load(LoadContext::new(&inputs).with_input("Who am I?")).await
}

/// Returns the view that a prompt would get now, in a call that then fails.
pub(super) async fn view(memory: &impl Memory) -> Result<Variables, MemoryError> {
    let loaded = load(memory).await?;
    memory.abandon(loaded.ticket).await;
    Ok(loaded.variables)
}

/// Saves turns as a chain does: each after a load.
pub(super) async fn converse(memory: &impl Memory, turns: &[Turn]) -> Result<(), MemoryError> {
    for turn in turns {
        let ticket = load(memory).await?.ticket;
        memory.save(turn, ticket).await?;
    }
    Ok(())
}

/// Checks that two views are the same.
pub(super) fn same(what: &str, found: &Variables, expected: &Variables) -> Checked {
    for (name, value) in expected.iter() {
        let other = found.get(name);
        ensure!(other == Some(value), "{what}, `{name}` is {other:?} instead of {value:?}");
    }
    ensure!(found.len() == expected.len(), "{what}, there are other variables");
    Ok(())
}

/// Checks that a load provides the declared variables, with their kinds.
pub(super) async fn declared(memory: &impl Memory) -> Checked {
    let view = view(memory).await?;
    let slots = memory.variables();
    for slot in slots {
        let name = slot.name();
        let fits = match (view.get(name), slot.kind()) {
            (None, _) => !slot.is_required(),
            (Some(Value::Messages(_)), kind) => kind == SlotKind::Messages,
            (Some(_), kind) => kind != SlotKind::Messages,
        };
        let (found, kind) = (view.get(name).map(Value::kind), slot.kind());
        ensure!(fits, "`{name}` is declared as {kind}, and a load gave {found:?}");
        let is_text = found.is_none_or(|found| found == ValueKind::Text);
        let is_promised = slot.kind() == SlotKind::Text && memory.gives_text(name);
        ensure!(is_text || !is_promised, "`{name}` is said to be a text, and is {found:?}");
    }
    for name in view.names() {
        let known = slots.iter().any(|slot| slot.name() == name);
        ensure!(known, "a load gave `{name}`, which is not declared");
    }
    Ok(())
}

/// The results of two futures that ran at the same time.
pub(super) struct Overlap<A, B> {
    pub(super) first: A,
    pub(super) second: B,
    /// Whether the first one had ended before the second one began.
    pub(super) is_serial: bool,
}

/// Polls the first future some times, and runs the second one in between: to its end, unless it
/// waits for the first one. Then the first one goes on.
pub(super) async fn overlap<A: Future, B: Future>(
    first: A,
    polls: usize,
    second: B,
) -> Overlap<A::Output, B::Output> {
    let (mut first, mut second) = (Box::pin(first), Box::pin(second));
    let mut one = poll_then_drop(first.as_mut(), polls).await;
    let is_serial = one.is_some();
    let (mut other, mut alone) = (None, MAX_POLLS);
    poll_fn(|context| {
        if other.is_none()
            && let Poll::Ready(output) = second.as_mut().poll(context)
        {
            other = Some(output);
        }
        if other.is_none() && alone > 0 {
            alone -= 1;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        if one.is_none()
            && let Poll::Ready(output) = first.as_mut().poll(context)
        {
            one = Some(output);
        }
        match (one.take(), other.take()) {
            (Some(first), Some(second)) => Poll::Ready(Overlap { first, second, is_serial }),
            outputs => {
                (one, other) = outputs;
                Poll::Pending
            }
        }
    })
    .await
}

//! Maintenance within a call, as chains do it, and deadlines.

use std::time::{Duration, Instant};

use conversant_core::{
    LoadContext, MaintainContext, Memory, MemoryError, Saved, Ticket, Turn, Value, Variables,
};

use super::steps::{converse, declared, same, turn, view};
use crate::suite::check::{Checked, Stop, ensure};

/// Chains call `maintain_with` alone.
pub(super) async fn maintenance_is_the_same_within_a_call<M: Memory>(
    make: &impl Fn() -> M,
) -> Checked {
    let turns: Vec<Turn> = (0..6).map(turn).collect();
    let (alone, within) = (make(), make());
    for memory in [&alone, &within] {
        converse(memory, &turns).await?;
    }
    let is_needed = within.needs_maintenance();
    alone.maintain().await?;
    let (before, tidied) = (view(&within).await?, view(&alone).await?);
    within.maintain_with(MaintainContext::new()).await?;
    same("tidied within a call", &view(&within).await?, &tidied)?;
    ensure!(is_needed || before == tidied, "it says that there is nothing to do, and there was");
    Ok(())
}

pub(super) async fn a_deadline_that_is_over_loses_nothing<M: Memory>(
    make: &impl Fn() -> M,
) -> Checked {
    let turns: Vec<Turn> = (0..6).map(turn).collect();
    let (tidied, memory) = (make(), make());
    converse(&tidied, &turns).await?;
    tidied.maintain().await?;
    converse(&memory, &turns).await?;
    let before = view(&memory).await?;
    loads_too_late(&memory).await?;
    same("after a load whose deadline was over", &view(&memory).await?, &before)?;
    maintains_too_late(memory.maintain_with(MaintainContext::new().with_deadline(over())).await)?;
    declared(&memory).await?;
    memory.maintain().await?;
    let what = "tidied after a deadline that was over";
    same(what, &view(&memory).await?, &view(&tidied).await?)
}

pub(super) fn over() -> Instant {
    let now = Instant::now();
    now.checked_sub(Duration::from_secs(1)).unwrap_or(now)
}

/// Loads for a call whose deadline is over, which may do without what takes time.
pub(super) async fn loads_too_late(memory: &impl Memory) -> Checked {
    let inputs = Variables::from([("human_input", Value::from("Who am I?"))]);
    let context = LoadContext::new(&inputs).with_input("Who am I?").with_deadline(over());
    match memory.load(context).await {
        Ok(loaded) => memory.abandon(loaded.ticket).await,
        Err(MemoryError::Interrupted { .. } | MemoryError::Model(_)) => {
            memory.abandon(Ticket::default()).await;
        }
        Err(error) => return Err(Stop::Failed(format!("a load whose deadline is over: {error}"))),
    }
    Ok(())
}

/// Checks how maintenance ended whose deadline is over: work that was left is a warning.
pub(super) fn maintains_too_late(outcome: Result<Saved, MemoryError>) -> Checked {
    match outcome {
        Ok(_) | Err(MemoryError::Interrupted { .. }) => Ok(()),
        Err(error) => {
            Err(Stop::Failed(format!("maintenance whose deadline is over is an error: {error}")))
        }
    }
}

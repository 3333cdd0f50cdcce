//! The suite of memories.

mod deadlines;
mod overlapping;
mod refused;
mod steps;
mod with_model;

use conversant_core::{
    HistoryError, Memory, MemoryError, Message, Point, Range, Role, Ticket, ToolCall, Turn, Version,
};
use serde_json::json;

use self::steps::{converse, declared, load, same, turn, view};
pub use self::with_model::memory_with_model;
use super::{
    check::{Checked, MAX_POLLS, ODD_TEXTS, Stop, ensure, run},
    report::{Running, SuiteError, SuiteReport},
};
use crate::poll_then_drop;

/// Checks that a memory fulfils the contract of [`Memory`].
///
/// `make` is called once or more for each check. It must return a memory of a new conversation,
/// with the same settings each time, since the suite compares the views of two memories of the same
/// turns. A memory that calls a model needs one that answers any request, such as
/// [`Scripted::with_handler`](crate::Scripted::with_handler); run [`memory_with_model`] too.
///
/// # Errors
///
/// [`SuiteError`] with all checks that failed.
///
/// # Examples
///
/// ```
/// use std::sync::Mutex;
/// use conversant_core::{
///     LoadContext, Loaded, Memory, MemoryError, Saved, Slot, Ticket, Turn, TurnId, async_trait, vars,
/// };
/// use conversant_testkit::{block_on, suite};
///
/// /// Tells the prompt how many turns there were.
/// struct Counter { slots: [Slot; 1], turns: Mutex<Vec<TurnId>> }
///
/// #[async_trait]
/// impl Memory for Counter {
///     fn variables(&self) -> &[Slot] {
///         &self.slots
///     }
///     async fn load(&self, _: LoadContext<'_>) -> Result<Loaded, MemoryError> {
///         Ok(Loaded::new(vars! { "turns" => self.turns.lock().unwrap().len() }))
///     }
///     async fn save(&self, turn: &Turn, _: Ticket) -> Result<Saved, MemoryError> {
///         let mut turns = self.turns.lock().unwrap();
///         if !turns.contains(&turn.id()) {
///             turns.push(turn.id());
///         }
///         Ok(Saved::default())
///     }
///     async fn clear(&self) -> Result<(), MemoryError> {
///         self.turns.lock().unwrap().clear();
///         Ok(())
///     }
/// }
///
/// let make = || Counter { slots: [Slot::text("turns")], turns: Mutex::default() };
/// let report = block_on(suite::memory(make))?;
/// assert!(report.passed().any(|check| check == "a_turn_is_saved_once"));
/// # Ok::<(), suite::SuiteError>(())
/// ```
pub async fn memory<M: Memory>(make: impl Fn() -> M) -> Result<SuiteReport, SuiteError> {
    let mut running = Running::new("memory");
    run!(running, &make =>
        a_load_gives_what_is_declared,
        what_is_declared_stays_the_same,
        loading_changes_nothing,
        a_turn_is_saved_once,
        a_turn_can_be_saved_without_a_load,
        a_turn_of_many_messages_can_be_saved,
        odd_texts_can_be_saved,
        turns_are_stored_where_it_says,
        a_memory_that_saves_says_so,
        a_conversation_goes_on_from_a_point,
        clearing_forgets,
        a_turn_of_a_cleared_conversation_is_not_saved,
        refused::another_turn_of_an_id_is_refused,
        refused::what_is_checked_can_be_saved,
        refused::errors_withhold_what_was_said,
        maintenance_can_be_repeated,
        maintenance_is_asked_for,
        deadlines::maintenance_is_the_same_within_a_call,
        deadlines::a_deadline_that_is_over_loses_nothing,
        overlapping::turns_that_are_saved_at_once_are_both_there,
        overlapping::a_turn_that_is_saved_during_maintenance_is_there,
        overlapping::maintenance_during_a_clear_leaves_nothing,
        a_dropped_load_leaves_no_trace,
        a_dropped_save_is_whole_or_not_there,
        a_dropped_save_can_be_repeated,
        dropped_maintenance_costs_nothing,
        a_dropped_clear_can_be_repeated,
    );
    running.finish()
}

async fn a_load_gives_what_is_declared<M: Memory>(make: &impl Fn() -> M) -> Checked {
    let memory = make();
    for turns in [vec![], vec![turn(1), turn(2)]] {
        converse(&memory, &turns).await?;
        declared(&memory).await?;
    }
    Ok(())
}

async fn what_is_declared_stays_the_same<M: Memory>(make: &impl Fn() -> M) -> Checked {
    let memory = make();
    let before = memory.variables().to_vec();
    converse(&memory, &[turn(1)]).await?;
    memory.maintain().await?;
    ensure!(memory.variables() == before, "a turn changed what is declared");
    memory.clear().await?;
    ensure!(memory.variables() == before, "clearing changed what is declared");
    Ok(())
}

async fn loading_changes_nothing<M: Memory>(make: &impl Fn() -> M) -> Checked {
    let memory = make();
    let first = view(&memory).await?;
    same("after a load", &view(&memory).await?, &first)?;
    converse(&memory, &[turn(1)]).await?;
    let later = view(&memory).await?;
    // Loads without a save are calls that failed.
    for _ in 0..3 {
        view(&memory).await?;
    }
    same("after four loads", &view(&memory).await?, &later)
}

async fn a_turn_is_saved_once<M: Memory>(make: &impl Fn() -> M) -> Checked {
    let (once, often) = (make(), make());
    let turns = [turn(1), turn(2)];
    converse(&once, &turns).await?;
    let [first, second] = &turns;
    let ticket = load(&often).await?.ticket;
    often.save(first, ticket.clone()).await?;
    often.save(first, ticket).await?;
    converse(&often, std::slice::from_ref(second)).await?;
    often.save(second, Ticket::default()).await?;
    same("after repeated saves", &view(&often).await?, &view(&once).await?)
}

async fn a_turn_can_be_saved_without_a_load<M: Memory>(make: &impl Fn() -> M) -> Checked {
    let (with, without) = (make(), make());
    let turn = turn(1);
    converse(&with, std::slice::from_ref(&turn)).await?;
    without.save(&turn, Ticket::default()).await?;
    same("saved without a load", &view(&without).await?, &view(&with).await?)
}

async fn a_turn_of_many_messages_can_be_saved<M: Memory>(make: &impl Fn() -> M) -> Checked {
    let memory = make();
    let call = ToolCall::new("weather", json!({"city": "Paris"})).with_id("call_1");
    let messages = vec![
        Message::human("Will it rain?"),
        Message::ai("").with_tool_calls([call]),
        Message::tool("rain", "call_1"),
        Message::ai("It will."),
    ];
    converse(&memory, &[turn(1), Turn::new(messages), turn(2)]).await?;
    memory.maintain().await?;
    declared(&memory).await
}

async fn turns_are_stored_where_it_says<M: Memory>(make: &impl Fn() -> M) -> Checked {
    let memory = make();
    let Some((history, session)) = memory.stored_in() else {
        return Err(Stop::Skipped("it does not say where its turns are".to_owned()));
    };
    let call = ToolCall::new("weather", json!({"city": "Paris"})).with_id("call_1");
    let calling = Turn::new(vec![
        Message::human("Will it rain?"),
        Message::ai("").with_tool_calls([call]),
        Message::tool("rain", "call_1"),
        Message::ai("It will."),
    ]);
    let ticket = load(&memory).await?.ticket;
    let base = ticket.version().unwrap_or(Version::new(0, 0));
    memory.abandon(ticket).await;
    let turns = [turn(1), calling.with_base(base), turn(2).with_incomplete(true).with_base(base)];
    converse(&memory, &turns).await?;
    let found = match history.turns(session, Range::All).await {
        Err(HistoryError::Unsupported { .. }) => {
            return Err(Stop::Skipped("its history has no turns".to_owned()));
        }
        found => found?,
    };
    let ids = |turns: &[Turn]| turns.iter().map(Turn::id).collect::<Vec<_>>();
    ensure!(ids(&found) == ids(&turns), "{} turns of 3 are stored", found.len());
    for (found, saved) in found.iter().zip(&turns) {
        let is_same = match history.is_verbatim() {
            true => found.messages() == saved.messages(),
            // Such as a history that redacts what was said.
            false => found.messages().iter().map(kind).eq(saved.messages().iter().map(kind)),
        };
        ensure!(is_same, "a turn is stored with other messages");
        if let Some(base) = saved.base() {
            let has_base = found.base().is_some_and(|found| found.matches(base));
            ensure!(has_base, "a turn with the base {base:?} is stored with {:?}", found.base());
        }
        let (is, was) = (found.is_incomplete(), saved.is_incomplete());
        ensure!(is == was, "a turn that is incomplete: {was}, is stored as incomplete: {is}");
    }
    Ok(())
}

/// Returns the part of a message that a history keeps, also if it changes the text.
fn kind(message: &Message) -> (&Role, Option<&str>, usize) {
    (message.role(), message.tool_call_id(), message.tool_calls().len())
}

async fn a_memory_that_saves_says_so<M: Memory>(make: &impl Fn() -> M) -> Checked {
    let memory = make();
    let before = view(&memory).await?;
    converse(&memory, &[turn(1)]).await?;
    let is_shown = view(&memory).await? != before;
    let says = memory.saves_turns();
    ensure!(says || !is_shown, "it shows a turn, and says that it saves none");
    ensure!(says || memory.stored_in().is_none(), "it says where its turns are, and saves none");
    Ok(())
}

async fn a_conversation_goes_on_from_a_point<M: Memory>(make: &impl Fn() -> M) -> Checked {
    let turns = [turn(1), turn(2), turn(3)];
    for count in 0..turns.len() {
        let (fresh, memory) = (make(), make());
        converse(&memory, &turns).await?;
        let (kept, _) = turns.split_at(count);
        converse(&fresh, kept).await?;
        let point = kept.last().map_or(Point::Start, |turn| Point::After(turn.id()));
        let Some(earlier) = memory.at(point) else {
            return Err(Stop::Skipped("no points".to_owned()));
        };
        let what = format!("after {count} of 3 turns");
        same(&what, &view(&earlier).await?, &view(&fresh).await?)?;
        let other = turn(4);
        converse(&earlier, std::slice::from_ref(&other)).await?;
        converse(&fresh, std::slice::from_ref(&other)).await?;
        let expected = view(&fresh).await?;
        same(&format!("{what}, and another"), &view(&earlier).await?, &expected)?;
    }
    Ok(())
}

async fn odd_texts_can_be_saved<M: Memory>(make: &impl Fn() -> M) -> Checked {
    let memory = make();
    for text in ODD_TEXTS {
        converse(&memory, &[Turn::exchange(*text, *text)]).await?;
        memory.maintain().await?;
    }
    declared(&memory).await
}

async fn clearing_forgets<M: Memory>(make: &impl Fn() -> M) -> Checked {
    let (fresh, memory) = (make(), make());
    converse(&memory, &[turn(1), turn(2)]).await?;
    memory.maintain().await?;
    memory.clear().await?;
    same("once cleared", &view(&memory).await?, &view(&fresh).await?)?;
    let turn = turn(3);
    converse(&memory, std::slice::from_ref(&turn)).await?;
    converse(&fresh, std::slice::from_ref(&turn)).await?;
    same("a turn after clearing", &view(&memory).await?, &view(&fresh).await?)
}

async fn a_turn_of_a_cleared_conversation_is_not_saved<M: Memory>(
    make: &impl Fn() -> M,
) -> Checked {
    let (fresh, memory) = (make(), make());
    converse(&memory, &[turn(1)]).await?;
    let ticket = load(&memory).await?.ticket;
    if ticket.version().is_none() {
        return Err(Stop::Skipped("its tickets have no version".to_owned()));
    }
    memory.clear().await?;
    // A chain says that the turn is saved, unless the save fails.
    let late = memory.save(&turn(2), ticket).await;
    let is_stale = matches!(late, Err(MemoryError::History(HistoryError::Stale { .. })));
    ensure!(is_stale, "a turn from before it was cleared: {late:?}");
    same("a turn from before it was cleared", &view(&memory).await?, &view(&fresh).await?)
}

async fn maintenance_can_be_repeated<M: Memory>(make: &impl Fn() -> M) -> Checked {
    let memory = make();
    memory.maintain().await?;
    converse(&memory, &(0..6).map(turn).collect::<Vec<_>>()).await?;
    memory.maintain().await?;
    let tidied = view(&memory).await?;
    memory.maintain().await?;
    same("tidied twice", &view(&memory).await?, &tidied)?;
    declared(&memory).await
}

async fn maintenance_is_asked_for<M: Memory>(make: &impl Fn() -> M) -> Checked {
    let memory = make();
    converse(&memory, &(0..6).map(turn).collect::<Vec<_>>()).await?;
    let (before, is_needed) = (view(&memory).await?, memory.needs_maintenance());
    memory.maintain().await?;
    let is_changed = view(&memory).await? != before;
    ensure!(is_needed || !is_changed, "it says that there is nothing to do, and there was");
    Ok(())
}

async fn a_dropped_load_leaves_no_trace<M: Memory>(make: &impl Fn() -> M) -> Checked {
    let memory = make();
    converse(&memory, &[turn(1)]).await?;
    let before = view(&memory).await?;
    for polls in 0..MAX_POLLS {
        let finished = poll_then_drop(load(&memory), polls).await.transpose()?;
        let is_finished = finished.is_some();
        if let Some(loaded) = finished {
            memory.abandon(loaded.ticket).await;
        }
        same("after a dropped load", &view(&memory).await?, &before)?;
        if is_finished {
            break;
        }
    }
    Ok(())
}

async fn a_dropped_save_is_whole_or_not_there<M: Memory>(make: &impl Fn() -> M) -> Checked {
    let turns = [turn(1), turn(2)];
    let [first, second] = &turns;
    let (without, with) = (make(), make());
    converse(&without, std::slice::from_ref(first)).await?;
    converse(&with, &turns).await?;
    let (without, with) = (view(&without).await?, view(&with).await?);
    for polls in 0..MAX_POLLS {
        let memory = make();
        converse(&memory, std::slice::from_ref(first)).await?;
        let ticket = load(&memory).await?.ticket;
        let finished = poll_then_drop(memory.save(second, ticket), polls).await.transpose()?;
        let found = view(&memory).await?;
        ensure!(
            found == with || found == without,
            "dropped after {polls} polls, a save left neither the turn nor none"
        );
        if finished.is_some() {
            ensure!(found == with, "a turn was saved, and is not there");
            break;
        }
    }
    Ok(())
}

async fn a_dropped_save_can_be_repeated<M: Memory>(make: &impl Fn() -> M) -> Checked {
    let once = make();
    let turn = turn(1);
    converse(&once, std::slice::from_ref(&turn)).await?;
    let once = view(&once).await?;
    for polls in 0..MAX_POLLS {
        let memory = make();
        let ticket = load(&memory).await?.ticket;
        let save = memory.save(&turn, ticket.clone());
        let finished = poll_then_drop(save, polls).await.transpose()?;
        memory.save(&turn, ticket).await?;
        same("saved again", &view(&memory).await?, &once)?;
        if finished.is_some() {
            break;
        }
    }
    Ok(())
}

async fn dropped_maintenance_costs_nothing<M: Memory>(make: &impl Fn() -> M) -> Checked {
    let turns: Vec<Turn> = (0..6).map(turn).collect();
    let tidied = make();
    converse(&tidied, &turns).await?;
    tidied.maintain().await?;
    let tidied = view(&tidied).await?;
    for polls in 0..MAX_POLLS {
        let memory = make();
        converse(&memory, &turns).await?;
        let finished = poll_then_drop(memory.maintain(), polls).await.transpose()?;
        declared(&memory).await?;
        memory.maintain().await?;
        same("tidied again", &view(&memory).await?, &tidied)?;
        if finished.is_some() {
            break;
        }
    }
    Ok(())
}

async fn a_dropped_clear_can_be_repeated<M: Memory>(make: &impl Fn() -> M) -> Checked {
    let fresh = view(&make()).await?;
    for polls in 0..MAX_POLLS {
        let memory = make();
        converse(&memory, &[turn(1)]).await?;
        let finished = poll_then_drop(memory.clear(), polls).await.transpose()?;
        memory.clear().await?;
        same("cleared again", &view(&memory).await?, &fresh)?;
        if finished.is_some() {
            break;
        }
    }
    Ok(())
}

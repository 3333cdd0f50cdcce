//! The suite of memories.

use conversant_core::{
    HistoryError, LoadContext, Loaded, Memory, MemoryError, Message, Point, Range, SlotKind,
    Ticket, ToolCall, Turn, Value, Variables,
};
use serde_json::json;

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
/// [`Scripted::with_handler`](crate::Scripted::with_handler).
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
        maintenance_can_be_repeated,
        a_dropped_load_leaves_no_trace,
        a_dropped_save_is_whole_or_not_there,
        a_dropped_save_can_be_repeated,
        dropped_maintenance_costs_nothing,
        a_dropped_clear_can_be_repeated,
    );
    running.finish()
}

fn turn(number: usize) -> Turn {
    Turn::exchange(format!("question {number}"), format!("answer {number}"))
}

async fn load(memory: &impl Memory) -> Result<Loaded, MemoryError> {
    let inputs = Variables::from([("human_input", Value::from("Who am I?"))]);
    memory.load(LoadContext::new(&inputs).with_input("Who am I?")).await
}

/// Returns the view that a prompt would get now.
async fn view(memory: &impl Memory) -> Result<Variables, MemoryError> {
    Ok(load(memory).await?.variables)
}

/// Saves turns as a chain does: each after a load.
async fn converse(memory: &impl Memory, turns: &[Turn]) -> Result<(), MemoryError> {
    for turn in turns {
        let ticket = load(memory).await?.ticket;
        memory.save(turn, ticket).await?;
    }
    Ok(())
}

/// Checks that two views are the same.
fn same(what: &str, found: &Variables, expected: &Variables) -> Checked {
    for (name, value) in expected.iter() {
        let other = found.get(name);
        ensure!(other == Some(value), "{what}, `{name}` is {other:?} instead of {value:?}");
    }
    ensure!(found.len() == expected.len(), "{what}, there are other variables");
    Ok(())
}

async fn a_load_gives_what_is_declared<M: Memory>(make: &impl Fn() -> M) -> Checked {
    let memory = make();
    for turns in [vec![], vec![turn(1), turn(2)]] {
        converse(&memory, &turns).await?;
        declared(&memory).await?;
    }
    Ok(())
}

/// Checks that a load provides the declared variables, with their kinds.
async fn declared(memory: &impl Memory) -> Checked {
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
    }
    for name in view.names() {
        let known = slots.iter().any(|slot| slot.name() == name);
        ensure!(known, "a load gave `{name}`, which is not declared");
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
        load(&memory).await?;
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
    let turns = [turn(1), calling, turn(2).with_incomplete(true)];
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
        ensure!(found.messages() == saved.messages(), "a turn is stored with other messages");
        let (is, was) = (found.is_incomplete(), saved.is_incomplete());
        ensure!(is == was, "a turn that is incomplete: {was}, is stored as incomplete: {is}");
    }
    Ok(())
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
    let (fresh, memory) = (make(), make());
    let turns = [turn(1), turn(2)];
    converse(&memory, &turns).await?;
    let Some(earlier) = memory.at(Point::Start) else {
        return Err(Stop::Skipped("no points".to_owned()));
    };
    same("at the start", &view(&earlier).await?, &view(&fresh).await?)?;
    let other = turn(3);
    converse(&earlier, std::slice::from_ref(&other)).await?;
    converse(&fresh, std::slice::from_ref(&other)).await?;
    let expected = view(&fresh).await?;
    same("after a turn that followed the start", &view(&earlier).await?, &expected)
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
    // It may return an error or not.
    let _ = memory.save(&turn(2), ticket).await;
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

async fn a_dropped_load_leaves_no_trace<M: Memory>(make: &impl Fn() -> M) -> Checked {
    let memory = make();
    converse(&memory, &[turn(1)]).await?;
    let before = view(&memory).await?;
    for polls in 0..MAX_POLLS {
        let finished = poll_then_drop(load(&memory), polls).await.transpose()?;
        same("after a dropped load", &view(&memory).await?, &before)?;
        if finished.is_some() {
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

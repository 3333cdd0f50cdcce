//! The failing doubles.

use std::panic::AssertUnwindSafe;

use conversant_core::{
    ChatHistory, Expect, HistoryError, LoadContext, Memory, MemoryError, Range, SessionId, Ticket,
    Turn, Variables,
};
use conversant_testkit::{
    FailingHistory, FailingMemory, FailureMode, Gate, HistoryCall, MemoryCall, block_on,
    poll_then_drop, suite,
};

use crate::suite::{flawed_history::History, flawed_memory::Buffer};

fn session() -> SessionId {
    SessionId::new("user-7").unwrap()
}

fn turn() -> Turn {
    Turn::exchange("Hi there my friend", "Hello!")
}

fn stored(history: &FailingHistory<History>) -> usize {
    block_on(history.inner().load(&session(), Range::All)).unwrap().messages.len()
}

#[test]
fn a_call_fails_hangs_or_panics_before_or_after_it_takes_effect() {
    let busy = || FailureMode::fail(|| HistoryError::Busy);
    let gate = Gate::new();
    // The history waits once before and once after a turn is appended, and then at the failure.
    for (failure, after, polls) in [
        (busy(), false, 9),
        (busy().after(), true, 9),
        (FailureMode::hang(), false, 1),
        (FailureMode::hang().after(), true, 3),
        (FailureMode::hold(&gate), false, 1),
        (FailureMode::panic(), false, 9),
        (FailureMode::panic().after(), true, 9),
    ] {
        let described = format!("{failure:?}");
        let history = FailingHistory::new(History::new(None)).on(HistoryCall::Append, 2, failure);
        let append = |turn: Turn| {
            let history = history.clone();
            async move { history.append(&session(), &turn, Expect::Any).await }
        };
        block_on(append(turn())).unwrap();
        let outcome = std::panic::catch_unwind(AssertUnwindSafe(|| {
            block_on(poll_then_drop(append(turn()), polls))
        }));
        match (outcome, &*described) {
            (
                Ok(Some(Err(HistoryError::Busy))),
                "FailureMode(fail)" | "FailureMode(fail, after)",
            )
            | (Ok(None), "FailureMode(hold)" | "FailureMode(hold, after)")
            | (Err(_), "FailureMode(panic)" | "FailureMode(panic, after)") => {}
            (outcome, _) => panic!("{described}: {:?}", outcome.map_err(|_| "panic")),
        }
        assert_eq!(stored(&history), if after { 4 } else { 2 }, "{described}");
        assert_eq!(history.calls(HistoryCall::Append), 2, "{described}");
        block_on(append(turn())).unwrap();
    }
    assert_eq!(gate.arrivals(), 1);
}

#[test]
fn a_held_call_goes_on_when_it_is_let_through() {
    let gate = Gate::new();
    let history = FailingHistory::new(History::new(None))
        .always(HistoryCall::Load, FailureMode::hold(&gate))
        .on(HistoryCall::Load, 2, FailureMode::fail(|| HistoryError::Busy));
    gate.let_through(1);
    let load = || history.load(&SESSION, Range::All);
    block_on(load()).unwrap();
    assert!(matches!(block_on(load()), Err(HistoryError::Busy)), "the second has its own plan");
    assert!(block_on(poll_then_drop(load(), 1)).is_none());
    history.clear_failures();
    block_on(load()).unwrap();
    assert_eq!((gate.arrivals(), history.calls(HistoryCall::Load)), (2, 4));
}

static SESSION: std::sync::LazyLock<SessionId> = std::sync::LazyLock::new(session);

#[test]
fn every_function_can_go_wrong() {
    let busy = || FailureMode::fail(|| HistoryError::Busy);
    let all = [
        HistoryCall::Load,
        HistoryCall::Append,
        HistoryCall::Clear,
        HistoryCall::Turns,
        HistoryCall::Sessions,
        HistoryCall::First,
        HistoryCall::Delete,
        HistoryCall::Note,
        HistoryCall::PutNote,
        HistoryCall::Lease,
        HistoryCall::Release,
    ];
    let history = all.iter().fold(FailingHistory::new(History::new(None)), |history, call| {
        history.always(*call, busy())
    });
    let error = block_on(suite::history(|| history.clone())).unwrap_err();
    assert!(error.failed().all(|(_, what)| what.contains("busy")), "{error}");

    let fails = || FailureMode::fail(|| MemoryError::Unsupported { what: "anything" });
    let all = [MemoryCall::Load, MemoryCall::Save, MemoryCall::Maintain, MemoryCall::Clear];
    for call in all {
        let memory = FailingMemory::new(Buffer::new(None)).always(call, fails());
        let (inputs, turn) = (Variables::new(), turn());
        let failed = [
            block_on(memory.load(LoadContext::new(&inputs))).is_err(),
            block_on(memory.save(&turn, Ticket::default())).is_err(),
            block_on(memory.maintain()).is_err(),
            block_on(memory.clear()).is_err(),
        ];
        assert_eq!(failed, all.map(|other| other == call), "{call:?}");
        assert_eq!(memory.calls(call), 1);
        memory.clear_failures();
        block_on(memory.clear()).unwrap();
    }
}

#[test]
fn doubles_without_mishaps_pass_the_suites() {
    let history = FailingHistory::new(History::new(None));
    let report = block_on(suite::history(|| history.clone())).unwrap();
    assert_eq!(report.skipped().next(), None);
    block_on(suite::memory(|| FailingMemory::new(Buffer::new(None)))).unwrap();
}

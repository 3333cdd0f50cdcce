//! The leases of calls that end without releasing them: the next call does.

use std::{sync::Arc, time::Duration};

use conversant_core::{LanguageModel, LoadContext, Memory, SessionId, Ticket, vars};
use conversant_memory::{
    BufferMemory, CombinedMemory, EntityMemory, InMemoryHistory, ReadOnlyMemory,
};
use conversant_testkit::{
    FailingHistory, FailureMode, HistoryCall, ScriptedChat, ScriptedReply, block_on, poll_then_drop,
};

use crate::support::{session, turn};

const TIME: Duration = Duration::from_secs(60);

type History = FailingHistory<InMemoryHistory>;

fn leased(history: &History, name: &'static str) -> impl Memory + use<> {
    let memory = BufferMemory::new().with_memory_key(name);
    memory.with_history(history.clone(), session(name)).leased(TIME)
}

type Make = fn(&History) -> Box<dyn Memory>;

const MEMORIES: [(&str, Make); 4] = [
    ("leased", |history| Box::new(leased(history, "a"))),
    ("kept", |history| {
        let memory = BufferMemory::new().with_history(history.clone(), session("a"));
        Box::new(memory.leased(TIME).kept_between_calls())
    }),
    ("combined", |history| {
        let memories: [Arc<dyn Memory>; 2] =
            [Arc::new(leased(history, "a")), Arc::new(leased(history, "b"))];
        Box::new(CombinedMemory::new(memories).unwrap())
    }),
    ("leased twice", |history| {
        let other = BufferMemory::new().with_history(history.clone(), session("a"));
        let combined = CombinedMemory::new([Arc::new(other) as Arc<dyn Memory>]).unwrap();
        let name = session("a");
        Box::new(conversant_memory::LeasedMemory::new(combined, history.clone(), name, TIME))
    }),
];

/// Loads, and saves a turn.
async fn call(memory: &dyn Memory, number: u128) {
    let inputs = vars! { "input" => "hi" };
    let loaded = memory.load(LoadContext::new(&inputs)).await.unwrap();
    memory.save(&turn(number), loaded.ticket).await.unwrap();
}

/// A deadline drops the future of the load or of the save.
#[test]
fn a_call_that_was_dropped_does_not_keep_the_next_one_out() {
    let hanging = [
        (HistoryCall::Load, 1),
        (HistoryCall::Load, 2),
        (HistoryCall::Append, 1),
        (HistoryCall::Append, 2),
        (HistoryCall::Release, 1),
    ];
    for (name, make) in MEMORIES {
        for (operation, nth) in hanging {
            let history = FailingHistory::new(InMemoryHistory::new());
            let history = history.on(operation, nth, FailureMode::hang());
            let memory = make(&history);
            block_on(async {
                let mut calls = 1..9;
                for number in &mut calls {
                    if poll_then_drop(call(&*memory, number), 1).await.is_none() {
                        break;
                    }
                }
                for number in calls.take(2) {
                    let called = poll_then_drop(call(&*memory, number), 1).await;
                    assert!(called.is_some(), "{name}, {operation:?} {nth}");
                }
            });
        }
    }
}

/// Some callers never use a ticket, such as a stream that is dropped.
#[test]
fn a_ticket_that_was_dropped_does_not_keep_the_next_call_out() {
    for (_, make) in MEMORIES {
        let history = FailingHistory::new(InMemoryHistory::new());
        let memory = make(&history);
        block_on(async {
            let inputs = vars! { "input" => "hi" };
            drop(memory.load(LoadContext::new(&inputs)).await.unwrap());
            call(&*memory, 1).await;
        });
    }
}

#[test]
fn a_release_that_failed_is_repeated() {
    let failure = || FailureMode::fail(|| conversant_core::HistoryError::Busy);
    for (_, make) in MEMORIES {
        let history = FailingHistory::new(InMemoryHistory::new());
        let history = history.on(HistoryCall::Release, 1, failure());
        let memory = make(&history);
        block_on(async {
            call(&*memory, 1).await;
            call(&*memory, 2).await;
        });
    }
}

async fn is_free(history: &History, session: &SessionId) -> bool {
    use conversant_core::ChatHistory;
    history.inner().lease(session, Duration::ZERO).await.is_ok()
}

/// After a load that did not end there is no ticket.
#[test]
fn abandoning_an_empty_ticket_releases_what_a_load_has_left() {
    let mut memories = MEMORIES.to_vec();
    memories.retain(|(name, _)| *name != "kept");
    memories.push(("read only", |history| Box::new(ReadOnlyMemory::new(leased(history, "a")))));
    for (name, make) in memories {
        let history = FailingHistory::new(InMemoryHistory::new());
        let history = history.always(HistoryCall::Load, FailureMode::hang());
        let memory = make(&history);
        block_on(async {
            let inputs = vars! { "input" => "hi" };
            poll_then_drop(memory.load(LoadContext::new(&inputs)), 1).await;
            memory.abandon(Ticket::default()).await;
            for session in [session("a"), session("b")] {
                assert!(is_free(&history, &session).await, "{name}, {session}");
            }
        });
    }
}

#[test]
fn a_model_of_the_memory_that_hangs_does_not_keep_the_next_call_out() {
    let none = || ScriptedReply::text("NONE");
    let model = ScriptedChat::new([ScriptedReply::hang(), none(), none(), none()]);
    let memory = EntityMemory::new(LanguageModel::chat(model));
    let memory = memory.with_history(InMemoryHistory::new(), session("a")).leased(TIME);
    block_on(async {
        let inputs = vars! { "input" => "hi" };
        let load = || memory.load(LoadContext::new(&inputs).with_input("hi"));
        assert!(poll_then_drop(load(), 1).await.is_none());
        load().await.unwrap();
    });
}

/// A lease is not taken from a call that is under way.
#[test]
fn an_overlapping_call_is_refused() {
    let history = FailingHistory::new(InMemoryHistory::new());
    let memory = leased(&history, "a");
    block_on(async {
        let inputs = vars! { "input" => "hi" };
        let first = memory.load(LoadContext::new(&inputs)).await.unwrap();
        assert!(memory.load(LoadContext::new(&inputs)).await.is_err());
        memory.abandon(Ticket::default()).await;
        assert!(memory.load(LoadContext::new(&inputs)).await.is_err());
        memory.save(&turn(1), first.ticket).await.unwrap();
        memory.load(LoadContext::new(&inputs)).await.unwrap();
    });
}

//! Conversations that are moved to another branch while a memory describes them.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use conversant_core::{
    ChatHistory, Expect, HistoryError, Memory, Note, Point, Range, SessionId, Slice, Ticket, Turn,
    Version, async_trait,
};
use conversant_memory::{
    BufferMemory, InMemoryHistory, SummaryBufferMemory, SummaryMemory, TokenBufferMemory, Trim,
    WindowMemory,
};
use conversant_testkit::{
    FailingHistory, FailureMode, Gate, HistoryCall, ScriptedCompletion, ScriptedReply, block_on,
};

use crate::support::{Watched, Whitespace, messages, session, shown, turn};

/// Starts over with other questions, as another process does.
async fn edit(history: &InMemoryHistory, turns: u128) {
    let view = history.at(Point::Start).unwrap();
    for number in 0..turns {
        let turn = Turn::exchange(format!("new q{number} about cats"), "new answer");
        view.append(&session("s"), &turn, Expect::Any).await.unwrap();
    }
}

/// Moves the conversation to another branch just before a note is stored.
struct MovedMeanwhile {
    inner: InMemoryHistory,
    is_moved: AtomicBool,
}

#[async_trait]
impl ChatHistory for MovedMeanwhile {
    async fn load(&self, session: &SessionId, range: Range) -> Result<Slice, HistoryError> {
        self.inner.load(session, range).await
    }

    async fn append(
        &self,
        session: &SessionId,
        turn: &Turn,
        expect: Expect,
    ) -> Result<Version, HistoryError> {
        self.inner.append(session, turn, expect).await
    }

    async fn clear(&self, session: &SessionId) -> Result<(), HistoryError> {
        self.inner.clear(session).await
    }

    async fn note(&self, session: &SessionId, name: &str) -> Result<Option<Note>, HistoryError> {
        self.inner.note(session, name).await
    }

    async fn put_note(
        &self,
        session: &SessionId,
        name: &str,
        note: &Note,
    ) -> Result<(), HistoryError> {
        if !self.is_moved.swap(true, Ordering::Relaxed) {
            edit(&self.inner, 6).await;
        }
        self.inner.put_note(session, name, note).await
    }

    async fn replace_note(
        &self,
        session: &SessionId,
        name: &str,
        read: Option<&Note>,
        note: &Note,
    ) -> Result<bool, HistoryError> {
        self.inner.replace_note(session, name, read, note).await
    }
}

fn summary_buffer(
    model: ScriptedCompletion,
    history: impl ChatHistory + 'static,
    trim: Trim,
) -> SummaryBufferMemory {
    SummaryBufferMemory::new(model, Whitespace)
        .with_max_token_limit(24)
        .with_low_water(0.6)
        .with_trim(trim)
        .with_history(history, session("s"))
}

async fn old_questions(history: &InMemoryHistory, words: &str) {
    for number in 0..5 {
        let turn = Turn::exchange(format!("old q{number} about {words}"), "old answer");
        history.append(&session("s"), &turn, Expect::Any).await.unwrap();
    }
}

/// A summary of the branch that was left is not shown in place of the new one's turns.
#[test]
fn a_question_is_edited_while_a_summary_is_written() {
    block_on(async {
        for kind in 0..3 {
            let (history, gate) = (InMemoryHistory::new(), Gate::new());
            let words = if kind == 2 { "tulip ".repeat(6000) } else { "tulips".to_owned() };
            old_questions(&history, &words).await;
            let model = ScriptedCompletion::new([ScriptedReply::text("OLD").held_by(&gate)]);
            let memory: Box<dyn Memory> = match kind {
                0 => Box::new(summary_buffer(model, history.clone(), Trim::Turns)),
                1 => Box::new(summary_buffer(model, history.clone(), Trim::LangChain)),
                _ => {
                    Box::new(SummaryMemory::new(model).with_history(history.clone(), session("s")))
                }
            };
            let mut maintained = memory.maintain();
            assert!(is_under_way(&mut maintained).await);
            edit(&history, 6).await;
            gate.open();
            maintained.await.unwrap();
            for name in ["summary_buffer", "summary"] {
                assert_eq!(history.note(&session("s"), name).await.unwrap(), None, "{kind}");
            }
            let shown = shown(&*memory).await;
            assert!(shown.starts_with("Human: new q0 about cats\nAI: new answer"), "{shown}");
        }
    });
}

/// Polls a future once, and returns whether it is still under way.
async fn is_under_way<F: Future + Unpin>(future: &mut F) -> bool {
    std::future::poll_fn(|context| {
        std::task::Poll::Ready(std::pin::Pin::new(&mut *future).poll(context).is_pending())
    })
    .await
}

/// The note is stored after all: it is withdrawn.
#[test]
fn a_question_is_edited_while_a_summary_is_stored() {
    block_on(async {
        for trim in [Trim::Turns, Trim::LangChain] {
            let inner = InMemoryHistory::new();
            old_questions(&inner, "tulips").await;
            let is_moved = AtomicBool::new(false);
            let history = Arc::new(MovedMeanwhile { inner: inner.clone(), is_moved });
            let model = ScriptedCompletion::new(["OLD", "OLD"]);
            let memory = summary_buffer(model, Arc::clone(&history), trim);
            let _ = memory.maintain().await;
            assert!(history.is_moved.load(Ordering::Relaxed));
            let fresh = summary_buffer(ScriptedCompletion::new([""; 0]), inner.clone(), trim);
            for memory in [&memory, &fresh] {
                let shown = shown(memory).await;
                assert!(!shown.contains("OLD") && shown.contains("new q0"), "{shown}");
            }
        }
    });
}

/// A process that has the conversation in its cache, while another one starts over and goes on for
/// longer than the window.
#[test]
fn a_window_shows_the_instructions_of_its_branch() {
    block_on(async {
        for step in [1, 2] {
            let opening = |text| Turn::new(messages(&format!("system: {text}\nhuman: q\nai: a")));
            let watched = Watched::default();
            let histories: [(Arc<dyn ChatHistory>, InMemoryHistory); 2] = {
                let shared = InMemoryHistory::new();
                let inner = watched.inner.clone();
                [(Arc::new(shared.clone()), shared), (Arc::new(watched), inner)]
            };
            for (history, inner) in histories {
                let window = || {
                    WindowMemory::new()
                        .with_k(2)
                        .with_step(step)
                        .with_history(Arc::clone(&history), session("s"))
                };
                let memory = window();
                memory.save(&opening("old"), Ticket::default()).await.unwrap();
                for _ in 0..6 {
                    assert!(shown(&memory).await.starts_with("System: old\n"));
                    memory.save(&Turn::exchange("q", "a"), Ticket::default()).await.unwrap();
                    memory.maintain().await.unwrap();
                }
                let view = inner.at(Point::Start).unwrap();
                view.append(&session("s"), &opening("new"), Expect::Any).await.unwrap();
                for _ in 0..12 {
                    let turn = Turn::exchange("q", "a");
                    view.append(&session("s"), &turn, Expect::Any).await.unwrap();
                }
                let cached = shown(&memory).await;
                assert_eq!(cached, shown(&window()).await);
                assert!(!cached.contains("System: old"), "{cached}");
            }
        }
    });
}

type Held = FailingHistory<Watched>;

/// Two loads of one memory, between which the conversation is moved to another branch.
#[tokio::test]
async fn loads_that_overlap_show_one_branch() {
    let makes: [fn(Held) -> Box<dyn Memory>; 4] = [
        |held| Box::new(BufferMemory::new().with_history(held, session("s"))),
        |held| {
            let memory = BufferMemory::new().with_return_messages(true);
            Box::new(memory.with_history(held, session("s")))
        },
        |held| Box::new(WindowMemory::new().with_k(20).with_history(held, session("s"))),
        |held| {
            let memory = TokenBufferMemory::new(Whitespace).with_max_token_limit(500);
            Box::new(memory.with_history(held, session("s")))
        },
    ];
    for (case, make) in makes.into_iter().enumerate() {
        let (history, gate) = (Watched::default(), Gate::new());
        let held = FailingHistory::new(history.clone());
        let held = held.on(HistoryCall::Load, 2, FailureMode::hold(&gate));
        let memory = make(held);
        let inner = &history.inner;
        for number in 1..=4 {
            inner.append(&session("s"), &turn(number), Expect::Any).await.unwrap();
        }
        shown(&*memory).await;
        // One turn on this branch, and two on another one.
        let view = inner.at(turn(4).id().into()).unwrap();
        for number in [6, 7] {
            view.append(&session("s"), &turn(number), Expect::Any).await.unwrap();
        }
        let name = session("s");
        let tip = |number| inner.set_tip(&name, turn(number).id().into(), Expect::Any);
        tip(4).await.unwrap();
        inner.append(&session("s"), &turn(5), Expect::Any).await.unwrap();
        let expected = |last: &[u128]| {
            let turns = [1, 2, 3, 4].iter().chain(last);
            let lines = turns.map(|number| format!("Human: q{number}\nAI: a{number}"));
            lines.collect::<Vec<_>>().join("\n")
        };
        let meanwhile = async {
            gate.reached(1).await;
            assert_eq!(shown(&*memory).await, expected(&[5]), "{case}");
            tip(7).await.unwrap();
            gate.open();
        };
        let (late, ()) = tokio::join!(shown(&*memory), meanwhile);
        assert_eq!(late, expected(&[6, 7]), "{case}");
        assert_eq!(shown(&*memory).await, expected(&[6, 7]), "{case}");
    }
}

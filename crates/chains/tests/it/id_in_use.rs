//! A turn id under which another caller has saved another answer while the call ran.

use conversant_chains::{ChainError, ChainStream, LlmChain};
use conversant_core::{
    CallOptions, ChatHistory, HistoryError, MemoryError, Range, Ticket, TurnId, Variables, vars,
};
use conversant_memory::InMemoryHistory;
use conversant_testkit::{Gate, ScriptedChat, ScriptedReply, block_on};

use crate::support::{chat_memory, chat_prompt, session};

/// Checks that the answer of a call is in its error, and another turn in the store.
pub fn assert_not_saved(error: &ChainError, text: &str, incomplete: bool) {
    let not_saved = error.not_saved().unwrap();
    assert_eq!(not_saved.text.as_str(), text);
    let stored = match &not_saved.source {
        MemoryError::History(HistoryError::TurnIdInUse { turn, incomplete }) => {
            (*turn, *incomplete)
        }
        source => panic!("{source:?}"),
    };
    assert_eq!(stored, (not_saved.turn.id(), incomplete));
    assert!(not_saved.is_id_in_use());
    assert_eq!(
        (error.class(), error.http_status(), error.is_retryable()),
        ("not_saved", 409, false)
    );
}

fn options() -> CallOptions {
    CallOptions::new().with_turn_id(TurnId::from_u128(1))
}

fn hi() -> Variables {
    vars! { "human_input" => "Hi" }
}

/// Returns a chain of a process of its own.
fn chain(reply: ScriptedReply, history: &InMemoryHistory) -> LlmChain {
    LlmChain::builder()
        .prompt(chat_prompt())
        .model(ScriptedChat::new([reply]))
        .memory(chat_memory(history))
        .build()
        .unwrap()
}

/// Reads a stream to its end.
async fn read(mut stream: ChainStream) -> (Result<(), ChainError>, ChainStream) {
    while let Some(delta) = stream.next().await {
        if let Err(error) = delta {
            return (Err(error), stream);
        }
    }
    (Ok(()), stream)
}

/// The action of another caller under the same id while the call runs.
#[derive(Debug, Clone, Copy)]
enum Other {
    /// It saves a part of its stream.
    SavesPart(&'static str),
    /// It is answered.
    IsAnswered(&'static str),
}

impl Other {
    async fn run(self, history: &InMemoryHistory) {
        match self {
            Self::SavesPart(text) => {
                let reply = ScriptedReply::pieces([text, " and more"]);
                let chain = chain(reply, history);
                let mut stream = chain.stream_with(hi(), options()).await.unwrap();
                stream.next().await.unwrap().unwrap();
                stream.save_partial().await.unwrap();
            }
            Self::IsAnswered(text) => {
                let chain = chain(ScriptedReply::text(text), history);
                assert_eq!(chain.predict_with(hi(), options()).await.unwrap(), text);
            }
        }
    }
}

/// A call whose model answers `Hello!` after another caller with its id is done.
#[test]
fn an_answer_that_is_not_stored_is_not_acknowledged() {
    for (other, stored, expected) in [
        (Other::SavesPart("Hel"), ("Hel", true), Some(true)),
        // The text is the same, and is not known to be the whole answer.
        (Other::SavesPart("Hello!"), ("Hello!", true), Some(true)),
        (Other::IsAnswered("Good morning!"), ("Good morning!", false), Some(false)),
        (Other::IsAnswered("Hello!"), ("Hello!", false), None),
    ] {
        for is_streamed in [false, true] {
            block_on(async {
                let (history, gate) = (InMemoryHistory::new(), Gate::new());
                let chain = chain(ScriptedReply::text("Hello!").held_by(&gate), &history);
                let meanwhile = async {
                    gate.reached(1).await;
                    other.run(&history).await;
                    gate.open();
                };
                let call = async {
                    if !is_streamed {
                        return (chain.predict_with(hi(), options()).await.map(drop), None);
                    }
                    let (ended, stream) =
                        read(chain.stream_with(hi(), options()).await.unwrap()).await;
                    (ended, Some(stream))
                };
                let ((ended, stream), ()) = tokio::join!(call, meanwhile);
                match (expected, ended) {
                    (None, ended) => ended.unwrap(),
                    (Some(incomplete), ended) => {
                        let error = ended.unwrap_err();
                        assert_not_saved(&error, "Hello!", incomplete);
                        if let Some(stream) = stream {
                            let again = stream.save_partial().await.unwrap_err();
                            assert_not_saved(&again, "Hello!", incomplete);
                        }
                    }
                }
                let turns = history.turns(&session(), Range::All).await.unwrap();
                let found = turns.iter().map(|turn| {
                    (turn.messages().last().unwrap().text().into_owned(), turn.is_incomplete())
                });
                let (text, incomplete) = stored;
                assert_eq!(found.collect::<Vec<_>>(), [(text.to_owned(), incomplete)], "{other:?}");
            });
        }
    }
}

#[test]
fn a_part_is_not_acknowledged_if_another_answer_is_stored() {
    for (answer, is_kept) in [("Good morning!", false), ("Hel", true)] {
        block_on(async {
            let history = InMemoryHistory::new();
            let reply = ScriptedReply::pieces(["Hel", "lo!"]);
            let mut stream = chain(reply, &history).stream_with(hi(), options()).await.unwrap();
            stream.next().await.unwrap().unwrap();
            Other::IsAnswered(answer).run(&history).await;
            match stream.save_partial().await {
                Err(error) => assert_not_saved(&error, "Hel", false),
                Ok(()) => assert!(is_kept, "the part is not stored"),
            }
            let stored = history.load(&session(), Range::All).await.unwrap();
            assert_eq!(stored.messages.to_string(), format!("Human: Hi\nAI: {answer}"));
        });
    }
}

/// The remedy that the error names.
#[test]
fn the_answer_is_saved_under_a_new_id() {
    block_on(async {
        let (history, gate) = (InMemoryHistory::new(), Gate::new());
        let chain = chain(ScriptedReply::text("Hello!").held_by(&gate), &history);
        let meanwhile = async {
            gate.reached(1).await;
            Other::SavesPart("Hel").run(&history).await;
            gate.open();
        };
        let (ended, ()) = tokio::join!(chain.predict_with(hi(), options()), meanwhile);
        let error = ended.unwrap_err();
        let turn = error.not_saved().unwrap().turn.clone().with_id(TurnId::from_u128(2));
        chain.memory().unwrap().save(&turn, Ticket::default()).await.unwrap();
        let stored = history.load(&session(), Range::All).await.unwrap();
        assert_eq!(stored.messages.to_string(), "Human: Hi\nAI: Hel\nHuman: Hi\nAI: Hello!");
    });
}

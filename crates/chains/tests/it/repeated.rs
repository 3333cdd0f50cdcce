//! A call that is repeated with its turn id finds its answer, instead of paying for another one.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use conversant_chains::{
    ChainError, ChainStream, JsonParser, LlmChain, SequentialChain, WithMemory,
};
use conversant_core::{
    CallInfo, CallOptions, ChatHistory, Delta, Event, Expect, HistoryError, Lease, Message,
    Messages, Observer, Range, Reply, SessionId, Slice, ToolCall, Turn, TurnId, Variables, Version,
    async_trait, vars,
};
use conversant_memory::InMemoryHistory;
use conversant_testkit::{
    FailingHistory, Gate, HistoryCall, ScriptedChat, ScriptedReply, block_on, suite,
};
use serde_json::json;

use crate::{
    id_in_use::assert_not_saved,
    support::{TestHistory, chat_memory, chat_prompt, session, text_prompt},
};

fn options(id: u128) -> CallOptions {
    CallOptions::new().with_turn_id(TurnId::from_u128(id))
}

fn hi() -> Variables {
    vars! { "human_input" => "Hi" }
}

fn chain(model: &ScriptedChat, history: &(impl ChatHistory + Clone + 'static)) -> LlmChain {
    LlmChain::builder()
        .prompt(chat_prompt())
        .model(model.clone())
        .memory(chat_memory(history))
        .build()
        .unwrap()
}

async fn count(history: &InMemoryHistory) -> usize {
    history.load(&session(), Range::All).await.unwrap().messages.len()
}

async fn text(mut stream: ChainStream) -> String {
    let mut shown = String::new();
    while let Some(delta) = stream.next().await {
        if let Delta::Text(piece) = delta.unwrap() {
            shown.push_str(&piece);
        }
    }
    assert_eq!(stream.outcome().unwrap().text(), shown);
    shown
}

#[test]
fn the_model_is_called_once() {
    block_on(async {
        let (model, history) = (ScriptedChat::new(["Hello!"]), InMemoryHistory::new());
        let chain = chain(&model, &history);
        let first = chain.invoke_with(hi(), options(1)).await.unwrap();
        let second = chain.invoke_with(hi(), options(1)).await.unwrap();
        assert_eq!((first.text(), second.text()), ("Hello!".to_owned(), "Hello!".to_owned()));
        let from_cache = |reply: Option<Reply>| reply.unwrap().from_cache;
        assert!(!from_cache(first.reply) && from_cache(second.reply));
        assert_eq!(text(chain.stream_with(hi(), options(1)).await.unwrap()).await, "Hello!");
        assert_eq!((model.requests().len(), count(&history).await), (1, 2));
    });
}

#[test]
fn a_repetition_during_the_call_waits_for_its_answer() {
    block_on(async {
        let gate = Gate::new();
        let model = ScriptedChat::new([ScriptedReply::text("Hello!").held_by(&gate)]);
        let history = InMemoryHistory::new();
        let chain = chain(&model, &history);
        let open = async {
            gate.reached(1).await;
            gate.open();
        };
        let first = chain.predict_with(hi(), options(1));
        let second = chain.predict_with(hi(), options(1));
        let (first, second, ()) = tokio::join!(first, second, open);
        assert_eq!((first.unwrap(), second.unwrap()), ("Hello!".to_owned(), "Hello!".to_owned()));
        assert_eq!(count(&history).await, 2);
    });
}

#[test]
fn another_process_finds_it_and_continues() {
    block_on(async {
        let history = InMemoryHistory::new();
        let model = ScriptedChat::new(["Hello!", "Fine."]);
        chain(&model, &history).predict_with(hi(), options(1)).await.unwrap();
        let other = chain(&model, &history);
        assert_eq!(other.predict_with(hi(), options(1)).await.unwrap(), "Hello!");
        let next = vars! { "human_input" => "How are you?" };
        assert_eq!(other.predict_with(next, options(2)).await.unwrap(), "Fine.");
        assert_eq!(model.requests()[1].messages.len(), 3);
    });
}

#[test]
fn another_question_with_the_id_is_refused() {
    block_on(async {
        let (model, history) = (ScriptedChat::new(["Hello!"]), InMemoryHistory::new());
        let chain = chain(&model, &history);
        chain.predict_with(hi(), options(1)).await.unwrap();
        let other = vars! { "human_input" => "Bye" };
        let error = chain.predict_with(other, options(1)).await.unwrap_err();
        assert!(matches!(error, ChainError::TurnIdInUse { id } if id == TurnId::from_u128(1)));
        assert_eq!((error.http_status(), error.is_retryable()), (409, false));
        assert_eq!(
            error.to_string(),
            "cannot start the call: turn `00000000-0000-0000-0000-000000000001` is stored with \
             another question; use a new id"
        );
        assert_eq!(model.requests().len(), 1);
    });
}

/// An answer that a limit or a filter cut off is stored, since it was paid for, and marked.
#[test]
fn an_answer_that_was_cut_off_is_marked() {
    let reasons = ["stop", "tool_calls", "eos", "length", "content_filter", "max_tokens"];
    let mut marked = Vec::new();
    for reason in reasons {
        let reply = Reply::new(Message::ai("Once upon")).with_finish_reason(reason);
        let model = ScriptedChat::new([reply.clone(), reply]);
        for is_streamed in [false, true] {
            let history = InMemoryHistory::new();
            let chain = chain(&model, &history);
            block_on(async {
                if is_streamed {
                    assert_eq!(text(chain.stream(hi()).await.unwrap()).await, "Once upon");
                } else {
                    let outcome = chain.invoke(hi()).await.unwrap();
                    assert_eq!(outcome.reply.unwrap().finish_reason.unwrap().as_str(), reason);
                }
                let turns = history.turns(&session(), Range::All).await.unwrap();
                assert_eq!(turns[0].messages().last().unwrap().text(), "Once upon");
                marked.push((reason, turns[0].is_incomplete()));
            });
        }
    }
    let expected = reasons.map(|reason| (reason, reasons[3..].contains(&reason)));
    assert_eq!(marked, expected.map(|pair| [pair, pair]).concat());
}

/// Another answer could not be stored under the id, and would be lost.
#[test]
fn an_incomplete_turn_is_refused_before_the_model_is_paid() {
    block_on(async {
        let (model, history) = (ScriptedChat::new(["Hello!"]), InMemoryHistory::new());
        let cut = vec![Message::human("Hi"), Message::ai("Hel")];
        let cut = Turn::identified(TurnId::from_u128(1), cut).with_incomplete(true);
        history.append(&session(), &cut, Expect::Any).await.unwrap();
        let of_chains = SequentialChain::builder();
        let step = LlmChain::builder().prompt(text_prompt()).model(model.clone());
        let of_chains = of_chains.chain(step.build().unwrap()).build();
        let memory = chat_memory(&history).with_return_messages(false);
        let errors = [
            chain(&model, &history).predict_with(hi(), options(1)).await,
            WithMemory::new(of_chains.unwrap(), memory)
                .unwrap()
                .predict_with(hi(), options(1))
                .await,
        ];
        for error in errors.map(Result::unwrap_err) {
            assert!(matches!(error, ChainError::IncompleteTurn { .. }));
            assert_eq!((error.http_status(), error.class()), (409, "turn_id"));
            assert_eq!(
                error.to_string(),
                "cannot start the call: turn `00000000-0000-0000-0000-000000000001` is stored with \
                 an incomplete answer; use a new id"
            );
        }
        assert!(model.requests().is_empty());
    });
}

/// A history in which another process stores a turn right after the first list of turns.
#[derive(Clone)]
struct StoredMeanwhile(InMemoryHistory, Arc<Mutex<Option<Turn>>>);

#[async_trait]
impl ChatHistory for StoredMeanwhile {
    async fn load(&self, session: &SessionId, range: Range) -> Result<Slice, HistoryError> {
        self.0.load(session, range).await
    }

    async fn append(
        &self,
        session: &SessionId,
        turn: &Turn,
        expect: Expect,
    ) -> Result<Version, HistoryError> {
        self.0.append(session, turn, expect).await
    }

    async fn clear(&self, session: &SessionId) -> Result<(), HistoryError> {
        self.0.clear(session).await
    }

    async fn turns(&self, session: &SessionId, range: Range) -> Result<Vec<Turn>, HistoryError> {
        let turns = self.0.turns(session, range).await?;
        let stored = self.1.lock().unwrap().take();
        if let Some(turn) = stored {
            self.0.append(session, &turn, Expect::Any).await?;
        }
        Ok(turns)
    }

    async fn lease(
        &self,
        session: &SessionId,
        time: Duration,
    ) -> Result<Option<Lease>, HistoryError> {
        self.0.lease(session, time).await
    }

    async fn release(&self, lease: &Lease) -> Result<(), HistoryError> {
        self.0.release(lease).await
    }
}

/// The other process had the lease when this one looked for the turn.
#[test]
fn a_turn_that_is_stored_before_the_memory_is_loaded_is_found() {
    block_on(async {
        let turn = Turn::exchange("Hi", "Hello!").with_id(TurnId::from_u128(1));
        let history = StoredMeanwhile(InMemoryHistory::new(), Arc::new(Mutex::new(Some(turn))));
        let model = ScriptedChat::new(["Fine."]);
        let leased = chat_memory(&history).leased(Duration::from_secs(600));
        let chain = LlmChain::builder().prompt(chat_prompt()).model(model.clone()).memory(leased);
        let chain = chain.build().unwrap();
        assert_eq!(chain.predict_with(hi(), options(1)).await.unwrap(), "Hello!");
        assert!(model.requests().is_empty());
        // The lease was given back.
        let next = vars! { "human_input" => "How are you?" };
        assert_eq!(chain.predict_with(next, options(2)).await.unwrap(), "Fine.");
    });
}

#[test]
fn the_answer_is_parsed_again_and_has_its_tool_calls() {
    block_on(async {
        let history = InMemoryHistory::new();
        let call = ToolCall::new("time", json!({})).with_id("call_1");
        let reply = Reply::new(Message::ai(r#"It is {"hour": 12}."#)).with_intermediate(vec![
            Message::ai("").with_tool_calls([call]),
            Message::tool("12:00", "call_1"),
        ]);
        let model = ScriptedChat::new([reply]);
        let chain = LlmChain::builder()
            .prompt(chat_prompt())
            .model(model)
            .parser(JsonParser)
            .memory(chat_memory(&history))
            .store_records(true)
            .build()
            .unwrap();
        let first = chain.invoke_with(hi(), options(1)).await.unwrap();
        let second = chain.invoke_with(hi(), options(1)).await.unwrap();
        assert_eq!(second.output(), Some(&json!({"hour": 12}).into()));
        assert_eq!(first.output(), second.output());
        let parts = |reply: &Option<Reply>| {
            let reply = reply.clone().unwrap();
            (reply.message, reply.intermediate)
        };
        assert_eq!(parts(&first.reply), parts(&second.reply));
        assert_eq!(count(&history).await, 4);
    });
}

/// The stored turn has the calls and results that the call was resumed with.
#[test]
fn a_resumed_call_that_is_repeated_has_its_tool_calls_once() {
    block_on(async {
        for streamed in [false, true] {
            let history = InMemoryHistory::new();
            let call = ToolCall::new("time", json!({})).with_id("call_1");
            let calling = Reply::new(Message::ai("").with_tool_calls([call]));
            let model = ScriptedChat::new([calling.into(), ScriptedReply::text("It is noon.")]);
            let events = Arc::new(Mutex::new(Vec::new()));
            let chain = LlmChain::builder()
                .prompt(chat_prompt())
                .model(model.clone())
                .memory(chat_memory(&history))
                .observer(Answers(Arc::clone(&events)))
                .build()
                .unwrap();
            let pending = chain.invoke(hi()).await.unwrap().pending.unwrap();
            let results = || [Message::tool("12:00", "call_1")];
            for attempt in ["first", "second"] {
                let outcome = if streamed {
                    let stream = chain.resume_stream(&pending, results()).await.unwrap();
                    stream.into_outcome().await.unwrap().unwrap()
                } else {
                    chain.resume(&pending, results()).await.unwrap()
                };
                let reply = outcome.reply.unwrap();
                assert_eq!(reply.text(), "It is noon.", "{attempt}");
                assert_eq!(reply.intermediate.len(), 2, "{attempt}");
            }
            assert_eq!(*events.lock().unwrap(), [0, 2, 2], "{streamed}");
            assert_eq!((model.requests().len(), count(&history).await), (2, 4));
        }
    });
}

/// Keeps how many messages each answer has before it.
struct Answers(Arc<Mutex<Vec<usize>>>);

impl Observer for Answers {
    fn on_event(&self, _: &CallInfo, event: &Event<'_>) {
        if let Event::ModelAnswered { reply, .. } = event {
            self.0.lock().unwrap().push(reply.intermediate.len());
        }
    }
}

#[test]
fn a_call_without_an_id_reads_nothing_more() {
    block_on(async {
        let history = FailingHistory::new(InMemoryHistory::new());
        let chain = chain(&ScriptedChat::new(["Hello!", "Hello!"]), &history);
        let turns = || history.calls(HistoryCall::Turns);
        chain.predict(hi()).await.unwrap();
        assert_eq!(turns(), 0);
        chain.predict_with(hi(), options(1)).await.unwrap();
        // The last turn, and the one with the id.
        assert_eq!(turns(), 2);
    });
}

#[test]
fn a_store_that_cannot_list_turns_stores_the_first_answer() {
    block_on(async {
        let (model, history) = (ScriptedChat::new(["one", "two", "one"]), TestHistory::default());
        let chain = chain(&model, &history);
        let call = || chain.predict_with(hi(), options(1));
        assert_eq!(call().await.unwrap(), "one");
        assert_not_saved(&call().await.unwrap_err(), "two", false);
        assert_eq!(call().await.unwrap(), "one");
        assert_eq!(history.transcript().await, "Human: Hi\nAI: one");
    });
}

/// A history that stores digits as `#`, and says that it changes messages.
#[derive(Clone, Default)]
struct Redacting(InMemoryHistory);

fn redacted(messages: &Messages) -> Messages {
    let hidden = |message: &Message| {
        let text: String =
            message.text().chars().map(|c| if c.is_ascii_digit() { '#' } else { c }).collect();
        let calls = message.tool_calls().to_vec();
        let hidden = Message::new(message.role().clone(), text).with_tool_calls(calls);
        match message.tool_call_id() {
            Some(id) => hidden.with_tool_call_id(id),
            None => hidden,
        }
    };
    messages.iter().map(hidden).collect()
}

#[async_trait]
impl ChatHistory for Redacting {
    async fn load(&self, session: &SessionId, range: Range) -> Result<Slice, HistoryError> {
        self.0.load(session, range).await
    }

    async fn append(
        &self,
        session: &SessionId,
        turn: &Turn,
        expect: Expect,
    ) -> Result<Version, HistoryError> {
        let hidden = Turn::identified(turn.id(), redacted(turn.messages()));
        let hidden = hidden.with_incomplete(turn.is_incomplete());
        let hidden = match turn.base() {
            Some(base) => hidden.with_base(base),
            None => hidden,
        };
        self.0.append(session, &hidden, expect).await
    }

    async fn clear(&self, session: &SessionId) -> Result<(), HistoryError> {
        self.0.clear(session).await
    }

    async fn turns(&self, session: &SessionId, range: Range) -> Result<Vec<Turn>, HistoryError> {
        self.0.turns(session, range).await
    }
}

/// The store compares what it stores; a question that it does not keep as the stored one is
/// another one.
#[test]
fn a_store_that_changes_messages_finds_the_answer_of_its_turn() {
    block_on(async {
        let model = ScriptedChat::new(["Card 4711 is blocked."]);
        let history = Redacting::default();
        let chain = chain(&model, &history);
        let call =
            |question: &str| chain.predict_with(vars! { "human_input" => question }, options(1));
        assert_eq!(call("My card is 4711").await.unwrap(), "Card 4711 is blocked.");
        assert_eq!(call("My card is 4711").await.unwrap(), "Card #### is blocked.");
        let error = call("My card is lost").await.unwrap_err();
        assert!(matches!(error, ChainError::TurnIdInUse { .. }), "{error}");
        assert_eq!((model.requests().len(), count(&history.0).await), (1, 2));
    });
}

#[test]
fn a_memory_over_a_store_that_changes_messages_passes_the_suite() {
    block_on(suite::memory(|| chat_memory(&Redacting::default()))).unwrap();
}

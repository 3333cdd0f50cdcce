//! A repeated call of each kind of chain: its stored answer is restored, or the call is refused. No
//! model is called for either.

use std::{borrow::Cow, convert::Infallible, sync::Arc};

use conversant_chains::{
    Answer, Chain, ChainError, FallbackChain, FnRouter, JsonParser, LlmChain, LlmChainBuilder,
    ParallelChain, Route, RouterChain, RunContext, SequentialChain, SimpleSequentialChain,
    TransformChain, WithMemory,
};
use conversant_core::{
    CallOptions, ChatHistory, Expect, OutputParser, ParseError, Point, Range, Reply, Slot, Turn,
    TurnId, Value, Variables, async_trait, vars,
};
use conversant_memory::InMemoryHistory;
use conversant_prompts::PromptTemplate;
use conversant_testkit::{ScriptedChat, block_on};
use serde_json::json;

use crate::support::{chat_memory, session};

/// The answer of the model at each call.
const ANSWER: &str = " {\"hour\": 12} ";

fn options(id: u128) -> CallOptions {
    CallOptions::new().with_turn_id(TurnId::from_u128(id))
}

fn inputs() -> Variables {
    vars! { "human_input" => "Hi" }
}

/// Returns an LLM chain that asks with one input.
fn asking(model: &ScriptedChat, input: &str) -> LlmChainBuilder {
    let prompt = PromptTemplate::from_template(format!("{{{input}}}")).unwrap();
    LlmChain::builder().prompt(prompt).model(model.clone())
}

fn first(model: &ScriptedChat) -> LlmChain {
    asking(model, "human_input").output_key("draft").build().unwrap()
}

fn last(model: &ScriptedChat) -> LlmChain {
    asking(model, "draft").build().unwrap()
}

fn sequence(model: &ScriptedChat, outputs: &[&'static str]) -> Arc<dyn Chain> {
    let sequence = SequentialChain::builder().chain(first(model)).chain(last(model));
    Arc::new(sequence.outputs(outputs.iter().copied()).build().unwrap())
}

fn simple(model: &ScriptedChat, last: LlmChainBuilder, strip: bool) -> Arc<dyn Chain> {
    let chain = SimpleSequentialChain::builder().chain(first(model)).chain(last.build().unwrap());
    Arc::new(chain.input_key("human_input").strip_outputs(strip).build().unwrap())
}

fn to_default(_: &Variables) -> Result<Route, Infallible> {
    Ok(Route::to_default())
}

fn router(destination: LlmChain, default_chain: LlmChain) -> Arc<dyn Chain> {
    let router = RouterChain::builder().router(FnRouter::new(["human_input"], to_default));
    let router = router.destination("other", destination).default_chain(default_chain);
    Arc::new(router.build().unwrap())
}

fn asking_for_json(model: &ScriptedChat) -> LlmChain {
    asking(model, "human_input").parser(JsonParser).build().unwrap()
}

/// Returns the text after a colon, which it would not read again.
struct AfterColon;

impl OutputParser for AfterColon {
    fn parse(&self, text: &str) -> Result<Value, ParseError> {
        let rest = text.split_once(':').map(|(_, rest)| rest.into());
        rest.ok_or_else(|| ParseError::without_source(text, "no colon"))
    }
}

/// A custom chain with two outputs, which calls a model.
struct Custom {
    model: LlmChain,
    slots: [Slot; 1],
    outputs: [Cow<'static, str>; 2],
    restores: bool,
}

impl Custom {
    fn answer(reply: Reply) -> Answer {
        let text = reply.text().into_owned();
        Answer::new(vars! { "text" => text.trim(), "raw" => text.clone() }).with_reply(reply)
    }
}

#[async_trait]
impl Chain for Custom {
    fn name(&self) -> &str {
        "Custom"
    }

    fn slots(&self) -> &[Slot] {
        &self.slots
    }

    fn outputs(&self) -> &[Cow<'static, str>] {
        &self.outputs
    }

    async fn run(&self, variables: &Variables, context: &RunContext) -> Result<Answer, ChainError> {
        let answer = self.model.run(variables, context).await?;
        Ok(Self::answer(answer.reply.unwrap()))
    }

    fn restore(&self, reply: Reply, _: &RunContext) -> Option<Result<Answer, ChainError>> {
        self.restores.then(|| Ok(Self::answer(reply)))
    }
}

fn custom(model: &ScriptedChat, restores: bool) -> Arc<dyn Chain> {
    let model = asking(model, "human_input").build().unwrap();
    let slots = [Slot::text("human_input")];
    Arc::new(Custom { model, slots, outputs: ["text".into(), "raw".into()], restores })
}

fn chain(name: &str, model: &ScriptedChat) -> Arc<dyn Chain> {
    let plain = || asking(model, "human_input").build().unwrap();
    match name {
        "sequence" => sequence(model, &["text"]),
        "sequence, all outputs" => sequence(model, &["text", "draft"]),
        "sequence, its first step's output first" => sequence(model, &["draft", "text"]),
        "sequence of sequences" => {
            let last = SequentialChain::builder().chain(first(model)).chain(last(model));
            let steps = asking(model, "human_input").output_key("human").build().unwrap();
            let sequence = SequentialChain::builder().chain(steps).chain(last.build().unwrap());
            Arc::new(sequence.build().unwrap())
        }
        "simple sequence, JSON" => simple(model, asking(model, "draft").parser(JsonParser), false),
        "simple sequence, stripped" => simple(model, asking(model, "draft"), true),
        "simple sequence, a part, stripped" => {
            simple(model, asking(model, "draft").parser(AfterColon), true)
        }
        "router" => router(plain(), plain()),
        "router, one parses JSON" => router(asking_for_json(model), plain()),
        "fallback" => Arc::new(FallbackChain::builder(plain()).fallback(plain()).build().unwrap()),
        "fallback, one parses JSON" => {
            let fallback = FallbackChain::builder(asking_for_json(model)).fallback(plain());
            Arc::new(fallback.build().unwrap())
        }
        "branches" => {
            let branches = ParallelChain::builder().branch("text", plain());
            Arc::new(branches.branch("other", plain()).build().unwrap())
        }
        "transform" => {
            let count = |_: &Variables| Ok::<_, Infallible>(vars! { "text" => json!(12) });
            Arc::new(TransformChain::new(["human_input"], ["text"], count).unwrap())
        }
        "custom" | "custom, its second output stored" => custom(model, true),
        "custom, without `restore`" => custom(model, false),
        name => panic!("{name}"),
    }
}

/// Whether the answer of each chain is restored.
const CHAINS: [(&str, bool); 16] = [
    ("sequence", true),
    ("sequence, all outputs", false),
    ("sequence, its first step's output first", false),
    ("sequence of sequences", true),
    ("simple sequence, JSON", true),
    ("simple sequence, stripped", true),
    ("simple sequence, a part, stripped", false),
    ("router", true),
    ("router, one parses JSON", false),
    ("fallback", true),
    ("fallback, one parses JSON", false),
    ("branches", false),
    ("transform", false),
    ("custom", true),
    ("custom, without `restore`", false),
    ("custom, its second output stored", false),
];

fn with_memory(
    name: &str,
    model: &ScriptedChat,
    history: &InMemoryHistory,
) -> WithMemory<Arc<dyn Chain>> {
    let key = if name.ends_with("second output stored") { "raw" } else { "text" };
    let chain = chain(name, model);
    let key = if chain.outputs().iter().any(|output| output == key) { key } else { "output" };
    let memory = chat_memory(history).with_output_key(key);
    WithMemory::builder(chain, memory).allow_unused("chat_history").build().unwrap()
}

fn outputs(chain: &dyn Chain, variables: &Variables) -> Vec<Option<Value>> {
    chain.outputs().iter().map(|name| variables.get(name).cloned()).collect()
}

#[test]
fn a_stored_answer_is_restored_or_the_call_is_refused() {
    for (name, is_restored) in CHAINS {
        block_on(async {
            let model = ScriptedChat::with_handler(|_| ANSWER.into());
            let history = InMemoryHistory::new();
            let chain = with_memory(name, &model, &history);
            let before = chain.invoke_with(inputs(), options(1)).await.unwrap();
            let paid = model.requests().len();
            let stored = history.turns(&session(), Range::All).await.unwrap();

            let again = chain.invoke_with(inputs(), options(1)).await;
            let streamed = match chain.stream_with(inputs(), options(1)).await {
                Ok(stream) => stream.into_outcome().await.map(Option::unwrap),
                Err(error) => Err(error),
            };
            for again in [again, streamed] {
                match again {
                    Ok(again) => {
                        assert!(is_restored, "{name}");
                        assert_eq!(again.output(), before.output(), "{name}");
                        assert_eq!(
                            outputs(&chain, &again.variables),
                            outputs(&chain, &before.variables),
                            "{name}"
                        );
                        let message =
                            |reply: Option<Reply>| reply.unwrap().text().trim().to_owned();
                        assert_eq!(message(again.reply), message(before.reply.clone()), "{name}");
                    }
                    Err(ChainError::AlreadyAnswered { turn }) => {
                        assert!(!is_restored, "{name}");
                        assert_eq!(std::slice::from_ref(&*turn), stored, "{name}");
                    }
                    Err(error) => panic!("{name}: {error:?}"),
                }
            }
            assert_eq!(model.requests().len(), paid, "{name}: the answer was paid for again");
            assert_eq!(history.turns(&session(), Range::All).await.unwrap(), stored, "{name}");
        });
    }
}

/// The place of the call's turn in the session, seen from the tip.
#[derive(Debug, Clone, Copy)]
enum Place {
    /// Before this many turns.
    Before(usize),
    OnAnotherBranch,
}

#[test]
fn a_turn_is_found_wherever_it_is_in_its_session() {
    for place in [Place::Before(0), Place::Before(1), Place::Before(40), Place::OnAnotherBranch] {
        block_on(async {
            let (model, history) = (ScriptedChat::new(["Hello!"]), InMemoryHistory::new());
            let chain = asking(&model, "human_input").memory(chat_memory(&history));
            let chain = chain.allow_unused("chat_history").build().unwrap();
            chain.predict_with(inputs(), options(1)).await.unwrap();
            let later = |number: usize| Turn::exchange(format!("question {number}"), "answer");
            let (count, from) = match place {
                Place::Before(count) => (count, None),
                Place::OnAnotherBranch => (1, Some(Point::Start)),
            };
            if let Some(point) = from {
                history.set_tip(&session(), point, Expect::Any).await.unwrap();
            }
            for number in 0..count {
                history.append(&session(), &later(number), Expect::Any).await.unwrap();
            }
            let stored = history.load(&session(), Range::All).await.unwrap();
            let again = chain.predict_with(inputs(), options(1)).await;
            assert_eq!(again.unwrap(), "Hello!", "{place:?}");
            assert_eq!(model.requests().len(), 1, "{place:?}");
            let after = history.load(&session(), Range::All).await.unwrap();
            assert_eq!(after, stored, "{place:?}");
        });
    }
}

/// A step with a memory of its own has stored its turn, and the call failed after it.
#[test]
fn a_step_that_cannot_restore_its_answer_is_refused() {
    block_on(async {
        let model = ScriptedChat::with_handler(|_| ANSWER.into());
        let history = InMemoryHistory::new();
        let step = || with_memory("branches", &model, &history);
        let fails = |_: &Variables| Err::<Variables, _>("out of order");
        let last = TransformChain::new(["text"], ["end"], fails).unwrap();
        let sequence = SequentialChain::builder().chain(step()).chain(last).build().unwrap();
        let error = sequence.invoke_with(inputs(), options(1)).await.unwrap_err();
        assert!(matches!(&error, ChainError::Step(failed) if failed.step == 1), "{error:?}");
        let paid = model.requests().len();
        let error = sequence.invoke_with(inputs(), options(1)).await.unwrap_err();
        let ChainError::Step(failed) = &error else { panic!("{error:?}") };
        assert!(matches!(failed.source, ChainError::AlreadyAnswered { .. }), "{error:?}");
        assert_eq!((error.http_status(), error.class()), (409, "turn_id"));
        assert_eq!(model.requests().len(), paid);
    });
}

//! Turns whose last step calls tools: resumed without running the other steps again.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use conversant_chains::{
    Chain, FallbackChain, FnRouter, LlmChain, Route, RouterChain, SequentialChain,
    SimpleSequentialChain, TransformChain, WithMemory,
};
use conversant_core::{
    CallOptions, Delta, LanguageModel, Message, ModelError, Reply, ToolCall, Variables, vars,
};
use conversant_prompts::PromptTemplate;
use conversant_testkit::ScriptedChat;
use serde_json::json;

use super::{boxed, llm};
use crate::support::{TestHistory, memory};

/// A counter of the runs of a step.
#[derive(Clone, Default)]
struct Runs(Arc<AtomicUsize>);

impl Runs {
    /// A step that copies a variable, and is counted.
    fn step(&self, from: &'static str, to: &'static str) -> TransformChain {
        let runs = self.clone();
        let copy = move |variables: &Variables| {
            runs.0.fetch_add(1, Ordering::Relaxed);
            let value = variables.get(from).unwrap().clone();
            Ok::<_, Infallible>(Variables::from([(to, value)]))
        };
        TransformChain::new([from], [to], copy).unwrap()
    }
}

/// A model that calls a tool, then answers.
fn calling() -> ScriptedChat {
    let call = ToolCall::new("clock", json!({})).with_id("c1");
    ScriptedChat::new([
        Reply::new(Message::ai("").with_tool_calls([call])),
        Reply::new(Message::ai("It is noon.")),
    ])
}

fn asking(template: &str, model: &ScriptedChat) -> LlmChain {
    let prompt = PromptTemplate::from_template(template).unwrap();
    let model = LanguageModel::chat(model.clone());
    LlmChain::builder().prompt(prompt).model(model).build().unwrap()
}

/// A chain whose last step asks the model, and whose other steps are counted.
type Compose = fn(&ScriptedChat, &Runs) -> Arc<dyn Chain>;

#[tokio::test]
async fn the_other_steps_run_once() {
    let cases: Vec<(&str, Compose, usize)> = vec![
        (
            "sequence",
            |model, runs| {
                let chain = SequentialChain::builder()
                    .chain(runs.step("human_input", "a"))
                    .chain(runs.step("a", "b"))
                    .chain(asking("{human_input} {a} {b}", model));
                boxed(chain.build().unwrap())
            },
            2,
        ),
        (
            "sequence in a sequence, with the same names inside",
            |model, runs| {
                let inner = SequentialChain::builder()
                    .chain(runs.step("b", "c"))
                    .chain(asking("{c}", model))
                    .outputs(["text"])
                    .build();
                let chain = SequentialChain::builder()
                    .chain(runs.step("human_input", "b"))
                    .chain(inner.unwrap());
                boxed(chain.build().unwrap())
            },
            2,
        ),
        (
            "simple sequence",
            |model, runs| {
                let chain = SimpleSequentialChain::builder()
                    .input_key("human_input")
                    .chain(runs.step("x", "y"))
                    .chain(asking("{z}", model));
                boxed(chain.build().unwrap())
            },
            1,
        ),
        (
            "router",
            |model, runs| {
                let runs = runs.clone();
                let router = FnRouter::new(["human_input"], move |_: &_| {
                    // It would choose another chain the second time.
                    let first = runs.0.fetch_add(1, Ordering::Relaxed) == 0;
                    let route = if first { Route::to("clock") } else { Route::to_default() };
                    Ok::<_, Infallible>(route.with_inputs(vars! { "human_input" => "routed" }))
                });
                let other = ScriptedChat::new(["wrong chain"]);
                let chain = RouterChain::builder()
                    .router(router)
                    .destination("clock", asking("{human_input}", model))
                    .default_chain(asking("{human_input}", &other));
                boxed(chain.build().unwrap())
            },
            1,
        ),
        (
            "fallback",
            |model, _| {
                let broken = ModelError::custom("broken", true, None);
                let first =
                    ScriptedChat::new([broken.into(), "wrong chain".into()]
                        as [conversant_testkit::ScriptedReply; 2]);
                let chain = FallbackChain::builder(asking("{human_input}", &first))
                    .fallback(asking("{human_input}", model));
                boxed(chain.build().unwrap())
            },
            0,
        ),
    ];
    for (name, compose, expected) in cases {
        for stream in [false, true] {
            let (model, runs, history) = (calling(), Runs::default(), TestHistory::default());
            let chain = WithMemory::builder(compose(&model, &runs), memory(&history))
                .allow_unused("chat_history")
                .build()
                .unwrap();
            let outcome = chain.invoke(vars! { "human_input" => "Time?" }).await.unwrap();
            assert_eq!(history.transcript().await, "", "{name}");
            let pending = outcome.pending.unwrap();
            let results = [Message::tool("12:00", "c1")];
            let text = if stream {
                let options = CallOptions::new();
                let mut stream =
                    chain.resume_stream_with(&pending, results, options).await.unwrap();
                let mut text = String::new();
                while let Some(delta) = stream.next().await {
                    if let Delta::Text(piece) = delta.unwrap() {
                        text.push_str(&piece);
                    }
                }
                text
            } else {
                chain.resume(&pending, results).await.unwrap().text()
            };
            assert_eq!(text, "It is noon.", "{name}");
            assert_eq!(runs.0.load(Ordering::Relaxed), expected, "{name}");
            let [first, second] = &model.requests()[..] else { panic!("{name}") };
            assert_eq!(second.messages.len(), first.messages.len() + 2, "{name}");
            assert_eq!(second.messages.first(), first.messages.first(), "{name}");
            let stored = history.transcript().await;
            assert!(stored.starts_with("Human: Time?\nAI: "), "{name}: {stored}");
            assert!(stored.ends_with("\nTool: 12:00\nAI: It is noon."), "{name}: {stored}");
        }
    }
}

#[tokio::test]
async fn a_last_step_with_a_memory_stores_the_exchange_as_one_turn() {
    let (model, runs, history) = (calling(), Runs::default(), TestHistory::default());
    let chain = SequentialChain::builder()
        .chain(runs.step("said", "human_input"))
        .chain(crate::support::chain(&model, &history))
        .build()
        .unwrap();
    let outcome = chain.invoke(vars! { "said" => "Time?" }).await.unwrap();
    assert_eq!(history.transcript().await, "");
    let results = [Message::tool("12:00", "c1")];
    let outcome = chain.resume(outcome.pending.as_ref().unwrap(), results).await.unwrap();
    assert_eq!(outcome.text(), "It is noon.");
    assert_eq!(runs.0.load(Ordering::Relaxed), 1);
    assert_eq!(history.transcript().await.matches("Human: Time?").count(), 1);
}

#[tokio::test]
async fn an_answer_is_the_reply_of_the_last_step_only_where_it_is_the_first_output() {
    let chain = |outputs: [&'static str; 2]| {
        SequentialChain::builder()
            .chain(llm("{q}", ScriptedChat::new(["one"]), "first"))
            .chain(llm("{first}", ScriptedChat::new(["two"]), "second"))
            .outputs(outputs)
            .build()
            .unwrap()
    };
    let outcome = chain(["second", "first"]).invoke(vars! { "q" => "hi" }).await.unwrap();
    assert_eq!((outcome.text().as_str(), outcome.reply.is_some()), ("two", true));
    let outcome = chain(["first", "second"]).invoke(vars! { "q" => "hi" }).await.unwrap();
    assert_eq!((outcome.text().as_str(), outcome.reply.is_some()), ("one", false));
}

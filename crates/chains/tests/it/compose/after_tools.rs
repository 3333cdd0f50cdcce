//! Fallbacks after a chain whose tools have run: they do not run again.

use std::{borrow::Cow, sync::Arc};

use conversant_chains::{
    Answer, Chain, ChainError, FallbackChain, LlmChain, LlmRouter, RouterChain, RunContext,
    SequentialChain, WithMemory,
};
use conversant_core::{
    Message, Messages, ModelError, Reply, Slot, ToolCall, Variables, async_trait, vars,
};
use conversant_prompts::{ChatPromptTemplate, PromptTemplate};
use conversant_testkit::{ScriptedChat, ScriptedReply};
use serde_json::json;

use super::{Joining, boxed, llm};
use crate::support::{TestHistory, memory};

/// The call of a tool and its result.
fn order(id: &str) -> Vec<Message> {
    let call = ToolCall::new("order", json!({})).with_id(id);
    vec![Message::ai("").with_tool_calls([call]), Message::tool("ordered", id)]
}

type Answers = fn(&RunContext) -> Answer;

/// A custom chain, whose answer may lack its output.
struct Custom(Answers, [Slot; 1], [Cow<'static, str>; 1]);

impl Custom {
    fn new(answers: Answers) -> Self {
        Self(answers, [Slot::text("human_input")], ["text".into()])
    }
}

#[async_trait]
impl Chain for Custom {
    fn name(&self) -> &str {
        "Custom"
    }

    fn slots(&self) -> &[Slot] {
        &self.1
    }

    fn outputs(&self) -> &[Cow<'static, str>] {
        &self.2
    }

    async fn run(&self, _: &Variables, context: &RunContext) -> Result<Answer, ChainError> {
        Ok((self.0)(context))
    }

    fn takes_exchange(&self) -> bool {
        true
    }
}

fn said(text: &str) -> Answer {
    Answer::new(vars! {}).with_reply(Reply::new(Message::ai(text)))
}

/// An answer whose tools have run, after those of the call.
fn ordered(context: &RunContext) -> Answer {
    let mut intermediate = context.exchange().clone();
    intermediate.extend(order("b"));
    let reply = Reply::new(Message::ai("so")).with_intermediate(intermediate);
    Answer::new(vars! {}).with_reply(reply)
}

/// A model that answers with what a tool loop has done.
fn looped(reply: Reply) -> ScriptedChat {
    ScriptedChat::new([reply.with_intermediate(order("a"))])
}

fn calling() -> Reply {
    Reply::new(Message::ai("").with_tool_calls([ToolCall::new("f", json!({})).with_id("c")]))
}

/// The chain that is called next.
fn next(model: &ScriptedChat) -> LlmChain {
    let prompt = ChatPromptTemplate::from_messages([("human", "{human_input}")]).unwrap();
    LlmChain::builder().prompt(prompt).model(model.clone()).build().unwrap()
}

/// Chains that fail after tools have run, and how many messages the next model has after its
/// prompt, if it is called.
fn cases() -> Vec<(&'static str, Arc<dyn Chain>, Option<usize>)> {
    let route_of = |model| {
        let router = LlmRouter::new(llm("{human_input}", model, "route"));
        let builder =
            RouterChain::builder().router(router).default_chain(Joining::parse("x -> text"));
        builder.destination("a", Joining::parse("human_input -> text")).build().unwrap()
    };
    let sequence = SequentialChain::builder()
        .chain(llm("{human_input}", looped(calling()), "draft"))
        .chain(Joining::parse("draft -> text"))
        .build()
        .unwrap();
    let history = TestHistory::default();
    history.fail_next("append");
    let messages = |_: &RunContext| {
        let answered = [order("a"), vec![Message::ai("so")]].concat();
        Answer::new(vars! { "text" => "so" }).with_messages(answered)
    };
    let with_memory = WithMemory::builder(Custom::new(messages), memory(&history));
    vec![
        ("no tools", boxed(Custom::new(|_| said("so"))), Some(0)),
        ("a reply", boxed(Custom::new(ordered)), Some(2)),
        (
            "messages",
            boxed(Custom::new(|_| {
                said("so").with_messages([order("a"), vec![Message::ai("so")]].concat())
            })),
            Some(2),
        ),
        (
            "a call without its result",
            boxed(Custom::new(|_| {
                let [call, result] = &order("a")[..] else { panic!() };
                let more = order("b").swap_remove(0);
                let messages = vec![more, call.clone(), result.clone(), Message::ai("so")];
                said("so").with_messages(messages)
            })),
            None,
        ),
        ("a step that calls tools", boxed(sequence), None),
        (
            "a router that cannot be read",
            boxed(route_of(looped(Reply::new(Message::ai("no"))))),
            None,
        ),
        ("a router that calls tools", boxed(route_of(looped(calling()))), None),
        (
            "a turn that was not saved",
            boxed(with_memory.allow_unused("chat_history").build().unwrap()),
            None,
        ),
    ]
}

#[tokio::test]
async fn tools_do_not_run_again_by_any_rule() {
    for index in 0..cases().len() {
        for streamed in [false, true] {
            let (name, first, expected) = cases().swap_remove(index);
            let model = ScriptedChat::new(["done"]);
            let chain = FallbackChain::builder(first).fallback(next(&model)).when(|_| true);
            let chain = chain.build().unwrap();
            let inputs = vars! { "human_input" => "hi", "x" => "" };
            let result = if streamed {
                match chain.stream(inputs).await {
                    Ok(stream) => {
                        stream.into_outcome().await.map(|outcome| outcome.unwrap().text())
                    }
                    Err(error) => Err(error),
                }
            } else {
                chain.invoke(inputs).await.map(|outcome| outcome.text())
            };
            let after: Vec<_> =
                model.requests().iter().map(|request| request.messages.len() - 1).collect();
            assert_eq!(after, Vec::from_iter(expected), "{name}, {streamed}: {result:?}");
            assert_eq!(result.is_ok(), expected.is_some(), "{name}, {streamed}");
        }
    }
}

/// The third chain has what each of the others has done, once.
#[tokio::test]
async fn each_chain_goes_on_after_those_before_it() {
    for nested in [false, true] {
        let cause = ModelError::custom("busy", true, None);
        let failed = cause.after_tools(&Messages::from(order("a")));
        let first = llm("{human_input}", ScriptedChat::new([ScriptedReply::from(failed)]), "text");
        let (model, second) = (ScriptedChat::new(["done"]), Custom::new(ordered));
        let builder = if nested {
            let both = FallbackChain::builder(first).fallback(second).build().unwrap();
            FallbackChain::builder(both)
        } else {
            FallbackChain::builder(first).fallback(second)
        };
        let chain = builder.fallback(next(&model)).build().unwrap();
        let outcome = chain.invoke(vars! { "human_input" => "hi" }).await.unwrap();
        let ids = |messages: &Messages| -> Vec<String> {
            messages.iter().filter_map(Message::tool_call_id).map(str::to_owned).collect()
        };
        assert_eq!(ids(&model.requests()[0].messages), ["a", "b"], "{nested}");
        assert_eq!(ids(&outcome.reply.unwrap().intermediate), ["a", "b"], "{nested}");
    }
}

/// The answers of a router and of a step were paid for.
#[tokio::test]
async fn the_error_has_the_answer_of_a_step() {
    for calls in [false, true] {
        let reply = if calls { calling() } else { Reply::new(Message::ai("I think so.")) };
        let prompt = PromptTemplate::from_template("{human_input}").unwrap();
        let router = LlmChain::builder().prompt(prompt).model(looped(reply.clone()));
        let chain = RouterChain::builder()
            .router(LlmRouter::new(router.build().unwrap()))
            .destination("a", Joining::parse("human_input -> text"))
            .default_chain(Joining::parse("human_input -> text"))
            .build()
            .unwrap();
        let error = chain.invoke(vars! { "human_input" => "hi" }).await.map(drop).unwrap_err();
        let ChainError::Step(failed) = error else { panic!("{error}") };
        let found = match failed.source {
            ChainError::Parse { answers, .. } if !calls => answers[0].clone(),
            ChainError::StepToolCalls(answer) if calls => answer.reply.unwrap(),
            other => panic!("{other}"),
        };
        assert_eq!((found.message, found.intermediate.len()), (reply.message, 2));
    }
}

//! The kinds of chains of chains under simulation.

use std::{convert::Infallible, sync::Arc};

use conversant_chains::{
    Chain, FallbackChain, FnRouter, LlmChain, ParallelChain, Route, RouterChain, SequentialChain,
};
use conversant_core::Variables;
use conversant_prompts::{ChatPromptTemplate, MessageTemplate, MessagesPlaceholder};
use conversant_testkit::simulation::Environment;

use super::llm;

/// A kind of chain of chains.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// One LLM chain.
    Single,
    Sequence,
    Router,
    Fallback,
    Branches,
    /// A sequence of a fallback and a router.
    Nested,
}

pub const KINDS: [Kind; 6] =
    [Kind::Single, Kind::Sequence, Kind::Router, Kind::Fallback, Kind::Branches, Kind::Nested];

/// Returns a chain of a kind, without a memory.
pub fn chain(kind: Kind, environment: &Environment) -> Arc<dyn Chain> {
    let first = || llm(environment);
    match kind {
        Kind::Single => Arc::new(first().build().unwrap()),
        Kind::Sequence => {
            let draft = first().output_key("draft").build().unwrap();
            let chain = SequentialChain::builder().chain(draft).chain(on_draft(environment));
            Arc::new(chain.build().unwrap())
        }
        Kind::Router => Arc::new(
            RouterChain::builder()
                .router(FnRouter::new(["human_input"], by_number))
                .destination("even", first().build().unwrap())
                .destination("odd", first().build().unwrap())
                .default_chain(chain(Kind::Sequence, environment))
                .build()
                .unwrap(),
        ),
        Kind::Fallback => {
            let fallback = FallbackChain::builder(first().build().unwrap());
            Arc::new(fallback.fallback(first().build().unwrap()).build().unwrap())
        }
        Kind::Branches => Arc::new(
            ParallelChain::builder()
                .branch("text", first().build().unwrap())
                .branch("other", first().build().unwrap())
                .build()
                .unwrap(),
        ),
        Kind::Nested => {
            let first_step = |key| first().output_key(key).build().unwrap();
            let fallback = FallbackChain::builder(first_step("draft"));
            let fallback = fallback.fallback(first_step("draft")).build().unwrap();
            let router = RouterChain::builder()
                .router(FnRouter::new(["human_input"], by_number))
                .destination("even", on_draft(environment))
                .default_chain(on_draft(environment));
            let router = router.build().unwrap();
            Arc::new(SequentialChain::builder().chain(fallback).chain(router).build().unwrap())
        }
    }
}

/// Returns a step that asks the model with the output of the step before it.
pub fn on_draft(environment: &Environment) -> LlmChain {
    asking(environment, ChatPromptTemplate::from_template("{draft}").unwrap())
}

/// Returns such a step that has the conversation in its prompt.
pub fn on_draft_and_history(environment: &Environment) -> LlmChain {
    let prompt = ChatPromptTemplate::from_messages((
        MessagesPlaceholder::new("chat_history"),
        MessageTemplate::human("{draft}"),
    ));
    asking(environment, prompt.unwrap())
}

fn asking(environment: &Environment, prompt: ChatPromptTemplate) -> LlmChain {
    LlmChain::builder().prompt(prompt).model(environment.model()).build().unwrap()
}

/// Routes by the number of the question: one of them by name, the others to the default.
fn by_number(variables: &Variables) -> Result<Route, Infallible> {
    let question = variables.get("human_input").map(|value| value.to_text().into_owned());
    let is_even = question.is_some_and(|text| text.ends_with(['0', '2', '4', '6', '8']));
    Ok(if is_even { Route::to("even") } else { Route::to_default() })
}

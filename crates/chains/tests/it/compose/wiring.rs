//! The check of names when a chain of chains is built: all faults at once.

use std::convert::Infallible;

use conversant_chains::{
    Chain, ConversationChain, FallbackChain, FnRouter, LlmRouter, ParallelChain, Route, Router,
    RouterChain, SequentialChain, SequentialChainBuilder, SimpleSequentialChain, WiringError,
};
use conversant_core::vars;
use conversant_memory::{BufferMemory, SimpleMemory};
use conversant_prompts::PromptTemplate;
use conversant_testkit::ScriptedChat;

use super::{Joining, boxed};

fn sequence(steps: &str) -> SequentialChainBuilder {
    let steps = Joining::parse_all(steps);
    steps.into_iter().fold(SequentialChain::builder(), SequentialChainBuilder::chain)
}

fn simple(steps: &str) -> Result<SimpleSequentialChain, WiringError> {
    let steps = Joining::parse_all(steps);
    steps
        .into_iter()
        .fold(SimpleSequentialChain::builder(), |builder, step| builder.chain(step))
        .build()
}

fn conversation(template: &str) -> Result<ConversationChain, WiringError> {
    let prompt = PromptTemplate::from_template(template).unwrap();
    let model = ScriptedChat::new(["hi"]);
    ConversationChain::builder().prompt(prompt).model(model).memory(BufferMemory::new()).build()
}

fn router() -> FnRouter {
    FnRouter::new(["q"], |_: &_| Ok::<_, Infallible>(Route::to_default()))
}

#[test]
fn faults() {
    let model = || ScriptedChat::new(["hi"]);
    let facts = |text: &str| SimpleMemory::new(super::variables(text));
    let destinations = [("physics", "laws"), ("maths", "sums")];
    let told: Vec<(&str, Result<(), WiringError>)> = vec![
        ("a sequence of nothing", sequence("").build().map(drop)),
        (
            "a variable that no one provides",
            sequence("topic -> outline; outlnie tone -> text").inputs(["topic"]).build().map(drop),
        ),
        (
            "outputs whose names are taken",
            sequence("a -> b; b -> a; b -> b").inputs(["a"]).build().map(drop),
        ),
        (
            "an output that is a fact",
            sequence("a -> b").inputs(["a"]).memory(facts("b=1")).build().map(drop),
        ),
        (
            "an output of which an earlier step is in need",
            sequence("late -> b; b -> late").build().map(drop),
        ),
        (
            "an output that no step makes",
            sequence("a -> text").outputs(["txet", "ghost"]).build().map(drop),
        ),
        (
            "inputs that are not used, or facts too",
            sequence("a -> b").inputs(["a", "aa", "z"]).memory(facts("z=1")).build().map(drop),
        ),
        (
            "a conversation that no step sees",
            sequence("a -> b").memory(BufferMemory::new()).build().map(drop),
        ),
        ("a reserved name", sequence("a -> stop").build().map(drop)),
        (
            "everything at once",
            sequence("a missing -> b; b -> a c; also -> b")
                .inputs(["a", "spare"])
                .outputs(["d"])
                .build()
                .map(drop),
        ),
        ("a simple sequence of nothing", simple("").map(drop)),
        (
            "steps that are not simple",
            simple("a -> b; b c -> d; -> e; a -> f g; a b -> ").map(drop),
        ),
        ("a conversation of nothing", ConversationChain::builder().build().map(drop)),
        (
            "a conversation with one variable more",
            conversation("{history} {input} {mood}").map(drop),
        ),
        ("a conversation without its history", conversation("{input}").map(drop)),
        ("a conversation without its input", conversation("{history}").map(drop)),
        (
            "a conversation whose input is the memory's",
            ConversationChain::builder()
                .prompt(PromptTemplate::from_template("{history}").unwrap())
                .model(model())
                .memory(BufferMemory::new())
                .input_key("history")
                .build()
                .map(drop),
        ),
        ("a router of nothing", RouterChain::builder().build().map(drop)),
        (
            "destinations that do not fit, and no default chain",
            RouterChain::builder()
                .router(router())
                .destination("a", Joining::parse("q -> text"))
                .destination("b", Joining::parse("q -> answer"))
                .build()
                .map(drop),
        ),
        (
            "destinations that do not fit",
            RouterChain::builder()
                .router(LlmRouter::for_destinations(model(), destinations))
                .destination("phsyics", Joining::parse("input -> text"))
                .destination("law", Joining::parse("input -> answer"))
                .destination("law", Joining::parse("input -> text"))
                .default_chain(Joining::parse("input -> text"))
                .build()
                .map(drop),
        ),
        (
            "a memory that no destination uses",
            RouterChain::builder()
                .router(router())
                .destination("a", Joining::parse("q -> text"))
                .default_chain(Joining::parse("q -> text"))
                .memory(BufferMemory::new())
                .build()
                .map(drop),
        ),
        ("branches of nothing", ParallelChain::builder().build().map(drop)),
        (
            "branches that do not fit",
            ParallelChain::builder()
                .branch("a", Joining::parse("x -> y"))
                .branch("a", Joining::parse("x -> y"))
                .branch("b", Joining::parse("x -> y z"))
                .build()
                .map(drop),
        ),
        (
            "a fallback of nothing",
            FallbackChain::builder(Joining::parse("a -> b")).build().map(drop),
        ),
        (
            "fallbacks that do not fit",
            FallbackChain::builder(Joining::parse("a -> b c"))
                .fallback(Joining::parse("a -> c b"))
                .fallback(Joining::parse("a -> b"))
                .build()
                .map(drop),
        ),
    ];
    let told: Vec<_> = told
        .into_iter()
        .map(|(name, result)| format!("## {name}\n{}\n", result.unwrap_err()))
        .collect();
    insta::assert_snapshot!(told.join("\n"));
}

/// A question for such a destination would fail after the routing model was paid.
#[test]
fn destinations_that_are_never_chosen_are_refused() {
    let model = || ScriptedChat::new(["hi"]);
    let chain = || Joining::parse("q input -> text");
    let routers: [(Box<dyn Router>, &[&str]); 3] = [
        (Box::new(router()), &["", "default", " maths "]),
        (
            Box::new(LlmRouter::new(super::llm("{q}", model(), "text"))),
            &["", "Default", "maths ", "\nlaw", "two words"],
        ),
        (
            Box::new(
                LlmRouter::new(super::llm("{q}", model(), "text"))
                    .with_default_destination(" None\n"),
            ),
            &["DEFAULT", "none"],
        ),
    ];
    let told = routers.map(|(router, names)| {
        let builder = RouterChain::builder().router(router).default_chain(chain());
        let builder =
            names.iter().fold(builder, |builder, name| builder.destination(*name, chain()));
        builder.build().unwrap_err().to_string()
    });
    insta::assert_snapshot!(told.join("\n"), @r"
    cannot build the chain: the router never chooses destination ``; rename it
    cannot build the chain:
    - the router never chooses destination ``; rename it
    - the router never chooses destination `Default`; rename it
    - the router never chooses destination `maths `; rename it
    - the router never chooses destination `
    law`; rename it
    cannot build the chain: the router never chooses destination `none`; rename it
    ");
}

#[tokio::test]
async fn what_may_be_unused_is_not_refused() {
    let chain = sequence("a -> b").inputs(["a", "spare"]).allow_unused("spare").build().unwrap();
    let missing = chain.invoke(vars! { "a" => "1" }).await.unwrap_err();
    assert_eq!(missing.to_string(), "missing input `spare`");
    let outcome = chain.invoke(vars! { "a" => "1", "spare" => "2" }).await.unwrap();
    assert_eq!(outcome.text(), "1+");
}

#[test]
fn a_chain_of_chains_has_the_names_of_its_parts() {
    let parts: Vec<(&str, Box<dyn Chain>, &str)> = vec![
        ("sequence", Box::new(sequence("a b -> c; c d -> e").build().unwrap()), "a b d -> e"),
        (
            "facts",
            Box::new(
                sequence("a f -> c").memory(SimpleMemory::new(vars! { "f" => 1 })).build().unwrap(),
            ),
            "a -> c",
        ),
        ("simple", Box::new(simple("a -> b").unwrap()), "input -> output"),
        (
            "router",
            Box::new(
                RouterChain::builder()
                    .router(router())
                    .destination("a", Joining::parse("x q -> text"))
                    .default_chain(Joining::parse("y -> text"))
                    .build()
                    .unwrap(),
            ),
            "q x y -> text",
        ),
        (
            "branches",
            Box::new(
                ParallelChain::builder()
                    .branch("one", Joining::parse("a -> x"))
                    .branch("two", boxed(Joining::parse("b a -> x")))
                    .build()
                    .unwrap(),
            ),
            "a b -> one two",
        ),
        ("conversation", Box::new(conversation("{history} {input}").unwrap()), "input -> response"),
    ];
    for (name, chain, expected) in parts {
        let slots: Vec<_> = chain.slots().iter().map(|slot| slot.name()).collect();
        let names = format!("{} -> {}", slots.join(" "), chain.outputs().join(" "));
        assert_eq!(names, expected, "{name}");
    }
}

//! Streams of chains made of chains: the text of the last step as it comes; the whole turn or
//! nothing.

use std::{convert::Infallible, sync::Arc, time::Duration};

use conversant_chains::{
    Chain, ChainStream, FallbackChain, FnRouter, LlmChain, ParallelChain, Route, RouterChain,
    SequentialChain, SimpleSequentialChain, TransformChain, WithMemory,
};
use conversant_core::{CallOptions, Delta, ModelError, vars};
use conversant_testkit::{Gate, ScriptedChat, ScriptedReply, poll_then_drop};

use super::{Joining, boxed, llm, written};
use crate::support::{TestHistory, chain_of, chat_prompt, memory};

async fn pieces(stream: &mut ChainStream) -> String {
    let mut pieces = Vec::new();
    while let Some(delta) = stream.next().await {
        pieces.push(match delta {
            Ok(delta) => shown(&delta),
            Err(error) => format!("error: {}", chain_of(&error)),
        });
    }
    pieces.join("|")
}

fn shown(delta: &Delta) -> String {
    match delta {
        Delta::Text(text) => text.clone(),
        Delta::Branch(branch) => format!("{}: {}", branch.branch, shown(&branch.delta)),
        Delta::Done(reply) => format!("done: {}", reply.text()),
        other => format!("{other:?}"),
    }
}

fn says(pieces: &[&str]) -> ScriptedChat {
    ScriptedChat::new([ScriptedReply::pieces(pieces.iter().copied())])
}

fn breaks(pieces: &[&str]) -> ScriptedChat {
    let broken = ModelError::custom("broken", true, None);
    ScriptedChat::new([ScriptedReply::pieces(pieces.iter().copied()).then_error(broken)])
}

/// A sequence of two models, which remembers.
fn sequence(history: &TestHistory, last: ScriptedChat) -> SequentialChain {
    SequentialChain::builder()
        .chain(llm("{human_input}", says(&["o", "ne"]), "first"))
        .chain(llm("{first} {chat_history}", last, "second"))
        .memory(memory(history))
        .build()
        .unwrap()
}

#[tokio::test]
async fn the_last_step_streams_and_the_turn_is_saved_once_at_the_end() {
    let history = TestHistory::default();
    let chain = sequence(&history, says(&["t", "wo"]));
    let mut stream = chain.stream(vars! { "human_input" => "hi" }).await.unwrap();
    assert_eq!(stream.next().await.unwrap().unwrap(), Delta::Text("t".to_owned()));
    assert_eq!(history.transcript().await, "");
    assert_eq!(pieces(&mut stream).await, "wo|done: two");
    assert_eq!(history.transcript().await, "Human: hi\nAI: two");
    assert_eq!(stream.outcome().unwrap().text(), "two");
}

#[tokio::test]
async fn every_chain_of_chains_streams() {
    let route = || FnRouter::new(["q"], |_: &_| Ok::<_, Infallible>(Route::to("there")));
    let two = || llm("{q}", says(&["t", "wo"]), "text");
    let broken = || llm("{q}", breaks(&[]), "text");
    let started = || llm("{q}", breaks(&["st"]), "text");
    let failed = "cannot call the model: cannot get an answer: broken";
    let simple = SimpleSequentialChain::builder()
        .chain(two())
        .chain(llm("{x}", says(&[" t", "wo\n"]), "text"))
        .strip_outputs(true)
        .build();
    let router = |chain: LlmChain| {
        let builder = RouterChain::builder().router(route()).destination("there", chain);
        builder.default_chain(two()).build()
    };
    let fallback = |first: LlmChain| FallbackChain::builder(first).fallback(two()).build();
    let nested = SequentialChain::builder()
        .chain(SequentialChain::builder().chain(two()).build().unwrap())
        .outputs(["text", "q"])
        .build();
    let whole =
        SequentialChain::builder().chain(two()).chain(Joining::parse("text -> end")).build();
    let branches = ParallelChain::builder().branch("a", two()).build();
    macro_rules! check {
        ($chain:expr, $pieces:expr, $outcome:expr) => {
            let mut stream =
                $chain.unwrap().stream(vars! { "q" => "hi", "input" => "x" }).await.unwrap();
            assert_eq!(pieces(&mut stream).await, $pieces);
            let outcome = stream.outcome().map(|outcome| written(&outcome.variables));
            assert_eq!(outcome.unwrap_or_default(), $outcome);
        };
    }
    check!(router(two()), "t|wo|done: two", "input=x, q=hi, text=two");
    check!(router(started()), format!("st|error: cannot run step 2 (`there`): {failed}"), "");
    check!(fallback(two()), "t|wo|done: two", "input=x, q=hi, text=two");
    check!(fallback(broken()), "t|wo|done: two", "input=x, q=hi, text=two");
    check!(fallback(started()), format!("st|error: {failed}"), "");
    check!(nested, "t|wo|done: two", "input=x, q=hi, text=two");
    check!(whole, "two+|done: two+", "end=two+, input=x, q=hi");
    check!(branches, "a: t|a: wo|a: done: two|done: two", "a=two, input=x, q=hi");
    let mut stream = simple.unwrap().stream(vars! { "input" => "x", "q" => "hi" }).await.unwrap();
    assert_eq!(pieces(&mut stream).await, " t|wo\n|done:  two\n");
    assert_eq!(stream.outcome().unwrap().text(), "two");
}

#[tokio::test]
async fn a_stream_dropped_at_any_poll_leaves_whole_turns_or_nothing() {
    let mut seen = Vec::new();
    for polls in 0.. {
        let slow_history = || TestHistory {
            before_load: Some(Gate::yielding()),
            before_commit: Some(Gate::yielding()),
            after_commit: Some(Gate::yielding()),
            ..TestHistory::default()
        };
        let (outer, inner) = (slow_history(), slow_history());
        let gate = Gate::yielding();
        let held = |pieces: [&'static str; 2]| {
            ScriptedChat::new([
                ScriptedReply::pieces(pieces).held_after(1, &gate),
                ScriptedReply::text("later"),
            ])
        };
        let step = |model: ScriptedChat, key: &'static str| {
            let builder = LlmChain::builder().prompt(chat_prompt()).model(model).output_key(key);
            builder.memory(memory(&inner)).build().unwrap()
        };
        let chain = SequentialChain::builder()
            .chain(step(held(["o", "ne"]), "first"))
            .chain(step(held(["t", "wo"]), "second"))
            .memory(memory(&outer).with_memory_key("past"))
            .allow_unused("past")
            .build()
            .unwrap();
        let call = async {
            let mut stream = chain.stream(vars! { "human_input" => "hi" }).await.unwrap();
            pieces(&mut stream).await
        };
        let done = poll_then_drop(call, polls).await;
        let (of_chain, of_steps) = (outer.transcript().await, inner.transcript().await);
        let turn = |answer: &str| format!("Human: hi\nAI: {answer}");
        let one = turn("one");
        let both = format!("{one}\n{}", turn("two"));
        assert!(["", &*turn("two")].contains(&&*of_chain), "after {polls} polls: {of_chain}");
        assert!(["", &*one, &*both].contains(&&*of_steps), "after {polls} polls: {of_steps}");
        assert!(of_chain.is_empty() || of_steps == both, "a chain without its steps: {of_steps}");
        let later = chain.predict(vars! { "human_input" => "again" }).await;
        assert!(later.is_ok(), "the next call works after {polls} polls");
        seen.push((of_chain.len(), of_steps.len()));
        if let Some(done) = done {
            assert_eq!(done, "t|wo|done: two");
            break;
        }
    }
    seen.dedup();
    assert_eq!(seen.len(), 4, "nothing, one step, both steps, all: {seen:?}");
}

#[tokio::test]
async fn a_partial_answer_of_the_last_step_is_kept_where_it_is_asked_for() {
    let gate = Gate::new();
    let held = ScriptedReply::pieces(["t", "wo"]).held_after(1, &gate);
    for last in [ScriptedChat::new([held]), breaks(&["t"])] {
        let history = TestHistory::default();
        let chain = sequence(&history, last);
        let mut stream = chain.stream(vars! { "human_input" => "hi" }).await.unwrap();
        stream.next().await.unwrap().unwrap();
        stream.save_partial().await.unwrap();
        assert_eq!(history.transcript().await, "Human: hi\nAI: t");
    }
}

#[tokio::test]
async fn a_stripped_output_is_stored_as_it_is_returned() {
    let history = TestHistory::default();
    let model = ScriptedChat::new([" one\n", " two\n"]);
    let chain = SimpleSequentialChain::builder()
        .chain(llm("{x}", model, "text"))
        .strip_outputs(true)
        .memory(memory(&history))
        .allow_unused("chat_history")
        .build()
        .unwrap();
    chain.predict(vars! { "input" => "hi" }).await.unwrap();
    chain.stream(vars! { "input" => "hi" }).await.unwrap().into_outcome().await.unwrap();
    assert_eq!(history.transcript().await, "Human: hi\nAI: one\nHuman: hi\nAI: two");
}

/// Chains of two models each, which answer at their second poll.
fn slow_chains() -> Vec<(&'static str, Arc<dyn Chain>)> {
    let model = || {
        ScriptedChat::with_handler(|_| {
            ScriptedReply::pieces(["t", "wo"]).held_after(1, &Gate::yielding())
        })
    };
    let step = |key| llm("{human_input}", model(), key);
    let next = || llm("{first}", model(), "second");
    let route = FnRouter::new_async(["human_input"], |_| async {
        Gate::yielding().pass().await;
        Ok::<_, Infallible>(Route::to("there"))
    });
    let lookup = TransformChain::new_async(["human_input"], ["text"], |_| async {
        Gate::yielding().pass().await;
        Ok::<_, Infallible>(vars! { "text" => "two" })
    });
    let simple = SimpleSequentialChain::builder().input_key("human_input");
    let branches =
        ParallelChain::builder().branch("output", step("text")).branch("b", step("text"));
    let routes = RouterChain::builder().router(route).destination("there", step("text"));
    let sequence = SequentialChain::builder().chain(step("first")).chain(next());
    let fallback = FallbackChain::builder(llm("{human_input}", breaks(&[]), "text"));
    vec![
        ("sequence", boxed(sequence.build().unwrap())),
        ("simple sequence", boxed(simple.chain(step("a")).chain(step("b")).build().unwrap())),
        ("transform", boxed(lookup.unwrap())),
        ("branches", boxed(branches.build().unwrap())),
        ("routes", boxed(routes.default_chain(step("text")).build().unwrap())),
        ("fallback", boxed(fallback.fallback(step("text")).build().unwrap())),
    ]
}

#[tokio::test]
async fn every_chain_of_chains_dropped_at_any_poll_saves_a_whole_turn_or_nothing() {
    for index in 0..slow_chains().len() {
        for streams in [false, true] {
            let mut seen = Vec::new();
            for polls in 0.. {
                let history = TestHistory {
                    before_commit: Some(Gate::yielding()),
                    after_commit: Some(Gate::yielding()),
                    ..TestHistory::default()
                };
                let (name, chain) = slow_chains().swap_remove(index);
                let chain = WithMemory::builder(chain, memory(&history))
                    .allow_unused("chat_history")
                    .build()
                    .unwrap();
                let call = async {
                    let inputs = vars! { "human_input" => "hi" };
                    if streams {
                        let stream = chain.stream(inputs).await.unwrap();
                        stream.into_outcome().await.unwrap().unwrap().text()
                    } else {
                        chain.predict(inputs).await.unwrap()
                    }
                };
                let done = poll_then_drop(call, polls).await;
                let left = history.transcript().await;
                let whole = "Human: hi\nAI: two";
                assert!(left.is_empty() || left == whole, "{name}, {polls} polls: {left}");
                seen.push((done.is_some(), !left.is_empty()));
                if let Some(text) = done {
                    assert_eq!((text.as_str(), left.as_str()), ("two", whole), "{name}");
                    break;
                }
            }
            assert!(seen.contains(&(false, true)), "dropped after the commit");
            seen.retain(|left| *left == (false, false));
            assert!(seen.len() > 2, "dropped at each wait before it: {seen:?}");
        }
    }
}

fn branch(pieces: &[&str]) -> LlmChain {
    llm("{q}", says(pieces), "text")
}

/// Pieces of branches arrive in turn; a failure is reported at the end, with the other outputs.
#[tokio::test]
async fn branches_stream_their_pieces_by_name() {
    let inner = || {
        let builder = ParallelChain::builder().branch("x", branch(&["1", "2"]));
        SequentialChain::builder().chain(builder.build().unwrap()).build().unwrap()
    };
    let two = || {
        ParallelChain::builder().branch("a", branch(&["1", "2"])).branch("b", branch(&["3", "4"]))
    };
    let failing = || two().branch("c", llm("{q}", breaks(&["5"]), "text"));
    let whole = || two().branch("c", Joining::parse("q -> end"));
    let table = [
        ("two", two().build(), "a: 1|b: 3|a: 2|b: 4|a: done: 12|b: done: 34|done: 12"),
        (
            "one at a time",
            two().branch_concurrency(1).build(),
            "a: 1|a: 2|a: done: 12|b: 3|b: 4|b: done: 34|done: 12",
        ),
        (
            "one that does not stream",
            whole().build(),
            "a: 1|b: 3|c: hi+|a: 2|b: 4|c: done: hi+|a: done: 12|b: done: 34|done: 12",
        ),
        (
            "one that fails",
            failing().build(),
            "a: 1|b: 3|c: 5|a: 2|b: 4|a: done: 12|b: done: 34|error: \
             cannot run branch `c`: cannot call the model: cannot get an answer: broken",
        ),
        (
            "a branch of branches",
            ParallelChain::builder().branch("o", inner()).build(),
            "o: x: 1|o: x: 2|o: x: done: 12|o: done: 12|done: 12",
        ),
    ];
    for (name, chain, expected) in table {
        let mut stream = chain.unwrap().stream(vars! { "q" => "hi" }).await.unwrap();
        assert_eq!(pieces(&mut stream).await, expected, "{name}");
        if let Some(outcome) = stream.outcome() {
            assert!(written(&outcome.variables).contains("=12"), "{name}");
        }
    }
}

/// The text that was received of the first output can be kept, and that of no other.
#[tokio::test]
async fn a_partial_answer_of_branches_is_that_of_the_first_output() {
    for (output, kept) in [("a", "Human: hi\nAI: t"), ("b", "")] {
        let (history, gate) = (TestHistory::default(), Gate::new());
        let held = || {
            let held = ScriptedReply::pieces(["t", "wo"]).held_after(1, &gate);
            llm("{human_input}", ScriptedChat::new([held]), "text")
        };
        let chain = ParallelChain::builder()
            .branch("a", held())
            .branch("b", held())
            .memory(memory(&history).with_output_key(output))
            .allow_unused("chat_history")
            .build()
            .unwrap();
        let mut stream = chain.stream(vars! { "human_input" => "hi" }).await.unwrap();
        stream.next().await.unwrap().unwrap();
        stream.next().await.unwrap().unwrap();
        assert_eq!(stream.save_partial().await.is_ok(), !kept.is_empty());
        assert_eq!(history.transcript().await, kept);
    }
}

/// The text of the first output is the one that its branch would return, for any chain.
#[tokio::test]
async fn the_first_output_of_branches_is_kept_of_any_chain() {
    let text = |pieces: &[&str]| llm("{human_input}", says(pieces), "text");
    let sequence = |output: &'static str| {
        let last = llm("{first}", says(&["t", "wo"]), "second");
        let chain = SequentialChain::builder().chain(llm("{human_input}", says(&["one"]), "first"));
        boxed(chain.chain(last).outputs([output]).build().unwrap())
    };
    let nested = ParallelChain::builder().branch("x", text(&["t", "wo"])).build().unwrap();
    let table = [
        ("a sequence", sequence("second"), 1, "t"),
        ("a sequence that returns another output", sequence("first"), 2, ""),
        ("the same, at its end", sequence("first"), 3, "one"),
        ("a chain that does not stream", boxed(Joining::parse("human_input -> text")), 1, "hi+"),
        ("a branch of branches", boxed(nested), 1, "t"),
        ("a branch that has ended", boxed(text(&["t", "wo"])), 4, "two"),
        ("one that has failed", boxed(llm("{human_input}", breaks(&["t"]), "text")), 2, "t"),
    ];
    for (name, first, pieces, kept) in table {
        let history = TestHistory::default();
        let chain = ParallelChain::builder()
            .branch("a", first)
            .branch("b", text(&["three", "four"]))
            .branch_concurrency(1)
            .memory(memory(&history).with_output_key("a"))
            .allow_unused("chat_history")
            .build()
            .unwrap();
        let mut stream = chain.stream(vars! { "human_input" => "hi" }).await.unwrap();
        for _ in 0..pieces {
            stream.next().await.unwrap().unwrap();
        }
        assert_eq!(stream.save_partial().await.is_ok(), !kept.is_empty(), "{name}");
        let stored = if kept.is_empty() { String::new() } else { format!("Human: hi\nAI: {kept}") };
        assert_eq!(history.transcript().await, stored, "{name}");
    }
}

/// A sequence whose first output is not that of its last step keeps no partial answer, nor does one
/// whose last step is such a sequence.
#[tokio::test]
async fn text_that_is_not_the_first_output_is_not_kept_as_it() {
    for is_nested in [false, true] {
        let (history, gate) = (TestHistory::default(), Gate::new());
        let held = ScriptedReply::pieces(["t", "wo"]).held_after(1, &gate);
        let mut chain = SequentialChain::builder()
            .chain(llm("{human_input}", says(&["one"]), "first"))
            .chain(llm("{first} {chat_history}", ScriptedChat::new([held]), "second"))
            .outputs(["first"]);
        if is_nested {
            chain = SequentialChain::builder().chain(chain.build().unwrap());
        }
        let chain = chain.memory(memory(&history)).build().unwrap();
        let mut stream = chain.stream(vars! { "human_input" => "hi" }).await.unwrap();
        stream.next().await.unwrap().unwrap();
        assert!(stream.save_partial().await.is_err());
        assert_eq!(history.transcript().await, "");
    }
}

/// The deadline ends all branches, and nothing is saved.
#[tokio::test]
async fn the_deadline_of_a_stream_ends_all_branches() {
    let (history, gate) = (TestHistory::default(), Gate::new());
    let held = || {
        let held = ScriptedReply::pieces(["t", "wo"]).held_after(1, &gate);
        llm("{human_input}", ScriptedChat::new([held]), "text")
    };
    let chain = ParallelChain::builder()
        .branch("a", held())
        .branch("b", held())
        .memory(memory(&history).with_output_key("a"))
        .allow_unused("chat_history")
        .build()
        .unwrap();
    let options = CallOptions::new().with_timeout(Duration::ZERO);
    let stream = chain.stream_with(vars! { "human_input" => "hi" }, options).await.unwrap();
    let error = stream.into_outcome().await.unwrap_err();
    assert!(error.is_deadline(), "{error}");
    assert_eq!(history.transcript().await, "");
}

//! Many calls at once.

use conversant_chains::LlmChain;
use conversant_core::{CallOptions, Variables, vars};
use conversant_prompts::PromptTemplate;
use conversant_testkit::{Gate, ScriptedChat, ScriptedReply, poll_then_drop};

use crate::support::{TestHistory, chain};

fn inputs(count: usize) -> Vec<Variables> {
    (0..count).map(|n| vars! { "human_input" => format!("q{n}") }).collect()
}

fn echo() -> ScriptedChat {
    ScriptedChat::with_handler(|request| {
        ScriptedReply::text(request.messages.last().unwrap().text())
    })
}

#[tokio::test]
async fn results_are_in_order_each_its_own() {
    let prompt = PromptTemplate::from_template("{human_input}").unwrap();
    let chain = LlmChain::builder().prompt(prompt).model(echo()).build().unwrap();
    let mut inputs = inputs(20);
    inputs[3] = vars! {};
    let texts: Vec<_> = chain
        .apply(inputs)
        .await
        .into_iter()
        .map(|result| {
            result.map(|outcome| outcome.text()).unwrap_or_else(|error| error.to_string())
        })
        .collect();
    let mut expected: Vec<_> = (0..20).map(|n| format!("q{n}")).collect();
    expected[3] = "missing input `human_input`".to_owned();
    assert_eq!(texts, expected);
}

#[tokio::test]
async fn without_a_memory_eight_run_at_once() {
    let gate = Gate::new();
    let model = ScriptedChat::with_handler({
        let gate = gate.clone();
        move |_| ScriptedReply::text("x").held_by(&gate)
    });
    let prompt = PromptTemplate::from_template("{human_input}").unwrap();
    let chain = LlmChain::builder().prompt(prompt).model(model.clone()).build().unwrap();
    let calls = tokio::spawn(async move { chain.apply(inputs(20)).await.len() });
    gate.reached(8).await;
    tokio::task::yield_now().await;
    assert_eq!(model.requests().len(), 8);
    gate.open();
    assert_eq!(calls.await.unwrap(), 20);
}

#[tokio::test]
async fn with_a_memory_they_are_turns_one_after_the_other() {
    let history = TestHistory::default();
    let model = echo();
    chain(&model, &history).apply(inputs(3)).await;
    assert_eq!(
        history.transcript().await,
        "Human: q0\nAI: q0\nHuman: q1\nAI: q1\nHuman: q2\nAI: q2"
    );
    let lengths: Vec<_> = model.requests().iter().map(|request| request.messages.len()).collect();
    assert_eq!(lengths, [1, 3, 5]);
}

#[tokio::test]
async fn results_are_returned_as_the_calls_end() {
    let gates: Vec<_> = (0..4).map(|_| Gate::new()).collect();
    let model = ScriptedChat::with_handler({
        let gates = gates.clone();
        move |request| {
            let text = request.messages.last().unwrap().text();
            let index: usize = text[1..].parse().unwrap();
            ScriptedReply::text(text.into_owned()).held_by(&gates[index])
        }
    });
    let prompt = PromptTemplate::from_template("{human_input}").unwrap();
    let chain =
        LlmChain::builder().prompt(prompt).model(model.clone()).concurrency(3).build().unwrap();
    let mut given = inputs(4);
    given[1] = vars! {};
    let mut batch = chain.apply_as_completed(given);
    let mut told = Vec::new();
    for gate in [None, Some(&gates[3]), Some(&gates[0]), Some(&gates[2])] {
        gate.into_iter().for_each(Gate::open);
        let (index, result) = batch.next().await.unwrap();
        let text = result.map_or_else(|error| error.to_string(), |outcome| outcome.text());
        told.push(format!("{}/{} {index}: {text}", batch.completed(), batch.len()));
    }
    assert!(batch.next().await.is_none());
    let missing = "1/4 1: missing input `human_input`";
    assert_eq!(told, [missing, "2/4 3: q3", "3/4 0: q0", "4/4 2: q2"]);
}

#[tokio::test]
async fn a_batch_that_is_dropped_drops_the_calls_that_run() {
    let model = ScriptedChat::with_handler(|_| ScriptedReply::hang());
    let prompt = PromptTemplate::from_template("{human_input}").unwrap();
    let chain =
        LlmChain::builder().prompt(prompt).model(model.clone()).concurrency(2).build().unwrap();
    let mut batch = chain.apply_as_completed_with(inputs(5), CallOptions::new());
    assert!(poll_then_drop(batch.next(), 1).await.is_none());
    assert_eq!((model.requests().len(), model.abandoned()), (2, 0));
    drop(batch);
    assert_eq!(model.abandoned(), 2);
}

#[tokio::test]
async fn the_calls_of_a_batch_are_turns_of_one_conversation() {
    let history = TestHistory::default();
    let mut batch = chain(&echo(), &history).apply_as_completed(inputs(3));
    let mut order = Vec::new();
    while let Some((index, result)) = batch.next().await {
        result.unwrap();
        order.push(index);
    }
    assert_eq!(order, [0, 1, 2]);
    assert_eq!(history.transcript().await.matches("Human").count(), 3);
}

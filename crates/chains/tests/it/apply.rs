//! Many calls at once.

use conversant_chains::LlmChain;
use conversant_core::{Variables, vars};
use conversant_prompts::PromptTemplate;
use conversant_testkit::{Gate, ScriptedChat, ScriptedReply};

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

//! Steps, branches and fallbacks that fail: what was paid for is in the error.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use conversant_chains::{
    Chain, ChainError, FallbackChain, FnRouter, LlmChain, ParallelChain, RouterChain,
    SequentialChain, TransformChain, WithMemory,
};
use conversant_core::{
    CallOptions, ChatHistory, Expect, LanguageModel, LoadContext, Loaded, Memory, MemoryError,
    Message, ModelError, Range, Reply, Saved, Slot, Ticket, TimeoutPhase, ToolCall, ToolDefinition,
    Turn, TurnId, Variables, async_trait, vars,
};
use conversant_memory::InMemoryHistory;
use conversant_prompts::PromptTemplate;
use conversant_testkit::{Gate, ScriptedChat, ScriptedReply};
use serde_json::json;

use super::{Joining, boxed, llm, written};
use crate::support::{PATIENCE, TestHistory, chain_of, chat_memory, memory, session};

fn broken() -> ModelError {
    ModelError::custom("broken", true, None)
}

fn says(text: &str) -> ScriptedChat {
    ScriptedChat::new([text])
}

#[tokio::test]
async fn a_step_that_fails_returns_the_outputs_before_it() {
    for stream in [false, true] {
        let history = TestHistory::default();
        let chain = SequentialChain::builder()
            .chain(llm("{human_input}", says("one"), "first"))
            .chain(llm("{first}", says("two"), "second"))
            .chain(llm("{second}", ScriptedChat::new([broken()]), "third"))
            .memory(memory(&history))
            .allow_unused("chat_history")
            .build()
            .unwrap();
        let inputs = vars! { "human_input" => "hi" };
        let error = if stream {
            chain.stream(inputs).await.map(drop).unwrap_err()
        } else {
            chain.invoke(inputs).await.map(drop).unwrap_err()
        };
        let told =
            "cannot run step 3 (`LLMChain`): cannot call the model: cannot get an answer: broken";
        assert_eq!(chain_of(&error), told);
        assert!(error.is_retryable());
        let ChainError::Step(failed) = error else { panic!("{error}") };
        assert_eq!(written(&failed.outputs), "first=one, second=two");
        assert_eq!(history.transcript().await, "");
    }
}

/// A function is user code, and what earlier steps have made was paid for.
#[tokio::test]
async fn a_function_that_panics_is_a_step_that_fails() {
    let routed = |router| {
        let chain = RouterChain::builder().router(router);
        let chain = chain.destination("a", llm("{first}", says("never"), "second"));
        chain.default_chain(llm("{first}", says("never"), "second")).build().unwrap()
    };
    let panics: fn(&Variables) -> Result<Variables, ModelError> = |_| panic!("user code");
    let in_future = |_| async { panic!("user code") };
    let steps: Vec<Arc<dyn Chain>> = vec![
        Arc::new(TransformChain::new(["first"], ["second"], panics).unwrap()),
        Arc::new(
            TransformChain::new_async::<ModelError, _>(["first"], ["second"], in_future).unwrap(),
        ),
        Arc::new(routed(FnRouter::new::<ModelError>(["first"], |_| panic!("user code")))),
        Arc::new(routed(FnRouter::new_async::<ModelError, _>(["first"], |_| async {
            panic!("user code")
        }))),
    ];
    for step in steps {
        let chain = SequentialChain::builder()
            .chain(llm("{human_input}", says("one"), "first"))
            .chain(step)
            .build()
            .unwrap();
        let error = chain.invoke(vars! { "human_input" => "hi" }).await.map(drop).unwrap_err();
        assert!(chain_of(&error).ends_with("the function panicked"), "{}", chain_of(&error));
        let ChainError::Step(failed) = error else { panic!("{error}") };
        assert_eq!(written(&failed.outputs), "first=one");
    }
}

/// A memory whose release takes a moment.
struct SlowToRelease([Slot; 0]);

#[async_trait]
impl Memory for SlowToRelease {
    fn variables(&self) -> &[Slot] {
        &self.0
    }
    fn saves_turns(&self) -> bool {
        false
    }
    async fn load(&self, _: LoadContext<'_>) -> Result<Loaded, MemoryError> {
        Ok(Loaded::new(vars! {}))
    }
    async fn save(&self, _: &Turn, _: Ticket) -> Result<Saved, MemoryError> {
        Ok(Saved::default())
    }
    async fn abandon(&self, _: Ticket) {
        tokio::task::yield_now().await;
    }
    async fn clear(&self) -> Result<(), MemoryError> {
        Ok(())
    }
}

/// The deadline of the sequence is also that of its step, which has something to release.
#[tokio::test]
async fn a_step_that_ends_by_the_deadline_returns_the_outputs_before_it() {
    for stream in [false, true] {
        let mut found = None;
        for patience in PATIENCE {
            let step = LlmChain::builder()
                .prompt(PromptTemplate::from_template("{first}").unwrap())
                .model(ScriptedChat::new([ScriptedReply::hang()]))
                .memory(SlowToRelease([]))
                .build()
                .unwrap();
            let chain = SequentialChain::builder()
                .chain(llm("{human_input}", says("one"), "first"))
                .chain(step)
                .build()
                .unwrap();
            let (inputs, options) =
                (vars! { "human_input" => "hi" }, CallOptions::new().with_timeout(patience));
            let error = if stream {
                chain.stream_with(inputs, options).await.map(drop).unwrap_err()
            } else {
                chain.invoke_with(inputs, options).await.map(drop).unwrap_err()
            };
            assert!(error.is_deadline(), "{error}");
            // On a busy machine the deadline may pass before the second step.
            if let ChainError::Step(failed) = error
                && failed.step == 1
            {
                found = Some(written(&failed.outputs));
                break;
            }
        }
        assert_eq!(found.as_deref(), Some("first=one"), "stream {stream}");
    }
}

#[tokio::test]
async fn a_step_with_a_memory_keeps_its_turn_though_a_later_step_fails() {
    let history = TestHistory::default();
    let chain = SequentialChain::builder()
        .chain(crate::support::chain(&says("one"), &history))
        .chain(llm("{text}", ScriptedChat::new([broken()]), "second"))
        .build()
        .unwrap();
    chain.invoke(vars! { "human_input" => "hi" }).await.unwrap_err();
    assert_eq!(history.transcript().await, "Human: hi\nAI: one");
}

#[tokio::test]
async fn a_turn_of_a_step_that_was_not_saved_is_in_the_error() {
    let history = TestHistory::default();
    history.fail_next("append");
    let chain = SequentialChain::builder()
        .chain(crate::support::chain(&says("one"), &history))
        .build()
        .unwrap();
    let error = chain.invoke(vars! { "human_input" => "hi" }).await.unwrap_err();
    let not_saved = error.not_saved().unwrap();
    assert_eq!(not_saved.text.as_str(), "one");
    // The turn is that of the step's conversation, where it can be stored by its id.
    assert!(matches!(error, ChainError::Step(_)));
    let lacking = not_saved.session.as_ref().unwrap();
    assert_eq!(*lacking, session());
    history.inner.append(lacking, &not_saved.turn, Expect::Any).await.unwrap();
    assert_eq!(history.transcript().await, "Human: hi\nAI: one");
}

/// A sequence of a step with a memory, whose model has several answers, and of a step that fails
/// at first.
fn repeated_sequence(
    answers: &ScriptedChat,
    history: &(impl ChatHistory + Clone + 'static),
) -> SequentialChain {
    let first = LlmChain::builder()
        .prompt(crate::support::chat_prompt())
        .model(answers.clone())
        .memory(chat_memory(history))
        .build()
        .unwrap();
    let second = ScriptedChat::new([broken().into(), ScriptedReply::text("two")]);
    SequentialChain::builder().chain(first).chain(llm("{text}", second, "end")).build().unwrap()
}

#[tokio::test]
async fn a_repeated_call_finds_the_answer_of_a_step() {
    let (model, history) = (ScriptedChat::new(["one", "again"]), InMemoryHistory::new());
    let chain = repeated_sequence(&model, &history);
    let options = CallOptions::new().with_turn_id(TurnId::random());
    let call = |words: &str| chain.invoke_with(vars! { "human_input" => words }, options.clone());
    call("hi").await.unwrap_err();
    assert_eq!(call("hi").await.unwrap().text(), "two");
    assert_eq!(model.requests().len(), 1);
    let error = call("bye").await.unwrap_err();
    assert_eq!((error.class(), error.http_status()), ("turn_id", 409));
    assert_eq!(model.requests().len(), 1);
    let stored = history.load(&session(), Range::All).await.unwrap();
    assert_eq!(stored.messages.to_string(), "Human: hi\nAI: one");
}

/// The store cannot list turns, so that the model of the step is called again.
#[tokio::test]
async fn another_answer_of_a_repeated_step_is_in_the_error() {
    let (model, history) = (ScriptedChat::new(["one", "again", "one"]), TestHistory::default());
    let chain = repeated_sequence(&model, &history);
    let options = CallOptions::new().with_turn_id(TurnId::random());
    let call = || chain.invoke_with(vars! { "human_input" => "hi" }, options.clone());
    call().await.unwrap_err();
    crate::id_in_use::assert_not_saved(&call().await.unwrap_err(), "again", false);
    assert_eq!(call().await.unwrap().text(), "two");
    assert_eq!(history.transcript().await, "Human: hi\nAI: one");
}

#[tokio::test]
async fn two_steps_of_one_conversation_store_a_turn_each() {
    let history = TestHistory::default();
    let first = crate::support::chain(&says("one"), &history);
    let second = LlmChain::builder()
        .prompt(crate::support::chat_prompt())
        .model(says("two"))
        .memory(memory(&history))
        .output_key("end")
        .build()
        .unwrap();
    let chain = SequentialChain::builder().chain(first).chain(second).build().unwrap();
    chain.invoke(vars! { "human_input" => "hi" }).await.unwrap();
    assert_eq!(history.transcript().await, "Human: hi\nAI: one\nHuman: hi\nAI: two");
}

#[tokio::test]
async fn the_deadline_ends_a_step() {
    let history = TestHistory::default();
    let slow = || ScriptedChat::with_handler(|_| ScriptedReply::hang());
    let says = |text: &'static str| ScriptedChat::with_handler(move |_| ScriptedReply::text(text));
    let sequence = SequentialChain::builder()
        .chain(llm("{human_input}", says("one"), "first"))
        .chain(llm("{first}", slow(), "second"))
        .build()
        .unwrap();
    let branches = ParallelChain::builder()
        .branch("a", llm("{human_input}", says("one"), "text"))
        .branch("b", llm("{human_input}", slow(), "text"))
        .build()
        .unwrap();
    let fallback = FallbackChain::builder(llm("{human_input}", slow(), "text"))
        .fallback(llm("{human_input}", says("one"), "text"))
        .build()
        .unwrap();
    for chain in [boxed(sequence), boxed(branches), boxed(fallback)] {
        let keyed = memory(&history).with_output_key(chain.outputs()[0].to_string());
        let chain = WithMemory::builder(chain, keyed).allow_unused("chat_history").build().unwrap();
        let options = CallOptions::new().with_deadline(Instant::now() + Duration::from_millis(20));
        let inputs = || vars! { "human_input" => "hi" };
        let error = chain.invoke_with(inputs(), options.clone()).await.unwrap_err();
        assert!(error.is_deadline(), "{}", chain_of(&error));
        let error = match chain.stream_with(inputs(), options).await {
            Ok(stream) => stream.into_outcome().await.map(drop).unwrap_err(),
            Err(error) => error,
        };
        assert!(error.is_deadline(), "{}", chain_of(&error));
    }
    assert_eq!(history.transcript().await, "");
}

#[tokio::test]
async fn all_branches_run_to_their_end() {
    let lost = ScriptedChat::new([ModelError::Cancelled]);
    let chain = ParallelChain::builder()
        .branch("one", llm("{q}", says("1"), "text"))
        .branch("two", llm("{q}", ScriptedChat::new([broken()]), "text"))
        .branch("three", Joining::parse("q -> x"))
        .branch("four", llm("{q}", lost, "text"))
        .build()
        .unwrap();
    let error = chain.invoke(vars! { "q" => "hi" }).await.unwrap_err();
    let told =
        "cannot run branches `two`, `four`: cannot call the model: cannot get an answer: broken";
    assert_eq!(chain_of(&error), told);
    assert!(!error.is_retryable(), "one of them is not");
    let ChainError::Branches(failed) = error else { panic!("{error}") };
    assert_eq!(written(&failed.outputs), "one=1, three=hi+");
    let names: Vec<_> = failed.failures.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["two", "four"]);
}

#[tokio::test]
async fn branches_run_at_the_same_time_up_to_a_limit() {
    for (limit, expected) in [(None, 5), (Some(2), 2), (Some(0), 1)] {
        let gate = Gate::new();
        let model = ScriptedChat::with_handler({
            let gate = gate.clone();
            move |request| ScriptedReply::text(request.messages.to_string()).held_by(&gate)
        });
        let mut builder = ParallelChain::builder();
        for index in 0..5 {
            let name = format!("b{index}");
            builder = builder.branch(name, llm(&format!("{index} {{q}}"), model.clone(), "text"));
        }
        if let Some(limit) = limit {
            builder = builder.branch_concurrency(limit);
        }
        let chain = builder.build().unwrap();
        let call = tokio::spawn(async move { chain.invoke(vars! { "q" => "hi" }).await });
        gate.reached(expected).await;
        tokio::task::yield_now().await;
        assert_eq!(model.requests().len(), expected);
        gate.open();
        let outcome = call.await.unwrap().unwrap();
        let texts = (0..5).map(|index| format!("b{index}=Human: {index} hi"));
        assert_eq!(written(&outcome.variables), texts.collect::<Vec<_>>().join(", ") + ", q=hi");
    }
}

#[tokio::test]
async fn fallbacks() {
    let refused = || ModelError::Cancelled;
    let after = Duration::from_secs(20);
    let total = ModelError::Timeout { phase: TimeoutPhase::Total, after };
    type Script = Vec<ScriptedReply>;
    let cases: Vec<(Script, Script, &str)> = vec![
        (vec!["a".into()], vec![], "a"),
        (vec![broken().into()], vec!["b".into()], "b"),
        (vec![ScriptedReply::pieces(["x"]).cut_off()], vec!["b".into()], "b"),
        // The limit of the model, not the end of the call's deadline.
        (vec![total.into()], vec!["b".into()], "b"),
        (
            vec![broken().into()],
            vec![broken().into()],
            "cannot run the chain or its fallbacks (2 attempts): cannot call the model: cannot \
             get an answer: broken",
        ),
        (
            vec![refused().into()],
            vec!["b".into()],
            "cannot call the model: cannot get an answer: the call was cancelled",
        ),
    ];
    for (first, second, expected) in cases {
        let chain = FallbackChain::builder(llm("{q}", ScriptedChat::new(first), "text"))
            .fallback(llm("{q}", ScriptedChat::new(second), "text"))
            .build()
            .unwrap();
        let told = match chain.predict(vars! { "q" => "hi" }).await {
            Ok(text) => text,
            Err(error) => chain_of(&error),
        };
        assert_eq!(told, expected);
    }
}

#[tokio::test]
async fn an_answer_that_was_not_saved_is_not_replaced() {
    let history = TestHistory::default();
    history.fail_next("append");
    let second = says("two");
    let first = crate::support::chain(&says("one"), &history);
    let chain = FallbackChain::builder(first)
        .fallback(llm("{human_input}", second.clone(), "text"))
        .build()
        .unwrap();
    let error = chain.predict(vars! { "human_input" => "hi" }).await.unwrap_err();
    assert_eq!(error.not_saved().unwrap().text.as_str(), "one");
    assert_eq!(second.requests().len(), 0);
}

#[tokio::test]
async fn no_fallback_is_called_after_the_deadline() {
    let (first, second) = (ScriptedChat::new([broken(), broken()]), says("two"));
    let chain = FallbackChain::builder(llm("{q}", first, "text"))
        .fallback(llm("{q}", second.clone(), "text"))
        .when(|_| true)
        .build()
        .unwrap();
    let passed = CallOptions::new().with_timeout(Duration::ZERO);
    let inputs = || vars! { "q" => "hi" };
    let told = "cannot call the model: cannot get an answer: broken";
    let error = chain.invoke_with(inputs(), passed.clone()).await.map(drop).unwrap_err();
    assert_eq!(chain_of(&error), told);
    let error = chain.stream_with(inputs(), passed).await.map(drop).unwrap_err();
    assert_eq!(chain_of(&error), told);
    assert_eq!(second.requests().len(), 0);
}

#[tokio::test]
async fn the_rule_of_a_fallback_is_a_setting() {
    let chain = FallbackChain::builder(llm("{q}", ScriptedChat::new([broken()]), "text"))
        .fallback(llm("{q}", says("two"), "text"))
        .when(|error| !error.is_retryable())
        .build()
        .unwrap();
    let error = chain.predict(vars! { "q" => "hi" }).await.unwrap_err();
    assert_eq!(chain_of(&error), "cannot call the model: cannot get an answer: broken");

    let classes = ["custom"];
    let chain = FallbackChain::builder(llm("{q}", ScriptedChat::new([broken()]), "text"))
        .fallback(llm("{q}", says("two"), "text"))
        .when(move |error| classes.contains(&error.class()))
        .build()
        .unwrap();
    assert_eq!(chain.predict(vars! { "q" => "hi" }).await.unwrap(), "two");
}

#[tokio::test]
async fn tools_are_for_the_last_step() {
    let call = Reply::new(Message::ai("").with_tool_calls([ToolCall::new("f", json!({}))]));
    let models = [says("one"), says("two")];
    let chain = SequentialChain::builder()
        .chain(llm("{q}", models[0].clone(), "first"))
        .chain(llm("{first}", models[1].clone(), "second"))
        .build()
        .unwrap();
    let tool = ToolDefinition::new("f", json!({"type": "object"}));
    let options = CallOptions::new().with_tools([tool]);
    chain.invoke_with(vars! { "q" => "hi" }, options).await.unwrap();
    let tools = |model: &ScriptedChat| model.requests()[0].options.tools.len();
    assert_eq!(models.each_ref().map(tools), [0, 1]);

    let calling = ScriptedChat::new([call]);
    let prompt = PromptTemplate::from_template("{q}").unwrap();
    let first = LlmChain::builder().prompt(prompt).model(LanguageModel::chat(calling)).build();
    let chain = SequentialChain::builder()
        .chain(first.unwrap())
        .chain(Joining::parse("text -> end"))
        .build()
        .unwrap();
    let error = chain.invoke(vars! { "q" => "hi" }).await.unwrap_err();
    let told =
        "cannot use the answer of a step: its model calls tools; wrap the model in a tool loop";
    assert_eq!(chain_of(&error), format!("cannot run step 1 (`LLMChain`): {told}"));
}

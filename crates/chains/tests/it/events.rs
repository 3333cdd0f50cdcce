//! The order of events, and the verbose transcript.

use conversant_chains::{LlmChain, Verbose};
use conversant_core::{CallOptions, ModelError, TurnId, vars};
use conversant_memory::BufferMemory;
use conversant_testkit::{ScriptedChat, ScriptedCompletion, ScriptedReply};

use crate::support::{Log, TestHistory, chat_prompt, memory, text_prompt};

fn logged(model: &ScriptedChat, history: &TestHistory) -> (LlmChain, Log) {
    let log = Log::default();
    let builder =
        LlmChain::builder().prompt(chat_prompt()).model(model.clone()).memory(memory(history));
    (builder.observer(log.clone()).build().unwrap(), log)
}

#[tokio::test]
async fn each_way_to_end_has_its_events() {
    let failure = ModelError::custom("out of order", false, None);
    let model = ScriptedChat::new([
        ScriptedReply::text("one"),
        ScriptedReply::from(failure),
        ScriptedReply::text("two"),
    ]);
    let history = TestHistory::default();
    let (chain, log) = logged(&model, &history);
    let input = || vars! { "human_input" => "hi" };
    let options = CallOptions::new().with_turn_id(TurnId::from_u128(7));
    let mut told = Vec::new();

    chain.predict(input()).await.unwrap();
    told.push(("a good call", log.take()));
    chain.predict(vars! { "humaninput" => "hi" }).await.unwrap_err();
    told.push(("an input is missing", log.take()));
    chain.predict(input()).await.unwrap_err();
    told.push(("the model fails", log.take()));
    history.fail_next("append");
    chain.predict_with(input(), options).await.unwrap_err();
    told.push(("the save fails", log.take()));
    history.fail_next("load");
    chain.predict(input()).await.unwrap_err();
    told.push(("the load fails", log.take()));

    let told: Vec<_> =
        told.into_iter().map(|(name, events)| format!("## {name}\n{events}\n")).collect();
    insta::assert_snapshot!(told.join("\n"));
}

#[tokio::test]
async fn the_transcript_is_the_documents() {
    let (verbose, transcript) = Verbose::buffer();
    let chain = LlmChain::builder()
        .prompt(text_prompt())
        .model(ScriptedCompletion::new([" Hi there!"]))
        .memory(BufferMemory::new().with_memory_key("chat_history"))
        .observer(verbose)
        .build()
        .unwrap();
    chain.predict(vars! { "human_input" => "Hi" }).await.unwrap();
    assert_eq!(
        transcript.take(),
        "\n\n\u{1b}[1m> Entering new LLMChain chain...\u{1b}[0m\nPrompt after formatting:\n\
         \u{1b}[32;1m\u{1b}[1;3m\nHuman: Hi\nChatbot:\u{1b}[0m\n\n\u{1b}[1m> Finished chain.\u{1b}[0m\n"
    );
}

#[tokio::test]
async fn text_that_looks_like_an_escape_code_is_kept_without_color() {
    let (verbose, transcript) = Verbose::buffer();
    let prompt = conversant_prompts::PromptTemplate::from_template("{x}").unwrap();
    let chain = LlmChain::builder()
        .prompt(prompt)
        .model(ScriptedCompletion::new(["ok"]))
        .observer(verbose.without_color())
        .build()
        .unwrap();
    chain.predict(vars! { "x" => "\u{1b}[1mbold" }).await.unwrap();
    assert!(transcript.take().contains("formatting:\n\u{1b}[1mbold\n"));
}

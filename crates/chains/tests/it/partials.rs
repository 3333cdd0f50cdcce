//! Partial variables of a prompt in a chain: the call, the memory and earlier steps leave them.

use conversant_chains::{
    ConversationChain, JsonParser, LlmChain, LlmChainBuilder, SequentialChain, WiringFault,
};
use conversant_core::{OutputParser, vars};
use conversant_memory::BufferMemory;
use conversant_prompts::{
    ChatPromptTemplate, MessageTemplate, MessagesPlaceholder, PromptTemplate,
};
use conversant_testkit::{ScriptedChat, ScriptedCompletion};

fn prompt(template: &str) -> PromptTemplate {
    PromptTemplate::from_template(template).unwrap()
}

fn over(model: &ScriptedCompletion, prompt: PromptTemplate) -> LlmChainBuilder {
    LlmChain::builder().prompt(prompt).model(model.clone())
}

fn sent(model: &ScriptedCompletion) -> String {
    model.requests().last().unwrap().prompt.clone()
}

#[tokio::test]
async fn an_input_does_not_replace_one() {
    let model = ScriptedCompletion::new(["a"]);
    let prompt = prompt("{tone}: {text}").with_partial("tone", "kindly");
    let chain = over(&model, prompt).build().unwrap();
    chain.predict(vars! { "text" => "no", "tone" => "CALL" }).await.unwrap();
    assert_eq!(sent(&model), "kindly: no");
}

#[tokio::test]
async fn an_earlier_step_does_not_replace_one() {
    let model = ScriptedCompletion::new(["STEP1", "a"]);
    let first = over(&model, prompt("{text}")).output_key("tone").build().unwrap();
    let second = prompt("{tone}: {text}").with_partial_fn("tone", || "kindly");
    let second = over(&model, second).output_key("answer").build().unwrap();
    let chain = SequentialChain::builder().chain(first).chain(second).build().unwrap();
    chain.predict(vars! { "text" => "no" }).await.unwrap();
    assert_eq!(sent(&model), "kindly: no");
}

/// A memory that the model would never see is a fault, as with any variable that is not used.
#[tokio::test]
async fn a_memory_does_not_replace_one() {
    let model = ScriptedCompletion::new(["a"]);
    let builder = || {
        let prompt = prompt("{history}: {text}").with_partial("history", "PART");
        over(&model, prompt).memory(BufferMemory::new())
    };
    let unused = |fault: &WiringFault| matches!(fault, WiringFault::UnusedMemory { name, .. } if name == "history");
    assert!(builder().build().unwrap_err().faults().iter().all(unused));
    let conversation = ConversationChain::builder()
        .prompt(prompt("{history}: {input}").with_partial("history", "PART"))
        .model(model.clone())
        .memory(BufferMemory::new());
    assert!(conversation.build().unwrap_err().faults().iter().all(unused));
    let chain = builder().allow_unused("history").build().unwrap();
    chain.predict(vars! { "text" => "no" }).await.unwrap();
    assert_eq!(sent(&model), "PART: no");
}

/// The user's text is never kept from the model.
#[tokio::test]
async fn the_input_of_a_turn_replaces_one() {
    let model = ScriptedCompletion::new(["a", "b"]);
    let template = || prompt("{history}|{tone}|{q}").with_partial("q", "What is up?");
    let key = || BufferMemory::new().with_input_key("q");
    let chain = over(&model, template()).memory(key()).build().unwrap();
    chain.predict(vars! { "q" => "Hi", "tone" => "kindly" }).await.unwrap();
    assert_eq!(sent(&model), "|kindly|Hi");
    let chain = over(&model, template().with_partial("tone", "kindly")).memory(key());
    chain.build().unwrap().predict(vars! { "q" => "Hi", "tone" => "CALL" }).await.unwrap();
    assert_eq!(sent(&model), "|kindly|Hi");
}

/// LangChain leaves an optional placeholder empty, since it is not an input variable there.
#[tokio::test]
async fn a_memory_fills_an_optional_placeholder() {
    let model = ScriptedChat::new(["a", "b"]);
    let messages = (MessagesPlaceholder::new("history").optional(), MessageTemplate::human("{x}"));
    let chain = LlmChain::builder()
        .prompt(ChatPromptTemplate::from_messages(messages).unwrap())
        .model(model.clone())
        .memory(BufferMemory::new().with_return_messages(true))
        .build()
        .unwrap();
    chain.predict(vars! { "x" => 1 }).await.unwrap();
    chain.predict(vars! { "x" => 2 }).await.unwrap();
    let sent = model.requests()[1].messages.to_string();
    assert_eq!(sent, "Human: 1\nAI: a\nHuman: 2");
}

#[tokio::test]
async fn the_parser_s_instructions_do_not_replace_one() {
    let given = JsonParser.format_instructions().unwrap().to_owned();
    for (own, shown) in [(Some("Own."), "Own."), (None, given.as_str())] {
        let model = ScriptedCompletion::new(["{}"]);
        let mut prompt = prompt("{text} {format_instructions}");
        if let Some(own) = own {
            prompt = prompt.with_partial("format_instructions", own);
        }
        let chain = over(&model, prompt).parser(JsonParser).build().unwrap();
        chain.predict(vars! { "text" => "no" }).await.unwrap();
        assert_eq!(sent(&model), format!("no {shown}"));
    }
}

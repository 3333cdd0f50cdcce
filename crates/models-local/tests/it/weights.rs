//! Real weights: SmolLM2-135M-Instruct. These tests are run by `cargo xtask ci --only weights`,
//! which optimises the numeric kernels.

use std::sync::{Mutex, MutexGuard, PoisonError};

use conversant_chains::LlmChain;
use conversant_core::{CallOptions, LanguageModel, TokenCounter, vars};
use conversant_memory::BufferMemory;
use conversant_models_local::{LocalModel, LocalModelBuilder};
use conversant_prompts::PromptTemplate;
use conversant_testkit::{block_on, suite};

/// One model at a time: several share the cores, and none of them ends in time.
static ONE: Mutex<()> = Mutex::new(());

fn weights() -> (LocalModelBuilder, MutexGuard<'static, ()>) {
    let file = std::env::var_os("CONVERSANT_MODEL_FILE").unwrap();
    let turn = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    (LocalModel::builder(file), turn)
}

#[test]
#[ignore = "needs the weights of SmolLM2-135M: `cargo xtask ci --only weights`"]
fn a_name_is_remembered() {
    let (builder, _turn) = weights();
    let template = "You are a chatbot having a conversation with a human.\n\n\
                    {chat_history}\nHuman: {human_input}\nChatbot:";
    let stop = ["\nHuman:", "\nChatbot:", "\n\n"];
    let memory = BufferMemory::new().with_memory_key("chat_history").with_ai_prefix("Chatbot");
    let chain = LlmChain::builder()
        .prompt(PromptTemplate::from_template(template).unwrap())
        .model(LanguageModel::completion(builder.max_tokens(40).stop(stop).build().unwrap()))
        .memory(memory)
        .build()
        .unwrap();
    block_on(async {
        chain.predict(vars! { "human_input" => "My name is Ada." }).await.unwrap();
        let answer = chain.predict(vars! { "human_input" => "What is my name?" }).await.unwrap();
        assert!(answer.contains("Ada"), "{answer}");
    });
}

#[test]
#[ignore = "needs the weights of SmolLM2-135M: `cargo xtask ci --only weights`"]
fn the_tokens_are_those_of_llama_cpp() {
    let (builder, _turn) = weights();
    let counter = builder.build().unwrap().token_counter();
    // Counted with llama.cpp's tokenizer.
    for (text, tokens) in [("Hello 2024 world", 7), ("The capital of France is", 5), ("", 0)] {
        assert_eq!(counter.count_text(text), tokens, "{text}");
    }
}

#[test]
#[ignore = "needs the weights of SmolLM2-135M: `cargo xtask ci --only weights`"]
fn a_chat_is_answered_by_its_template() {
    let (builder, _turn) = weights();
    let model = LanguageModel::chat(builder.max_tokens(30).build().unwrap());
    let question = "What is the capital of France?";
    let reply = block_on(model.generate(question.into(), CallOptions::new())).unwrap();
    // The default system message of the template included, as llama-server counts them.
    assert_eq!(reply.usage.unwrap().input_tokens, 37);
    assert!(!reply.text().is_empty());
}

#[test]
#[ignore = "needs the weights of SmolLM2-135M: `cargo xtask ci --only weights`"]
fn the_contract_of_models_is_kept() {
    let (builder, _turn) = weights();
    let model = builder.max_tokens(1).build().unwrap();
    block_on(suite::completion_model(|| model.clone())).unwrap();
    block_on(suite::chat_model(|| model.clone())).unwrap();
}

//! Real weights: SmolLM2-135M-Instruct. The tests are left out, and say so, where the file is not.

use std::{
    io::Write,
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
};

use conversant_chains::LlmChain;
use conversant_core::{CallOptions, LanguageModel, TokenCounter, vars};
use conversant_memory::BufferMemory;
use conversant_models_local::{LocalModel, LocalModelBuilder};
use conversant_prompts::PromptTemplate;
use conversant_testkit::{block_on, suite};

/// The file with the weights.
const FILE: &str = "CONVERSANT_MODEL_FILE";
/// Set where the weights have to be there.
const REQUIRED: &str = "CONVERSANT_REQUIRE_WEIGHTS";

/// One model at a time: several share the cores, and none of them ends in time.
static ONE: Mutex<()> = Mutex::new(());

fn weights(test: &str) -> Option<(LocalModelBuilder, MutexGuard<'static, ()>)> {
    let named = std::env::var_os(FILE).map(PathBuf::from);
    let file = named.or_else(cached);
    let Some(file) = file else {
        assert!(std::env::var_os(REQUIRED).is_none(), "{REQUIRED} is set, and {FILE} is not");
        // The harness keeps what tests print to itself, unless it is written like this.
        let note = format!("left out: {test}, which needs the weights of SmolLM2-135M in {FILE}\n");
        std::io::stderr().write_all(note.as_bytes()).unwrap();
        return None;
    };
    let turn = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    Some((LocalModel::builder(file), turn))
}

/// Returns the file in the user's cache folder, if it was downloaded before.
#[cfg(feature = "download")]
fn cached() -> Option<PathBuf> {
    use conversant_models_local::weights::{ModelFolder, SMOLLM2_135M};
    ModelFolder::of_user().ok()?.find(&SMOLLM2_135M)
}

#[cfg(not(feature = "download"))]
fn cached() -> Option<PathBuf> {
    None
}

#[test]
fn a_name_is_remembered() {
    let Some((builder, _turn)) = weights("a_name_is_remembered") else { return };
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
fn the_tokens_are_those_of_llama_cpp() {
    let Some((builder, _turn)) = weights("the_tokens_are_those_of_llama_cpp") else { return };
    let counter = builder.build().unwrap().token_counter();
    // Counted with llama.cpp's tokenizer.
    for (text, tokens) in [("Hello 2024 world", 7), ("The capital of France is", 5), ("", 0)] {
        assert_eq!(counter.count_text(text), tokens, "{text}");
    }
}

#[test]
fn a_chat_is_answered_by_its_template() {
    let Some((builder, _turn)) = weights("a_chat_is_answered_by_its_template") else { return };
    let model = LanguageModel::chat(builder.max_tokens(30).build().unwrap());
    let question = "What is the capital of France?";
    let reply = block_on(model.generate(question.into(), CallOptions::new())).unwrap();
    // The default system message of the template included, as llama-server counts them.
    assert_eq!(reply.usage.unwrap().input_tokens, 37);
    assert!(!reply.text().is_empty());
}

#[test]
fn the_contract_of_models_is_kept() {
    let Some((builder, _turn)) = weights("the_contract_of_models_is_kept") else { return };
    let model = builder.max_tokens(1).build().unwrap();
    block_on(suite::completion_model(|| model.clone())).unwrap();
    block_on(suite::chat_model(|| model.clone())).unwrap();
}

//! Conversations: what was read before is not read again, and changes no answer.

use conversant_chains::LlmChain;
use conversant_core::{CallOptions, LanguageModel, Reply, TokenCounter, vars};
use conversant_memory::TokenBufferMemory;
use conversant_prompts::PromptTemplate;
use pollster::block_on;

use crate::tiny::TinyFile;

fn ask(model: &LanguageModel, prompt: &str) -> (String, u64) {
    let reply: Reply = block_on(model.generate(prompt.into(), CallOptions::new())).unwrap();
    (reply.text().into_owned(), reply.usage.unwrap().cached_tokens.unwrap())
}

fn model(cache_bytes: usize) -> LanguageModel {
    let file = TinyFile::random(11);
    LanguageModel::completion(file.model(|b| b.max_tokens(4).cache_bytes(cache_bytes)))
}

#[test]
fn the_next_turn_reads_only_what_is_new() {
    let (cached, fresh) = (model(1 << 20), model(0));
    let mut prompt = "Human: Hi".to_owned();
    let mut known = 0;
    for turn in 0..5 {
        let (text, read_before) = ask(&cached, &prompt);
        assert_eq!(read_before, known, "turn {turn}");
        assert_eq!((text.clone(), 0), ask(&fresh, &prompt), "turn {turn}");
        // The last token of an answer was chosen, and not read.
        known = (prompt.len() + text.len() - 1).try_into().unwrap();
        prompt = format!("{prompt}{text} turn {turn}");
    }
}

#[test]
fn an_answer_does_not_depend_on_what_was_asked_before() {
    let (cached, fresh) = (model(1 << 20), model(0));
    for prompt in ["abcdef", "abcdef", "abcxyz", "abcdefgh", "a", "zz", "abc", "abcxyz and more"] {
        assert_eq!(ask(&cached, prompt).0, ask(&fresh, prompt).0, "{prompt}");
    }
}

#[test]
fn two_conversations_are_both_remembered() {
    let model = model(1 << 20);
    let (one, two) =
        ("System: be brief.\nOne two three four.", "System: be brief.\nFive six seven eight.");
    ask(&model, one);
    // The beginning that they share is copied.
    assert_eq!(ask(&model, two).1, 18);
    for prompt in [one, two, one] {
        let all: u64 = (prompt.len() - 1).try_into().unwrap();
        assert_eq!(ask(&model, prompt).1, all, "{prompt}");
    }
}

#[test]
fn the_least_recently_used_conversation_is_forgotten_first() {
    // A token has keys and values of 2 layers, 2 heads and 72 numbers: 2,304 bytes.
    let model = model(2304 * 60);
    let (one, two) = ("a".repeat(30), "b".repeat(20));
    ask(&model, &one);
    ask(&model, &two);
    assert_eq!(ask(&model, &one).1, 29);
    // This one takes the place of the second conversation.
    ask(&model, &"c".repeat(20));
    assert_eq!(ask(&model, &one).1, 29);
    assert_eq!(ask(&model, &two).1, 0);
}

#[test]
fn the_token_counter_serves_a_memory_with_a_budget() {
    let local = TinyFile::random(1).model(|builder| builder.max_tokens(2));
    let counter = local.token_counter();
    // Each byte is a token of this model.
    assert_eq!(counter.count_text("für"), 4);
    let memory = TokenBufferMemory::new(counter).with_max_token_limit(30);
    let chain = LlmChain::builder()
        .prompt(PromptTemplate::from_template("{history}\nHuman: {input}\nAI:").unwrap())
        .model(LanguageModel::completion(local))
        .memory(memory)
        .build()
        .unwrap();
    for _ in 0..4 {
        block_on(chain.predict(vars! { "input" => "Hello" })).unwrap();
    }
}

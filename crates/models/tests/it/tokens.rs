//! Counts of tokens against those that OpenAI's own tokenizer and documentation give.

use conversant_core::{Message, Messages, TokenCounter, ToolCall};
use conversant_models::tokens::{Encoding, OpenAiTokens};
use serde_json::json;

/// From the documentation of OpenAI's `tiktoken`: words, and the name of a special token as text.
const TEXTS: &[(&str, usize, usize)] =
    &[("", 0, 0), ("hello world", 2, 2), ("tiktoken is great!", 6, 6), ("<|endoftext|>", 7, 7)];

#[test]
fn texts_are_counted_as_the_reference_counts_them() {
    let (new, old) =
        (OpenAiTokens::new(Encoding::O200kBase), OpenAiTokens::new(Encoding::Cl100kBase));
    for (text, o200k, cl100k) in TEXTS {
        assert_eq!((new.count_text(text), old.count_text(text)), (*o200k, *cl100k), "{text}");
    }
}

/// The example of OpenAI's cookbook, "How to count tokens with tiktoken": 129 tokens for
/// `gpt-4-0613`, as the API counts them, and 124 for `gpt-4o`.
#[test]
fn a_prompt_costs_what_the_documentation_says() {
    let example = |text: &str, name: &str| Message::system(text).with_name(name);
    let messages = Messages::from_iter([
        Message::system(
            "You are a helpful, pattern-following assistant that translates corporate jargon into plain English.",
        ),
        example("New synergies will help drive top-line growth.", "example_user"),
        example("Things working well together will increase revenue.", "example_assistant"),
        example(
            "Let's circle back when we have more bandwidth to touch base on opportunities for increased leverage.",
            "example_user",
        ),
        example(
            "Let's talk later when we're less busy about how to do better.",
            "example_assistant",
        ),
        Message::human(
            "This late pivot means we don't have time to boil the ocean for the client deliverable.",
        ),
    ]);
    for (model, tokens) in [("gpt-4-0613", 129), ("gpt-4o", 124)] {
        assert_eq!(
            OpenAiTokens::for_model(model).unwrap().count_prompt(&messages),
            tokens,
            "{model}"
        );
    }
}

#[test]
fn a_message_is_counted_once_and_a_cut_is_a_difference() {
    let tokens = OpenAiTokens::for_model("gpt-4o").unwrap();
    let mut history = Messages::new();
    for n in 0..50 {
        history.push(Message::human("word ".repeat(n)));
        for part in [history.clone(), history.last_n(7), history.slice(3..9)] {
            let afresh: usize = part.iter().map(|message| tokens.count_message(message)).sum();
            assert_eq!(tokens.count_prompt(&part), afresh + 3);
        }
    }
}

/// langchain-core stored calls as they were sent, before it had `tool_calls`.
#[test]
fn calls_are_counted_in_either_form() {
    let tokens = OpenAiTokens::new(Encoding::O200kBase);
    let call = ToolCall::new("clock", json!({"zone": "UTC"}));
    let function = json!({"name": "clock", "arguments": call.args.to_string()});
    let raw = json!({"tool_calls": [{"id": "c", "type": "function", "function": function}]});
    let raw = Message::ai("Now.").with_extra("additional_kwargs", raw);
    let count = tokens.count_message(&raw);
    assert!(count > tokens.count_message(&Message::ai("Now.")));
    assert_eq!(count, tokens.count_message(&Message::ai("Now.").with_tool_calls([call.clone()])));
    assert_eq!(count, tokens.count_message(&raw.with_tool_calls([call])));
}

#[test]
fn models_of_later_generations_are_known() {
    for model in ["gpt-5.4-mini", "gpt-6-luna", "gpt-6.1-sol", "gpt-12"] {
        let tokens = OpenAiTokens::for_model(model).unwrap();
        assert_eq!(tokens, OpenAiTokens::new(Encoding::O200kBase), "{model}");
    }
    assert!(OpenAiTokens::for_model("gpt-mini").is_err());
}

#[test]
fn a_model_that_is_not_known_is_an_error() {
    let error = OpenAiTokens::for_model("my-own").unwrap_err();
    insta::assert_snapshot!(error, @"unknown encoding of `my-own`; set one with `OpenAiTokens::new`");
    assert_eq!(
        OpenAiTokens::for_model("text-embedding-3-small").unwrap().encoding(),
        Encoding::Cl100kBase
    );
    assert!(OpenAiTokens::for_model("llama3-8b").is_err());
}

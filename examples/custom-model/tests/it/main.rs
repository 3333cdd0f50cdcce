//! Tests of the listener through `ChatModel` and `LanguageModel`.

#![allow(clippy::unwrap_used, missing_docs)]

use conversant_core::{
    CallOptions, ChatModel, ChatRequest, FinishReason, LanguageModel, Message, Messages, Reply,
};
use conversant_testkit::{block_on, suite};
use custom_model::Eliza;

fn ask(said: &str, options: CallOptions) -> Reply {
    let request = ChatRequest::new(Message::human(said)).with_options(options);
    block_on(Eliza.generate(&request)).unwrap()
}

#[test]
fn turns_what_it_is_told_into_a_question() {
    for (said, answer) in [
        ("I am sad.", "How long have you been sad?"),
        ("I need you to help me!", "Why do you need I to help you?"),
        ("I feel that my work is my life", "Do you often feel that your work is your life?"),
        ("My dog, I fear", "Tell me more about your dog, you fear?"),
        ("Nothing.", "Please go on."),
        ("", "Please go on."),
    ] {
        assert_eq!(ask(said, CallOptions::new()).text(), answer);
    }
}

#[test]
fn stops_before_the_first_stop_text() {
    let options = CallOptions::new().with_stop(["sad", "you "]);
    let reply = ask("I am sad.", options);
    assert_eq!(reply.text(), "How long have ");
    assert_eq!(reply.finish_reason, Some(FinishReason::Stop));
}

#[test]
fn counts_what_was_used() {
    let usage = ask("I am sad.", CallOptions::new()).usage.unwrap();
    assert_eq!((usage.input_tokens, usage.output_tokens, usage.total_tokens), (4, 6, 10)); // Human: I am sad.
}

#[test]
fn answers_the_last_of_the_users_messages() {
    let messages = vec![Message::human("I am sad."), Message::ai("So?"), Message::human("My dog.")];
    let reply = block_on(Eliza.generate(&ChatRequest::new(messages))).unwrap();
    assert_eq!(reply.text(), "Tell me more about your dog?");
}

#[test]
fn says_what_is_missing() {
    let error = block_on(Eliza.generate(&ChatRequest::new(Messages::new()))).unwrap_err();
    assert_eq!(error.to_string(), "cannot get an answer: there is no human message to answer");
    assert!(!error.is_retryable());
}

#[test]
fn streams_what_it_would_say_at_once() {
    let model = LanguageModel::chat(Eliza);
    let stream = block_on(model.stream("I am sad.".into(), CallOptions::new())).unwrap();
    assert_eq!(block_on(stream.into_reply()).unwrap(), ask("I am sad.", CallOptions::new()));
}

#[test]
fn keeps_the_contract_of_a_chat_model() {
    block_on(suite::chat_model(Eliza::default)).unwrap();
}

//! The errors of the guide's chapter on structured answers.

use conversant::{FinishReason, LlmChain, Message, PromptTemplate, Reply, vars};
use conversant_testkit::{ScriptedChat, ScriptedReply};

use super::{compare, text};

#[derive(Debug, schemars::JsonSchema, serde::Deserialize)]
#[allow(dead_code)]
struct Ticket {
    part: String,
    urgent: bool,
}

async fn ask(reply: impl Into<ScriptedReply>) -> String {
    let chain = LlmChain::builder()
        .prompt(PromptTemplate::from_template("Read this request: {message}").unwrap())
        .model(ScriptedChat::new([reply.into()]))
        .build()
        .unwrap();
    text(chain.predict_as::<Ticket>(vars! { "message" => "My brakes broke!" }).await)
}

#[tokio::test]
async fn the_errors_of_structured_answers() {
    let cut = Reply::new(Message::ai(r#"{"part": "brak"#)).with_finish_reason(FinishReason::Length);
    compare(
        include_str!("../../../src/guide/structured_answers.md"),
        [ask("It is urgent.").await, ask(r#"{"part": "brakes"}"#).await, ask(cut).await],
    );
}

//! The errors of the guide's chapter on observing.

use std::sync::{Arc, Mutex};

use conversant::{
    CallInfo, Event, LlmChain, LlmChainBuilder, ModelError, Observer, OpenAiChat, PromptTemplate,
    Report, SummaryMemory, vars,
};
use conversant_testkit::{OpenAiServer, ScriptedChat, ServerAnswer};

use super::{compare, text};

fn chain(template: &str) -> LlmChainBuilder {
    LlmChain::builder().prompt(PromptTemplate::from_template(template).unwrap())
}

/// The error of a call whose server answers with an error.
async fn refused(answer: ServerAnswer) -> String {
    let server = OpenAiServer::start([answer]).unwrap();
    let model = OpenAiChat::builder("gpt-6-luna").base_url(server.base_url()).max_retries(0);
    let chain = chain("{message}").model(model.build().unwrap()).build().unwrap();
    text(chain.predict(vars! { "message" => "Hi" }).await)
}

#[derive(Default)]
struct Warnings(Mutex<Vec<String>>);

impl Observer for Warnings {
    fn on_event(&self, _: &CallInfo, event: &Event<'_>) {
        if let Event::Warned { warning, .. } = event {
            self.0.lock().unwrap().push(Report::new(*warning).to_string());
        }
    }
}

/// The warning of a call whose memory cannot summarise.
async fn warning() -> String {
    let warnings = Arc::new(Warnings::default());
    let broken = ScriptedChat::new([ModelError::custom("overloaded", true, None)]);
    let chain = chain("{history}{message}")
        .model(ScriptedChat::new(["Hello!"]))
        .memory(SummaryMemory::new(broken))
        .observer(Arc::clone(&warnings))
        .build()
        .unwrap();
    chain.predict(vars! { "message" => "Hi" }).await.unwrap();
    let warnings = warnings.0.lock().unwrap();
    warnings.concat()
}

#[tokio::test]
async fn the_errors_of_models() {
    let error = |status, code: &str| ServerAnswer::error(status, code, "no");
    let limited = error(429, "rate_limit_exceeded").with_header("retry-after", "7");
    compare(
        include_str!("../../../src/guide/observing.md"),
        [
            refused(error(401, "invalid_api_key")).await,
            refused(limited).await,
            refused(error(400, "context_length_exceeded")).await,
            refused(ServerAnswer::refusal("I cannot help with that.")).await,
            warning().await,
        ],
    );
}

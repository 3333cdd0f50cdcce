//! The errors of the guide's chapter on custom parts.

use conversant::{
    ChatHistory, Expect, HistoryError, LlmChain, ModelError, PromptTemplate, Range, SessionId,
    Slice, Turn, Version, async_trait, vars,
};
use conversant_testkit::{ScriptedChat, suite};

use super::{compare, text};

/// A history that stores nothing.
struct Forgetful;

#[async_trait]
impl ChatHistory for Forgetful {
    async fn load(&self, _: &SessionId, _: Range) -> Result<Slice, HistoryError> {
        Ok(Slice::default())
    }

    async fn append(&self, _: &SessionId, _: &Turn, _: Expect) -> Result<Version, HistoryError> {
        Ok(Version::default())
    }

    async fn clear(&self, _: &SessionId) -> Result<(), HistoryError> {
        Ok(())
    }
}

#[tokio::test]
async fn the_errors_of_custom_parts() {
    let model = ScriptedChat::new([ModelError::custom("the shop is closed", false, None)]);
    let prompt = PromptTemplate::from_template("{message}").unwrap();
    let chain = LlmChain::builder().prompt(prompt).model(model).build().unwrap();
    let suite = suite::history(|| Forgetful).await.unwrap_err();
    let line = suite.to_string();
    compare(
        include_str!("../../../src/guide/custom_parts.md"),
        [
            text(chain.predict(vars! { "message" => "Hi" }).await),
            text(Forgetful.sessions(None, 10).await),
            line.lines().nth(1).unwrap().trim().to_owned(),
        ],
    );
}

//! The errors of the guide's chapter on streaming.

use std::time::Duration;

use conversant::{
    BufferMemory, CallOptions, ChainError, LlmChain, LlmChainBuilder, ModelError, PromptTemplate,
    vars,
};
use conversant_testkit::{ScriptedChat, ScriptedReply};

use super::{compare, text};

fn chain(template: &str, reply: ScriptedReply) -> LlmChainBuilder {
    LlmChain::builder()
        .prompt(PromptTemplate::from_template(template).unwrap())
        .model(ScriptedChat::new([reply]))
}

/// The error of a stream that is read to its end.
async fn read(reply: ScriptedReply, options: CallOptions) -> String {
    let chain = chain("{history}{message}", reply).memory(BufferMemory::new()).build().unwrap();
    let stream = chain.stream_with(vars! { "message" => "Hi" }, options).await;
    match stream {
        Ok(stream) => text(stream.into_outcome().await),
        Err(error) => text(Err::<(), _>(error)),
    }
}

/// The error of a stream that is saved before its first piece.
async fn save(chain: LlmChain) -> String {
    let stream = chain.stream(vars! { "message" => "Hi" }).await.unwrap();
    text::<_, ChainError>(stream.save_partial().await)
}

#[tokio::test]
async fn the_errors_of_streams() {
    let failed = ModelError::custom("the server failed", true, None);
    compare(
        include_str!("../../../src/guide/streaming.md"),
        [
            read(ScriptedReply::pieces(["Yes, "]).cut_off(), CallOptions::new()).await,
            read(ScriptedReply::pieces(["Yes, "]).then_error(failed), CallOptions::new()).await,
            read(ScriptedReply::hang(), CallOptions::new().with_timeout(Duration::ZERO)).await,
            save(
                chain("{history}{message}", "Hi".into())
                    .memory(BufferMemory::new())
                    .build()
                    .unwrap(),
            )
            .await,
            save(chain("{message}", "Hi".into()).build().unwrap()).await,
        ],
    );
}

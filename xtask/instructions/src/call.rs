//! A whole call of a chain: load, format, send, receive, save.

use conversant_chains::LlmChain;
use conversant_core::{BoxError, ChatModel, ChatRequest, Prompt};
use conversant_models::OpenAiChat;
use tokio::runtime::Runtime;

use crate::{
    conversation::{Conversation, LENGTHS, inputs, prompt, variables},
    counted::{counted, say},
    server::{KEY, MODEL, Server},
};

/// The number of times that a call is counted; the least counts. The kernel splits reads and writes
/// at will.
pub(crate) const TIMES: usize = 5;

pub(crate) fn count(runtime: &Runtime, server: &Server) -> Result<(), BoxError> {
    let model = OpenAiChat::builder(MODEL).base_url(&server.base_url).api_key(KEY);
    let model = model.temperature(0.7).build()?;
    for n in LENGTHS {
        for _ in 0..TIMES {
            let chain = runtime.block_on(chain(&model, n))?;
            let (mut call, mut outcome) = (Some(inputs()), None);
            counted(&mut || {
                outcome = call.take().map(|call| runtime.block_on(chain.predict(call)));
            });
            say("call", n, 1);
            outcome.transpose()?;
        }
    }
    Ok(())
}

/// Returns a chain in the middle of a conversation, with an open connection and the calls before it
/// sent.
async fn chain(model: &OpenAiChat, n: usize) -> Result<LlmChain, BoxError> {
    let conversation = Conversation::new()?;
    let memory = conversation.memory();
    let prompt = prompt()?;
    let last = n / 2;
    for index in 0..last {
        // A memory that loads in each turn takes in the new messages, as in a real conversation.
        let variables = variables(&memory).await?;
        // A full block is shared from the second request on; earlier calls make no difference.
        if index + 2 >= last {
            let messages = prompt.format(&variables)?.into_messages();
            model.generate(&ChatRequest::new(messages)).await?;
        }
        conversation.add(index).await?;
    }
    Ok(LlmChain::builder().prompt(prompt).model(model.clone()).memory(memory).build()?)
}

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

/// How often a call is counted; the least counts. The kernel cuts what is sent and received as it likes.
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

/// Returns a chain in the middle of a conversation: the calls before were sent over the connection that is open.
async fn chain(model: &OpenAiChat, n: usize) -> Result<LlmChain, BoxError> {
    let conversation = Conversation::new()?;
    let memory = conversation.memory();
    let prompt = prompt()?;
    let last = n / 2;
    for index in 0..last {
        // A memory that loads in each turn takes in what is new, as it does in a conversation that is had.
        let variables = variables(&memory).await?;
        // What is full is shared from the second time on that it is sent; calls further back make no difference.
        if index + 2 >= last {
            let messages = prompt.format(&variables)?.into_messages();
            model.generate(&ChatRequest::new(messages)).await?;
        }
        conversation.add(index).await?;
    }
    Ok(LlmChain::builder().prompt(prompt).model(model.clone()).memory(memory).build()?)
}

//! The errors of the guide's chapter on memories.

use conversant::{
    BufferMemory, ChatPromptTemplate, LlmChain, LlmChainBuilder, Memory, MessageTemplate,
    MessagesPlaceholder, Oversized, PromptTemplate, Ticket, TokenBufferMemory, Turn,
    tokens::Estimate, vars,
};
use conversant_testkit::ScriptedChat;

use super::{compare, text};

fn chain(template: &str) -> LlmChainBuilder {
    let prompt = PromptTemplate::from_template(template).unwrap();
    LlmChain::builder().prompt(prompt).model(ScriptedChat::new(["not called"]))
}

#[tokio::test]
async fn the_errors_of_memories() {
    let messages = ChatPromptTemplate::from_messages((
        MessagesPlaceholder::new("history"),
        MessageTemplate::human("{message}"),
    ));
    let messages = LlmChain::builder().prompt(messages.unwrap()).model(ScriptedChat::new([""]));
    let short =
        TokenBufferMemory::new(Estimate).with_max_token_limit(3).with_oversized(Oversized::Refuse);
    short.save(&Turn::exchange("How are you today?", "Fine."), Ticket::default()).await.unwrap();
    let built = |memory: BufferMemory| chain("{history}{message}").memory(memory).build().unwrap();
    compare(
        include_str!("../../../src/guide/memories.md"),
        [
            text(
                chain("{chat_histroy}\nHuman: {human_input}")
                    .memory(
                        BufferMemory::new()
                            .with_memory_key("chat_history")
                            .with_input_key("human_input"),
                    )
                    .build(),
            ),
            text(messages.memory(BufferMemory::new()).build()),
            text(chain("{history}{language}{message}").memory(BufferMemory::new()).build()),
            text(
                built(BufferMemory::new())
                    .predict(vars! { "message" => "", "history" => "" })
                    .await,
            ),
            text(
                chain("{history}{message}")
                    .memory(short)
                    .build()
                    .unwrap()
                    .predict(vars! { "message" => "Hi" })
                    .await,
            ),
        ],
    );
}

//! The errors of the guide's chapter on prompts.

use conversant::{
    ChatPromptTemplate, LlmChain, MessagesPlaceholder, OpenAiChat, PipelinePromptTemplate,
    PromptTemplate, vars,
};
use conversant_testkit::ScriptedChat;

use super::{compare, text};

#[tokio::test]
async fn the_errors_of_prompts() {
    let prompt = || PromptTemplate::from_template("Human: {human_input}\nChatbot:").unwrap();
    let model = || ScriptedChat::new(["not called"]);
    let chain = LlmChain::builder().prompt(prompt()).model(model()).build().unwrap();
    let chat = ChatPromptTemplate::from_messages([MessagesPlaceholder::new("chat_history")]);
    let chat = LlmChain::builder().prompt(chat.unwrap()).model(model()).build().unwrap();
    let last = PromptTemplate::from_template("{introduction}\n{question}").unwrap();
    let pipeline = PipelinePromptTemplate::new(last).with_part("introductions", prompt());
    compare(
        include_str!("../../../src/guide/prompts.md"),
        [
            text(PromptTemplate::from_template(r#"Reply as {"answer": {text}}"#)),
            text(LlmChain::builder().prompt(prompt()).build()),
            text(LlmChain::builder().prompt(pipeline).model(model()).build()),
            text(chain.predict(vars! { "humaninput" => "Hi" }).await),
            text(chat.predict(vars! { "chat_history" => "Human: Hi" }).await),
            text(OpenAiChat::builder("gpt-6-luna").build()),
        ],
    );
}

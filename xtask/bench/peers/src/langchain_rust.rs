//! langchain-rust: its `LLMChain`, which has no memory: the history is loaded before a call, and
//! the turn is added after it.

use std::sync::Arc;

use bench::{
    measure::{Sample, repeated},
    workload::{KEY, MODEL, PACED_MODEL, QUESTION, SYSTEM, TEMPERATURE, is_human, message},
};
use conversant_core::BoxError;
use futures_util::StreamExt;
use langchain_rust::{
    chain::{Chain, LLMChain, LLMChainBuilder},
    fmt_message, fmt_placeholder, fmt_template,
    language_models::options::CallOptions,
    llm::openai::{OpenAI, OpenAIConfig},
    memory::SimpleMemory,
    message_formatter,
    prompt::{FormatPrompter, HumanMessagePromptTemplate, MessageFormatterStruct, PromptFromatter},
    prompt_args,
    schemas::{memory::BaseMemory, messages::Message},
    template_fstring,
};
use tokio::sync::Mutex;

use crate::peer::Client;

/// Chains, of which each has its model.
pub(crate) struct LangchainRust {
    chain: LLMChain,
    paced: LLMChain,
}

fn prompt() -> MessageFormatterStruct {
    message_formatter![
        fmt_message!(Message::new_system_message(SYSTEM)),
        fmt_placeholder!("history"),
        fmt_template!(HumanMessagePromptTemplate::new(template_fstring!("{input}", "input")))
    ]
}

fn chain(base_url: &str, model: &str) -> Result<LLMChain, BoxError> {
    let config = OpenAIConfig::new().with_api_base(base_url).with_api_key(KEY);
    let options = CallOptions::new().with_temperature(TEMPERATURE as f32);
    let model = OpenAI::new(config).with_model(model).with_options(options);
    Ok(LLMChainBuilder::new().prompt(prompt()).llm(model).build()?)
}

impl Client for LangchainRust {
    type History = Arc<Mutex<dyn BaseMemory>>;

    fn new(base_url: &str) -> Result<Self, BoxError> {
        Ok(Self { chain: chain(base_url, MODEL)?, paced: chain(base_url, PACED_MODEL)? })
    }

    async fn history(n: usize) -> Self::History {
        let mut memory = SimpleMemory::new();
        for index in 0..n {
            let said = match is_human(index) {
                true => Message::new_human_message(message(index)),
                false => Message::new_ai_message(message(index)),
            };
            memory.add_message(said).await.expect("it is held in memory");
        }
        memory.into()
    }

    async fn call(&self, history: &mut Self::History, question: &str) -> Result<(), BoxError> {
        let messages = history.lock().await.messages().await?;
        let inputs = prompt_args! { "history" => messages, "input" => question };
        let answer = self.chain.invoke(inputs).await?;
        let mut history = history.lock().await;
        history.add_user_message(&question).await?;
        history.add_ai_message(&answer).await?;
        Ok(())
    }

    async fn stream(&self, model: &str, mut first: impl FnMut()) -> Result<String, BoxError> {
        let chain = if model == PACED_MODEL { &self.paced } else { &self.chain };
        let inputs = prompt_args! { "history" => Vec::<Message>::new(), "input" => QUESTION };
        let mut stream = chain.stream(inputs).await?;
        let mut text = String::new();
        while let Some(chunk) = stream.next().await {
            let chunk = chunk?;
            if !chunk.content.is_empty() {
                first();
                text.push_str(&chunk.content);
            }
        }
        Ok(text)
    }

    async fn format_chat(n: usize) -> Sample {
        let (memory, prompt) = (Self::history(n).await, prompt());
        let messages = memory.lock().await.messages().await.expect("they are held in memory");
        repeated(|| {
            let inputs = prompt_args! { "history" => messages.clone(), "input" => QUESTION };
            prompt.format_prompt(inputs).expect("it is filled in").to_chat_messages()
        })
    }

    async fn format_string(n: usize) -> Option<Sample> {
        let history = Self::history(n).await;
        let history = history.lock().await.to_string().await.ok()?;
        let text = format!("{SYSTEM}\n\n{{chat_history}}\nHuman: {{human_input}}\nChatbot:");
        let template = template_fstring!(text, "chat_history", "human_input");
        Some(repeated(|| {
            let inputs =
                prompt_args! { "chat_history" => history.as_str(), "human_input" => QUESTION };
            template.format(inputs).expect("it is filled in")
        }))
    }
}

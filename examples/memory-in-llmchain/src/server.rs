//! The server of the conversations: a given one, or a loopback server with the page's answers.

use std::io;

use conversant_core::ModelError;
use conversant_models::{OpenAi, OpenAiBuilder, OpenAiChat};
use conversant_testkit::OpenAiServer;

use crate::arguments::Arguments;

/// The page's answers, in the order it asks for them.
const ANSWERS: [&str; 4] = [
    " Hi there! How can I help you today?",
    " I'm doing great, thanks for asking! How are you doing?",
    "Hello! How can I assist you today, my friend?",
    "I'm an AI chatbot, so I don't have feelings, but I'm here to help and chat with you! Is there something \
     specific you would like to talk about or any questions I can assist you with?",
];

/// The models that the page asks: the defaults of LangChain 0.1's `OpenAI()` and `ChatOpenAI()`.
const PAGE_COMPLETION: &str = "gpt-3.5-turbo-instruct";
const PAGE_CHAT: &str = "gpt-3.5-turbo";

/// A server, and the models to ask there.
pub struct Server {
    /// `None`: OpenAI's.
    base_url: Option<String>,
    completion_model: String,
    chat_model: String,
    /// Kept running as long as it is talked to.
    _loopback: Option<OpenAiServer>,
}

impl Server {
    /// Takes the server that the arguments name, and the page's own models unless they name others.
    pub fn given(arguments: Arguments) -> Self {
        let Arguments { base_url, model, completion_model } = arguments;
        let completion_model = completion_model.or_else(|| model.clone());
        Self {
            base_url,
            completion_model: completion_model.unwrap_or_else(|| PAGE_COMPLETION.to_owned()),
            chat_model: model.unwrap_or_else(|| PAGE_CHAT.to_owned()),
            _loopback: None,
        }
    }

    /// Starts a server that gives the page's answers.
    pub fn loopback() -> io::Result<Self> {
        let server = OpenAiServer::start(ANSWERS)?;
        Ok(Self {
            base_url: Some(server.base_url()),
            completion_model: PAGE_COMPLETION.to_owned(),
            chat_model: PAGE_CHAT.to_owned(),
            _loopback: Some(server),
        })
    }

    /// Returns the completion adapter.
    pub fn completion_model(&self) -> Result<OpenAi, ModelError> {
        self.at(OpenAi::from_env(&self.completion_model)).build()
    }

    /// Returns the chat adapter.
    pub fn chat_model(&self) -> Result<OpenAiChat, ModelError> {
        self.at(OpenAiChat::from_env(&self.chat_model)).build()
    }

    fn at<M>(&self, builder: OpenAiBuilder<M>) -> OpenAiBuilder<M> {
        match &self.base_url {
            Some(url) => builder.base_url(url),
            None => builder,
        }
    }
}

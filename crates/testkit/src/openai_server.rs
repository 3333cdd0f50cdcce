//! A loopback server that speaks OpenAI's HTTP interface from a script and records requests.

mod answer;
mod body;
mod chunks;
mod completion;
mod endpoint;
mod request;
mod responses;
mod server;
mod service;
mod settings;
mod state;

pub use self::{
    answer::ServerAnswer,
    request::RecordedRequest,
    server::{OpenAiServer, OpenAiServerBuilder},
    settings::ServerDialect,
};

//! A loopback server that speaks OpenAI's HTTP interface from a script and records requests.

mod answer;
mod body;
mod builder;
mod chunks;
mod completion;
mod endpoint;
mod request;
mod responses;
mod service;
mod state;

use std::{io, sync::Arc};

use crate::loopback::Loopback;

pub use self::{
    answer::Answer,
    builder::{Dialect, OpenAiServerBuilder},
    request::RecordedRequest,
};
use self::{builder::Source, state::State};

/// A server on 127.0.0.1 that answers as OpenAI's interface does, from a script.
///
/// It serves paths that end with these:
///
/// | request | answer |
/// |---|---|
/// | `POST …/chat/completions`, `POST …/completions`, `POST …/embeddings` | the script's next |
/// | `GET …/models` | the names given to [`OpenAiServerBuilder::models`] |
///
/// An [`Answer`] says what is said; the server puts it into the form that the request asks for:
/// a chat completion or a text completion, whole or as server-sent events, in OpenAI's dialect or
/// llama.cpp's. The script's answers are taken in the order in which requests arrive. When it is
/// used up the answer is a 500 that says so, with `x-should-retry: false`, unless
/// [`OpenAiServerBuilder::repeat_last`] was asked for.
///
/// The server runs on a thread of its own, so that it serves tests of any runtime and tests
/// without one. Dropping it closes its connections and ends its thread.
///
/// # Examples
///
/// ```
/// use conversant_testkit::{Answer, OpenAiServer};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let server = OpenAiServer::start(["Hi there!", "I'm doing great."])?;
/// assert!(server.base_url().starts_with("http://127.0.0.1:"));
///
/// // Logic instead of a list:
/// let parrot = OpenAiServer::with_handler(|request| {
///     let said = request.json().pointer("/messages/0/content").and_then(|text| text.as_str());
///     Answer::text(said.unwrap_or_default())
/// })?;
/// assert_ne!(parrot.base_url(), server.base_url());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct OpenAiServer {
    loopback: Loopback,
    state: Arc<State>,
}

impl OpenAiServer {
    /// Starts a server that gives these answers, one for each request.
    ///
    /// # Errors
    ///
    /// If no port can be bound on 127.0.0.1, or no thread started.
    pub fn start<A: Into<Answer>>(script: impl IntoIterator<Item = A>) -> io::Result<Self> {
        Self::builder().replies(script).start()
    }

    /// Starts a server that asks `handler` for each answer.
    ///
    /// The handler runs on the server's thread: while it blocks, no other request is served.
    /// To hold an answer back, use [`Answer::held_by`].
    ///
    /// # Errors
    ///
    /// If no port can be bound on 127.0.0.1, or no thread started.
    pub fn with_handler(
        handler: impl Fn(&RecordedRequest) -> Answer + Send + Sync + 'static,
    ) -> io::Result<Self> {
        Self::builder().start_with(Source::Handler(Box::new(handler)))
    }

    /// Returns a builder with an empty script.
    pub fn builder() -> OpenAiServerBuilder {
        OpenAiServerBuilder::default()
    }

    /// Returns the address to configure a client with: `http://127.0.0.1:PORT/v1`.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.loopback.address())
    }

    /// Returns the requests so far, in the order in which they arrived whole.
    #[must_use]
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.state.requests()
    }

    /// Waits until `count` requests have arrived whole since the start, and returns them all.
    pub async fn received(&self, count: usize) -> Vec<RecordedRequest> {
        self.state.received.reached(count).await;
        self.requests()
    }

    /// Returns how many connections were accepted since the start.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.state.connections.count()
    }

    /// Returns how many answers were broken off because the client had closed its connection.
    #[must_use]
    pub fn disconnects(&self) -> usize {
        self.state.disconnects.count()
    }

    /// Waits until `count` answers were broken off because the client had closed its connection.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::{io::Write, net::TcpStream};
    /// use conversant_testkit::{Answer, OpenAiServer, block_on};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let server = OpenAiServer::start([Answer::hang()])?;
    /// let address = server.base_url().replace("http://", "").replace("/v1", "");
    /// let mut client = TcpStream::connect(address)?;
    /// client.write_all(b"POST /v1/completions HTTP/1.1\r\ncontent-length: 2\r\n\r\n{}")?;
    /// block_on(server.received(1));
    /// drop(client);
    /// block_on(server.disconnected(1)); // a client that hangs up is noticed
    /// # Ok(())
    /// # }
    /// ```
    pub async fn disconnected(&self, count: usize) {
        self.state.disconnects.reached(count).await;
    }
}

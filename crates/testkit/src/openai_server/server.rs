//! The loopback server and its builder.

use std::{collections::VecDeque, io, sync::Arc};

use super::{
    answer::ServerAnswer,
    request::RecordedRequest,
    service,
    settings::{Key, ServerDialect, Settings},
    state::{Source, State},
};
use crate::loopback::Loopback;

/// A server on 127.0.0.1 with OpenAI's interface that answers from a script.
///
/// It serves paths that end with these:
///
/// | request | answer |
/// |---|---|
/// | `POST …/chat/completions`, `…/completions`, `…/responses`, `…/embeddings` | the script's next |
/// | `GET …/models` | the names given to [`OpenAiServerBuilder::models`] |
///
/// The server puts a [`ServerAnswer`] into the form of the request: a chat completion, a text
/// completion or a response of the Responses endpoint, whole or as server-sent events, in OpenAI's
/// dialect or llama.cpp's. Answers are used in the order in which requests arrive. After the last
/// one, the server responds with a 500 and `x-should-retry: false`, unless
/// [`OpenAiServerBuilder::repeat_last`] is set.
///
/// The server runs on its own thread, so that it serves tests of any runtime and tests without one.
/// Dropping it closes its connections and ends its thread.
///
/// # Examples
///
/// ```
/// use conversant_testkit::{ServerAnswer, OpenAiServer};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let server = OpenAiServer::start(["Hi there!", "I'm doing great."])?;
/// assert!(server.base_url().starts_with("http://127.0.0.1:"));
///
/// // Logic instead of a list:
/// let parrot = OpenAiServer::with_handler(|request| {
///     let said = request.json().pointer("/messages/0/content").and_then(|text| text.as_str());
///     ServerAnswer::text(said.unwrap_or_default())
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
    /// Starts a server with these answers, one for each request.
    ///
    /// # Errors
    ///
    /// If no port can be bound on 127.0.0.1, or no thread started.
    pub fn start<A: Into<ServerAnswer>>(script: impl IntoIterator<Item = A>) -> io::Result<Self> {
        Self::builder().replies(script).start()
    }

    /// Starts a server that calls `handler` for each answer.
    ///
    /// The handler runs on the server's thread: while it blocks, no other request is served. To
    /// delay an answer, use [`ServerAnswer::held_by`].
    ///
    /// # Errors
    ///
    /// If no port can be bound on 127.0.0.1, or no thread started.
    pub fn with_handler(
        handler: impl Fn(&RecordedRequest) -> ServerAnswer + Send + Sync + 'static,
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

    /// Returns the requests so far, in the order in which they were complete.
    #[must_use]
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.state.requests()
    }

    /// Waits until `count` requests are complete, and returns all requests.
    pub async fn received(&self, count: usize) -> Vec<RecordedRequest> {
        self.state.received.reached(count).await;
        self.requests()
    }

    /// Returns the number of connections that were accepted.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.state.connections.count()
    }

    /// Returns the number of answers that were broken off because the client had disconnected.
    #[must_use]
    pub fn disconnects(&self) -> usize {
        self.state.disconnects.count()
    }

    /// Waits until `count` answers were broken off because the client had disconnected.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::{io::Write, net::TcpStream};
    /// use conversant_testkit::{ServerAnswer, OpenAiServer, block_on};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let server = OpenAiServer::start([ServerAnswer::hang()])?;
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

/// A builder of an [`OpenAiServer`], with its script and its settings.
///
/// | setting | default |
/// |---|---|
/// | [`reply`](Self::reply), [`replies`](Self::replies) | no answers |
/// | [`repeat_last`](Self::repeat_last) | a 500 after the last answer |
/// | [`dialect`](Self::dialect) | [`ServerDialect::OpenAi`] |
/// | [`models`](Self::models) | `gpt-6-luna`, `smollm2-135m-instruct` |
/// | [`require_key`](Self::require_key) | any key, or none |
#[derive(Debug, Default)]
#[must_use]
pub struct OpenAiServerBuilder {
    script: VecDeque<ServerAnswer>,
    repeat_last: bool,
    settings: Settings,
}

impl OpenAiServerBuilder {
    /// Adds the answer to the next request.
    pub fn reply(mut self, answer: impl Into<ServerAnswer>) -> Self {
        self.script.push_back(answer.into());
        self
    }

    /// Adds the answers to the next requests.
    pub fn replies<A: Into<ServerAnswer>>(mut self, answers: impl IntoIterator<Item = A>) -> Self {
        self.script.extend(answers.into_iter().map(Into::into));
        self
    }

    /// Repeats the last answer after the end of the script.
    pub fn repeat_last(mut self) -> Self {
        self.repeat_last = true;
        self
    }

    /// Sets the server to imitate. The default is OpenAI's.
    pub fn dialect(mut self, dialect: ServerDialect) -> Self {
        self.settings.dialect = dialect;
        self
    }

    /// Sets the names that `GET …/models` lists. The defaults are `gpt-6-luna` and
    /// `smollm2-135m-instruct`. Requests may name any model.
    pub fn models<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.settings.models = names.into_iter().map(Into::into).collect();
        self
    }

    /// Refuses every request without this key as its bearer token. The 401 repeats the wrong key,
    /// as OpenAI's does. Such requests are recorded and use no answer.
    pub fn require_key(mut self, key: impl Into<String>) -> Self {
        self.settings.key = Some(Key(key.into()));
        self
    }

    /// Starts the server.
    ///
    /// # Errors
    ///
    /// If no port can be bound on 127.0.0.1, or no thread started.
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_testkit::{ServerAnswer, ServerDialect, OpenAiServer};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let server = OpenAiServer::builder()
    ///     .dialect(ServerDialect::LlamaCpp)
    ///     .reply("Paris.")
    ///     .reply(ServerAnswer::tool_call("call_1", "weather", r#"{"city":"Paris"}"#))
    ///     .repeat_last()
    ///     .start()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn start(mut self) -> io::Result<OpenAiServer> {
        let answers = std::mem::take(&mut self.script);
        let repeat_last = self.repeat_last;
        self.start_with(Source::Script { answers, repeat_last })
    }

    fn start_with(self, source: Source) -> io::Result<OpenAiServer> {
        let state = Arc::new(State::new(source, self.settings));
        let loopback = Loopback::start("openai-server", {
            let state = Arc::clone(&state);
            move |stream| service::serve(Arc::clone(&state), stream)
        })?;
        Ok(OpenAiServer { loopback, state })
    }
}

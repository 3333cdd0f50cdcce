//! One answer of the script: its content, and its differences from a plain 200.

use bytes::Bytes;
use serde_json::{Value, json};

use crate::gate::Gate;

/// The server's answer to one request.
///
/// [`ServerAnswer::text`], [`ServerAnswer::pieces`] and [`ServerAnswer::tool_call`] are the model's
/// output, which the server wraps into the form of the request. [`ServerAnswer::json`],
/// [`ServerAnswer::status`] and [`ServerAnswer::chunks`] are sent as they are. A string converts
/// into a text answer.
///
/// # Examples
///
/// ```
/// use conversant_testkit::{ServerAnswer, Gate, OpenAiServer};
///
/// # fn main() -> std::io::Result<()> {
/// let gate = Gate::new();
/// let server = OpenAiServer::builder()
///     .reply("plain words")
///     .reply(ServerAnswer::text("cut").with_finish_reason("length"))
///     .reply(ServerAnswer::pieces(["Hel", "lo"]).held_after(2, &gate))
///     .reply(ServerAnswer::error(401, "invalid_api_key", "Incorrect API key provided"))
///     .reply(ServerAnswer::status(502).with_body("text/html", "<h1>Bad gateway</h1>"))
///     .start()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct ServerAnswer {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) content: Content,
    pub(super) finish_reason: Option<String>,
    pub(super) usage: Option<(u64, u64)>,
    pub(super) hold: Option<Hold>,
}

#[derive(Clone, Debug)]
pub(super) enum Content {
    /// Wrapped into the form of the request.
    Said(Vec<Choice>),
    Embeddings(Vec<Vec<f32>>),
    /// Sent with its length.
    Body(Bytes),
    /// Sent chunked, each flushed by itself.
    Chunks(Vec<Bytes>),
}

#[derive(Clone, Debug, Default)]
pub(super) struct Choice {
    /// The text in the pieces in which it is streamed; none means `"content":null`.
    pub(super) text: Option<Vec<String>>,
    pub(super) refusal: Option<String>,
    pub(super) tool_calls: Vec<ToolCall>,
}

#[derive(Clone, Debug)]
pub(super) struct ToolCall {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) arguments: String,
}

#[derive(Clone, Debug)]
pub(super) struct Hold {
    pub(super) after: usize,
    pub(super) gate: Gate,
}

impl ServerAnswer {
    /// Answers with this text, streamed word by word. A request for several choices, or with
    /// several prompts, gets the same text for each.
    pub fn text(text: impl AsRef<str>) -> Self {
        Self::pieces(words(text.as_ref()))
    }

    /// Answers with these pieces together. When streamed, each piece is one delta.
    pub fn pieces<P: Into<String>>(pieces: impl IntoIterator<Item = P>) -> Self {
        let text = Some(pieces.into_iter().map(Into::into).collect());
        Self::ok(Content::Said(vec![Choice { text, ..Choice::default() }]))
    }

    /// Answers with one text for each choice, independent of the requested number.
    pub fn choices<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> Self {
        let choice = |text: T| Choice { text: Some(words(text.as_ref())), ..Choice::default() };
        Self::ok(Content::Said(texts.into_iter().map(choice).collect()))
    }

    /// Answers with a tool call and no text. `arguments` are sent as they are, valid JSON or not.
    ///
    /// A request for a text completion gets a 500 with the reason.
    pub fn tool_call(
        id: impl Into<String>,
        name: impl Into<String>,
        arguments: impl Into<String>,
    ) -> Self {
        Self::ok(Content::Said(vec![Choice::default()])).with_tool_call(id, name, arguments)
    }

    /// Answers with a refusal: `"content":null` and this text as `refusal`.
    pub fn refusal(text: impl Into<String>) -> Self {
        let refusal = Some(text.into());
        Self::ok(Content::Said(vec![Choice { refusal, ..Choice::default() }]))
    }

    /// Answers a request for embeddings, one vector for each input.
    pub fn embeddings(vectors: impl IntoIterator<Item = Vec<f32>>) -> Self {
        Self::ok(Content::Embeddings(vectors.into_iter().collect()))
    }

    /// Answers any request with 200 and this JSON, unchanged.
    pub fn json(body: &Value) -> Self {
        Self::status(200).with_body("application/json", body.to_string())
    }

    /// Answers with this status and an empty body.
    pub fn status(status: u16) -> Self {
        Self { status, ..Self::ok(Content::Body(Bytes::new())) }
    }

    /// Answers with this status and OpenAI's form of an error:
    /// `{"error":{"message":…,"type":…,"param":null,"code":…}}`.
    ///
    /// The type is `invalid_request_error` below 429 and `server_error` from 500 on; `code` is
    /// both code and type of a 429, as with OpenAI (`insufficient_quota`).
    pub fn error(status: u16, code: &str, message: &str) -> Self {
        let kind = match status {
            429 => code,
            500.. => "server_error",
            _ => "invalid_request_error",
        };
        let error = json!({"message": message, "type": kind, "param": null, "code": code});
        Self { status, ..Self::json(&json!({ "error": error })) }
    }

    /// Answers 200 with server-sent events, one `data:` for each payload, and ends. `[DONE]` is a
    /// payload like any other: leave it out to cut the stream short.
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_testkit::ServerAnswer;
    ///
    /// let broken = ServerAnswer::events([
    ///     r#"{"choices":[{"index":0,"delta":{"content":"Hel"}}]}"#,
    ///     r#"{"error":{"message":"the server had an error"}}"#,
    /// ]);
    /// # let _ = broken;
    /// ```
    pub fn events<P: AsRef<str>>(payloads: impl IntoIterator<Item = P>) -> Self {
        Self::chunks(payloads.into_iter().map(|data| format!("data: {}\n\n", data.as_ref())))
            .with_header("content-type", "text/event-stream; charset=utf-8")
    }

    /// Answers 200 with these bytes, each chunk flushed by itself. No content type is set.
    pub fn chunks<C: Into<Bytes>>(chunks: impl IntoIterator<Item = C>) -> Self {
        Self::ok(Content::Chunks(chunks.into_iter().map(Into::into).collect()))
    }

    /// Reads the request and does not answer until the client disconnects or the server is dropped.
    pub fn hang() -> Self {
        Self::status(200).held_by(&Gate::new())
    }

    /// Adds a tool call to the model's output. Does not change other answers.
    pub fn with_tool_call(
        mut self,
        id: impl Into<String>,
        name: impl Into<String>,
        arguments: impl Into<String>,
    ) -> Self {
        if let Content::Said(choices) = &mut self.content
            && let Some(choice) = choices.last_mut()
        {
            let call = ToolCall { id: id.into(), name: name.into(), arguments: arguments.into() };
            choice.tool_calls.push(call);
        }
        self
    }

    /// Sets the finish reason. The default is `stop`, or `tool_calls` if a tool is called.
    pub fn with_finish_reason(mut self, reason: impl Into<String>) -> Self {
        self.finish_reason = Some(reason.into());
        self
    }

    /// Sets the numbers of tokens in `usage`. The defaults are the numbers of words.
    pub fn with_usage(mut self, prompt: u64, completion: u64) -> Self {
        self.usage = Some((prompt, completion));
        self
    }

    /// Sets the status, 100 to 999.
    pub fn with_status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// Adds a header, which replaces the server's own of this name.
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sets the body, to be sent as it is, and its content type.
    pub fn with_body(mut self, content_type: &str, body: impl Into<Bytes>) -> Self {
        self.content = Content::Body(body.into());
        self.with_header("content-type", content_type)
    }

    /// Makes the answer wait at `gate` before its first byte.
    pub fn held_by(self, gate: &Gate) -> Self {
        self.held_after(0, gate)
    }

    /// Makes a streamed answer wait at `gate` after `chunks` chunks. A whole answer waits before
    /// its first byte.
    pub fn held_after(mut self, chunks: usize, gate: &Gate) -> Self {
        self.hold = Some(Hold { after: chunks, gate: gate.clone() });
        self
    }

    fn ok(content: Content) -> Self {
        let headers = Vec::new();
        Self { status: 200, headers, content, finish_reason: None, usage: None, hold: None }
    }
}

impl From<&str> for ServerAnswer {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

impl From<String> for ServerAnswer {
    fn from(text: String) -> Self {
        Self::text(text)
    }
}

/// Splits a text before each run of whitespace, as a tokenizer would: `Hi`, ` there`.
fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut in_space = false;
    for char in text.chars() {
        let starts = char.is_whitespace() && !in_space;
        in_space = char.is_whitespace();
        match words.last_mut() {
            Some(word) if !starts => word.push(char),
            _ => words.push(char.to_string()),
        }
    }
    words
}

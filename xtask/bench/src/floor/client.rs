//! The requests and the responses of the hand-written client.

use std::borrow::Cow;

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use memchr::memmem;
use serde::{Deserialize, Serialize, Serializer, ser::SerializeSeq};

use crate::workload::{
    COMPLETION_MODEL, KEY, MODEL, QUESTION, SYSTEM, TEMPERATURE, is_human, message,
};

/// A message of a held conversation.
#[derive(Serialize, Clone)]
pub(super) struct Message {
    pub(super) role: &'static str,
    pub(super) content: String,
}

#[derive(Serialize)]
struct Borrowed<'a> {
    role: &'static str,
    content: &'a str,
}

#[derive(Serialize)]
struct ChatRequest<'a> {
    model: &'a str,
    temperature: f64,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    stream: bool,
    messages: Prompt<'a>,
}

/// The system message, the history, and the question.
struct Prompt<'a> {
    history: &'a [Message],
    question: &'a str,
}

impl Serialize for Prompt<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut seq = serializer.serialize_seq(Some(self.history.len() + 2))?;
        seq.serialize_element(&Borrowed { role: "system", content: SYSTEM })?;
        for message in self.history {
            seq.serialize_element(message)?;
        }
        seq.serialize_element(&Borrowed { role: "user", content: self.question })?;
        seq.end()
    }
}

#[derive(Serialize)]
struct CompletionRequest<'a> {
    model: &'a str,
    temperature: f64,
    max_tokens: u32,
    prompt: &'a str,
}

#[derive(Deserialize)]
struct ChatResponse {
    choices: Vec<ChatChoice>,
}

#[derive(Deserialize)]
struct ChatChoice {
    message: Answer,
}

#[derive(Deserialize)]
struct Answer {
    content: Option<String>,
}

#[derive(Deserialize)]
struct CompletionResponse {
    choices: Vec<CompletionChoice>,
}

#[derive(Deserialize)]
struct CompletionChoice {
    text: String,
}

#[derive(Deserialize)]
struct Chunk<'a> {
    #[serde(borrow)]
    choices: Vec<ChunkChoice<'a>>,
}

#[derive(Deserialize)]
struct ChunkChoice<'a> {
    #[serde(borrow)]
    delta: Delta<'a>,
}

#[derive(Deserialize)]
struct Delta<'a> {
    #[serde(borrow)]
    content: Option<Cow<'a, str>>,
}

/// The client: reqwest and two addresses.
pub(crate) struct Client {
    http: reqwest::Client,
    chat: String,
    completion: String,
}

impl Client {
    pub(crate) fn new(base_url: &str) -> reqwest::Result<Self> {
        Ok(Self {
            http: reqwest::Client::builder().no_proxy().build()?,
            chat: format!("{base_url}/chat/completions"),
            completion: format!("{base_url}/completions"),
        })
    }

    async fn post(&self, url: &str, body: Vec<u8>) -> reqwest::Result<reqwest::Response> {
        let request = self.http.post(url).bearer_auth(KEY);
        let request = request.header("content-type", "application/json").body(body);
        request.send().await?.error_for_status()
    }

    async fn read(&self, url: &str, body: Vec<u8>) -> Bytes {
        let response = self.post(url, body).await.expect("the server answers");
        response.bytes().await.expect("the server answers")
    }

    /// A call with all that belongs to it: the turn is added to the history.
    pub(super) async fn call(&self, history: &mut Vec<Message>, question: &str) {
        let body = chat_body(MODEL, history, question, false);
        let answer = self.read(&self.chat, body).await;
        let answer: ChatResponse = serde_json::from_slice(&answer).expect("it is JSON");
        let answer = answer.choices.into_iter().next().and_then(|choice| choice.message.content);
        add(history, question, answer.expect("there is an answer"));
    }

    pub(super) async fn complete(&self, history: &mut Vec<Message>, question: &str) {
        let prompt = fill_in(&render(history), question);
        let request = CompletionRequest {
            model: COMPLETION_MODEL,
            temperature: TEMPERATURE,
            max_tokens: 256,
            prompt: &prompt,
        };
        let body = serde_json::to_vec(&request).expect("it is encodable");
        let answer = self.read(&self.completion, body).await;
        let answer: CompletionResponse = serde_json::from_slice(&answer).expect("it is JSON");
        let answer = answer.choices.into_iter().next().map(|choice| choice.text);
        add(history, question, answer.expect("there is an answer"));
    }

    /// Opens a stream.
    pub(crate) async fn open(&self, model: &str) -> impl Stream<Item = Bytes> + Unpin + use<> {
        let body = chat_body(model, &[], QUESTION, true);
        let response = self.post(&self.chat, body).await.expect("the server answers");
        response.bytes_stream().map(|piece| piece.expect("the stream goes on"))
    }

    /// Reads a stream to its end, and returns its text. Calls `first` for the first piece.
    pub(super) async fn stream(&self, model: &str, mut first: impl FnMut()) -> String {
        let mut bytes = self.open(model).await;
        let (mut buffer, mut text) = (BytesMut::new(), String::new());
        while let Some(piece) = bytes.next().await {
            buffer.extend_from_slice(&piece);
            while let Some(end) = memmem::find(&buffer, b"\n\n") {
                let event = buffer.split_to(end + 2);
                let data = &event[b"data: ".len()..end];
                if data == b"[DONE]" {
                    break;
                }
                let chunk: Chunk<'_> = serde_json::from_slice(data).expect("it is JSON");
                let delta =
                    chunk.choices.first().and_then(|choice| choice.delta.content.as_deref());
                if let Some(delta) = delta {
                    first();
                    text.push_str(delta);
                }
            }
        }
        text
    }
}

fn chat_body(model: &str, history: &[Message], question: &str, stream: bool) -> Vec<u8> {
    let messages = Prompt { history, question };
    let request = ChatRequest { model, temperature: TEMPERATURE, stream, messages };
    serde_json::to_vec(&request).expect("it is encodable")
}

fn add(history: &mut Vec<Message>, question: &str, answer: String) {
    history.push(Message { role: "user", content: question.to_owned() });
    history.push(Message { role: "assistant", content: answer });
}

/// Makes a held conversation.
pub(super) fn history(n: usize) -> Vec<Message> {
    let role = |index| if is_human(index) { "user" } else { "assistant" };
    (0..n).map(|index| Message { role: role(index), content: message(index) }).collect()
}

/// Renders a history as text.
pub(super) fn render(history: &[Message]) -> String {
    let length = history.iter().map(|message| message.content.len() + 8).sum();
    let mut text = String::with_capacity(length);
    for (index, message) in history.iter().enumerate() {
        if index > 0 {
            text.push('\n');
        }
        text.push_str(if message.role == "user" { "Human: " } else { "AI: " });
        text.push_str(&message.content);
    }
    text
}

/// Fills in the string prompt.
pub(super) fn fill_in(history: &str, question: &str) -> String {
    let mut text = String::with_capacity(SYSTEM.len() + history.len() + question.len() + 24);
    text.push_str(SYSTEM);
    text.push_str("\n\n");
    text.push_str(history);
    text.push_str("\nHuman: ");
    text.push_str(question);
    text.push_str("\nChatbot:");
    text
}

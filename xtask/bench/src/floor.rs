//! The client written by hand: reqwest and serde_json over a held list of messages, encoded anew with each call. What all others are
//! measured against.

use std::borrow::Cow;

use bench::{
    measure::{Running, Sample, Turns, repeated},
    work::{System, Work},
    workload::{
        COMPLETION_MODEL, KEY, MODEL, QUESTION, SYSTEM, TURNS, is_human, message, prose_and_code,
    },
};
use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, future::join_all};
use memchr::memmem;
use serde::{Deserialize, Serialize, Serializer, ser::SerializeSeq};
use tokio::runtime::Runtime;

const TEMPERATURE: f32 = 0.7;

#[derive(Serialize, Clone)]
struct Message {
    role: &'static str,
    content: String,
}

#[derive(Serialize)]
struct Borrowed<'a> {
    role: &'static str,
    content: &'a str,
}

#[derive(Serialize)]
struct ChatRequest<'a> {
    model: &'a str,
    temperature: f32,
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
    temperature: f32,
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

struct Client {
    http: reqwest::Client,
    chat: String,
    completion: String,
}

impl Client {
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
    async fn call(&self, history: &mut Vec<Message>, question: &str) {
        let body = chat_body(history, question, false);
        let answer = self.read(&self.chat, body).await;
        let answer: ChatResponse = serde_json::from_slice(&answer).expect("it is JSON");
        let answer = answer.choices.into_iter().next().and_then(|choice| choice.message.content);
        add(history, question, answer.expect("there is an answer"));
    }

    async fn complete(&self, history: &mut Vec<Message>, question: &str) {
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

    /// Reads a stream to its end, and returns its text.
    async fn stream(&self, question: &str) -> String {
        let body = chat_body(&[], question, true);
        let response = self.post(&self.chat, body).await.expect("the server answers");
        let mut bytes = response.bytes_stream();
        let (mut buffer, mut text) = (BytesMut::new(), String::new());
        while let Some(piece) = bytes.next().await {
            buffer.extend_from_slice(&piece.expect("the stream goes on"));
            while let Some(end) = memmem::find(&buffer, b"\n\n") {
                let event = buffer.split_to(end + 2);
                let data = &event[b"data: ".len()..end];
                if data == b"[DONE]" {
                    break;
                }
                let chunk: Chunk<'_> = serde_json::from_slice(data).expect("it is JSON");
                let delta =
                    chunk.choices.first().and_then(|choice| choice.delta.content.as_deref());
                text.push_str(delta.unwrap_or_default());
            }
        }
        text
    }
}

fn chat_body(history: &[Message], question: &str, stream: bool) -> Vec<u8> {
    let messages = Prompt { history, question };
    let request = ChatRequest { model: MODEL, temperature: TEMPERATURE, stream, messages };
    serde_json::to_vec(&request).expect("it is encodable")
}

fn add(history: &mut Vec<Message>, question: &str, answer: String) {
    history.push(Message { role: "user", content: question.to_owned() });
    history.push(Message { role: "assistant", content: answer });
}

fn history(n: usize) -> Vec<Message> {
    let role = |index| if is_human(index) { "user" } else { "assistant" };
    (0..n).map(|index| Message { role: role(index), content: message(index) }).collect()
}

/// Renders a history as text.
fn render(history: &[Message]) -> String {
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
fn fill_in(history: &str, question: &str) -> String {
    let mut text = String::with_capacity(SYSTEM.len() + history.len() + question.len() + 24);
    text.push_str(SYSTEM);
    text.push_str("\n\n");
    text.push_str(history);
    text.push_str("\nHuman: ");
    text.push_str(question);
    text.push_str("\nChatbot:");
    text
}

/// The client written by hand.
pub(crate) struct Floor {
    client: Client,
    runtime: Runtime,
}

impl Floor {
    pub(crate) fn new(base_url: &str, runtime: Runtime) -> reqwest::Result<Self> {
        let client = Client {
            http: reqwest::Client::builder().no_proxy().build()?,
            chat: format!("{base_url}/chat/completions"),
            completion: format!("{base_url}/completions"),
        };
        Ok(Self { client, runtime })
    }
}

impl System for Floor {
    fn name(&self) -> &'static str {
        "floor"
    }

    fn sample(&mut self, work: Work, n: usize) -> Option<Sample> {
        let Self { client, runtime } = self;
        Some(match work {
            Work::Call => {
                let mut history = history(n);
                runtime.block_on(async {
                    let running = Running::start();
                    client.call(&mut history, QUESTION).await;
                    running.stop(1)
                })
            }
            Work::Completion => {
                let mut history = history(n);
                runtime.block_on(async {
                    let running = Running::start();
                    client.complete(&mut history, QUESTION).await;
                    running.stop(1)
                })
            }
            Work::Conversation => runtime.block_on(async {
                let (mut history, mut turns) = (Vec::new(), Turns::start());
                for turn in 0..n {
                    let question = message(turn * 2);
                    let running = Running::start();
                    client.call(&mut history, &question).await;
                    turns.add(running);
                }
                turns.stop()
            }),
            Work::Concurrent => runtime.block_on(async {
                let running = Running::start();
                let conversation = || async {
                    let mut history = Vec::new();
                    for turn in 0..TURNS {
                        client.call(&mut history, &message(turn * 2)).await;
                    }
                };
                join_all((0..n).map(|_| conversation())).await;
                running.stop(n * TURNS)
            }),
            Work::Stream => runtime.block_on(async {
                let running = Running::start();
                let text = client.stream(QUESTION).await;
                let sample = running.stop(n);
                assert!(text.ends_with(" tok999"), "the stream is cut off");
                sample
            }),
            Work::FormatString => {
                let history = render(&history(n));
                repeated(|| fill_in(&history, QUESTION))
            }
            Work::FormatChat => {
                let history = history(n);
                repeated(|| {
                    let mut prompt = Vec::with_capacity(history.len() + 2);
                    prompt.push(Message { role: "system", content: SYSTEM.to_owned() });
                    prompt.extend_from_slice(&history);
                    prompt.push(Message { role: "user", content: QUESTION.to_owned() });
                    prompt
                })
            }
            Work::Tokens => return None,
        })
    }
}

/// tiktoken-rs, against which tokens are counted.
pub(crate) struct TiktokenRs(pub(crate) &'static tiktoken_rs::CoreBPE);

impl System for TiktokenRs {
    fn name(&self) -> &'static str {
        "tiktoken-rs"
    }

    fn sample(&mut self, work: Work, n: usize) -> Option<Sample> {
        if work != Work::Tokens {
            return None;
        }
        let messages = prose_and_code(n).ok()?;
        let running = Running::start();
        let count: usize = messages.iter().map(|text| self.0.encode_ordinary(text).len()).sum();
        let sample = running.stop(1);
        assert!(count > 0);
        Some(sample)
    }
}

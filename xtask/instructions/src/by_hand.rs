//! The same call, hand-written: reqwest and serde_json over a list of messages, which is encoded
//! with each call.

use conversant_core::BoxError;
use reqwest::{Client, header::CONTENT_TYPE};
use serde::{Deserialize, Serialize};
use tokio::runtime::Runtime;

use crate::{
    call::TIMES,
    conversation::{LENGTHS, QUESTION, SYSTEM, answer, question},
    counted::{counted, say},
    server::{KEY, MODEL, Server},
};

#[derive(Serialize)]
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
struct Request<'a> {
    model: &'a str,
    temperature: f32,
    messages: Vec<Borrowed<'a>>,
}

#[derive(Deserialize)]
struct Response {
    choices: Vec<Choice>,
}

#[derive(Deserialize)]
struct Choice {
    message: Answer,
}

#[derive(Deserialize)]
struct Answer {
    content: Option<String>,
}

pub(crate) fn count(runtime: &Runtime, server: &Server) -> Result<(), BoxError> {
    let client = Client::builder().no_proxy().build()?;
    let url = format!("{}/chat/completions", server.base_url);
    // The first one opens the connection.
    runtime.block_on(call(&client, &url, &mut history(2)))?;
    for n in LENGTHS.into_iter().take_while(|n| *n <= 2_000) {
        for _ in 0..TIMES {
            let (mut history, mut outcome) = (history(n), Ok(()));
            counted(&mut || outcome = runtime.block_on(call(&client, &url, &mut history)));
            say("call by hand", n, 1);
            outcome?;
        }
    }
    Ok(())
}

fn history(n: usize) -> Vec<Message> {
    let of = |index| match index % 2 {
        0 => Message { role: "user", content: question(index / 2) },
        _ => Message { role: "assistant", content: answer(index / 2) },
    };
    (0..n).map(of).collect()
}

/// A call with all that belongs to it: the turn is added to the history.
async fn call(client: &Client, url: &str, history: &mut Vec<Message>) -> Result<(), BoxError> {
    let mut messages = Vec::with_capacity(history.len() + 2);
    messages.push(Borrowed { role: "system", content: SYSTEM });
    messages.extend(
        history.iter().map(|said| Borrowed { role: said.role, content: said.content.as_str() }),
    );
    messages.push(Borrowed { role: "user", content: QUESTION });
    let request = Request { model: MODEL, temperature: 0.7, messages };
    let body = serde_json::to_vec(&request)?;
    let request = client.post(url).bearer_auth(KEY).header(CONTENT_TYPE, "application/json");
    let response = request.body(body).send().await?.error_for_status()?.bytes().await?;
    let response: Response = serde_json::from_slice(&response)?;
    let answer = response.choices.into_iter().next().and_then(|choice| choice.message.content);
    history.push(Message { role: "user", content: QUESTION.to_owned() });
    history.push(Message { role: "assistant", content: answer.ok_or("there is no answer")? });
    Ok(())
}

//! One hand-written chat call. Prints the answer, and the process's peak resident memory as the
//! operating system reports it.

use std::{env, error::Error, fs};

use serde::Deserialize;

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
    content: String,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    #[cfg(feature = "ring")]
    let _ = rustls::crypto::ring::default_provider().install_default();
    let base_url = env::args().nth(1).ok_or("the address of the server is missing")?;
    let body = serde_json::json!({
        "model": "gpt-5.4-mini",
        "messages": [
            { "role": "system", "content": "You are a chatbot." },
            { "role": "user", "content": "Hi there my friend" },
        ],
    });
    let request = reqwest::Client::new().post(format!("{base_url}/chat/completions"));
    let response = request.bearer_auth("sk-x").json(&body).send().await?.error_for_status()?;
    let response: Response = response.json().await?;
    let answer = response.choices.first().ok_or("there is no answer")?;
    println!("{}", answer.message.content);
    println!("{}", fs::read_to_string("/proc/self/status")?);
    Ok(())
}

//! The floor: a hand-written client of reqwest and serde_json over a held list of messages, which
//! is encoded with each call. All ratios are to it.

mod client;

use conversant_core::BoxError;
use futures_util::future::join_all;
use tokio::runtime::Runtime;

pub(crate) use self::client::Client;
use self::client::{Message, fill_in, history, render};
use crate::{
    measure::{FirstToken, Running, Sample, Turns, repeated},
    work::{System, Work},
    workload::{MODEL, PACED_MODEL, QUESTION, SYSTEM, TURNS, message, runtime},
};

/// The hand-written client.
pub(crate) struct Floor {
    client: Client,
    runtime: Runtime,
}

impl Floor {
    pub(crate) fn make(base_url: &str) -> Result<Box<dyn System>, BoxError> {
        Ok(Box::new(Self { client: Client::new(base_url)?, runtime: runtime()? }))
    }
}

impl System for Floor {
    fn burst(&mut self, work: Work, n: usize, times: usize) -> Vec<Sample> {
        let Self { client, runtime } = self;
        let mut samples = Vec::with_capacity(times);
        let mut histories: Vec<_> = match work {
            Work::Call | Work::Completion => (0..times).map(|_| history(n)).collect(),
            _ => vec![Vec::new(); times],
        };
        runtime.block_on(async {
            for history in &mut histories {
                let running = Running::start();
                samples.push(match work {
                    Work::Call => {
                        client.call(history, QUESTION).await;
                        running.stop(1)
                    }
                    Work::Completion => {
                        client.complete(history, QUESTION).await;
                        running.stop(1)
                    }
                    Work::Conversation => converse(client, n).await,
                    Work::Concurrent => {
                        join_all((0..n).map(|_| turns(client))).await;
                        running.stop(n * TURNS)
                    }
                    Work::Stream => {
                        let text = client.stream(MODEL, || ()).await;
                        let sample = running.stop(n);
                        assert!(text.ends_with(" tok999"), "the stream is cut off");
                        sample
                    }
                    Work::FirstToken => {
                        let mut first = FirstToken::start();
                        client.stream(PACED_MODEL, || first.is_here()).await;
                        first.stop()
                    }
                    Work::FormatString => format_string(n),
                    Work::FormatChat => format_chat(n),
                    Work::Tokens => break,
                });
            }
        });
        samples
    }
}

async fn converse(client: &Client, n: usize) -> Sample {
    let (mut history, mut turns) = (Vec::new(), Turns::start());
    for turn in 0..n {
        let question = message(turn * 2);
        let running = Running::start();
        client.call(&mut history, &question).await;
        turns.add(running);
    }
    turns.stop()
}

/// One of several conversations.
async fn turns(client: &Client) {
    let mut history = Vec::new();
    for turn in 0..TURNS {
        client.call(&mut history, &message(turn * 2)).await;
    }
}

/// Returns the text that a completion model is sent.
pub(crate) fn completion_prompt(n: usize) -> String {
    fill_in(&render(&history(n)), QUESTION)
}

fn format_string(n: usize) -> Sample {
    let history = render(&history(n));
    repeated(|| fill_in(&history, QUESTION))
}

fn format_chat(n: usize) -> Sample {
    let history = history(n);
    repeated(|| {
        let mut prompt = Vec::with_capacity(history.len() + 2);
        prompt.push(Message { role: "system", content: SYSTEM.to_owned() });
        prompt.extend_from_slice(&history);
        prompt.push(Message { role: "user", content: QUESTION.to_owned() });
        prompt
    })
}

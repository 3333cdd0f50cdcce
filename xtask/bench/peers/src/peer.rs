//! The common part of the peers: how their clients do the works.

use bench::{
    measure::{FirstToken, Running, Sample, Turns},
    work::{System, Work},
    workload::{MODEL, PACED_MODEL, QUESTION, TURNS, message, runtime},
};
use conversant_core::BoxError;
use futures_util::future::join_all;
use tokio::runtime::Runtime;

/// A peer's client, used as its documentation does.
pub(crate) trait Client: Sized + 'static {
    /// A conversation, as one holds it for this client.
    type History;

    /// Makes a client for the server at an address.
    fn new(base_url: &str) -> Result<Self, BoxError>;

    /// Makes a conversation of `n` messages.
    async fn history(n: usize) -> Self::History;

    /// Sends the history and a question, and adds the turn to the history.
    async fn call(&self, history: &mut Self::History, question: &str) -> Result<(), BoxError>;

    /// Asks a question without a history, calls `first` for each piece of the answer, and returns
    /// the whole answer.
    async fn stream(&self, model: &str, first: impl FnMut()) -> Result<String, BoxError>;

    /// Measures making of a history what is sent.
    async fn format_chat(n: usize) -> Sample;

    /// Measures filling in a string prompt, where there are any.
    async fn format_string(_: usize) -> Option<Sample> {
        None
    }
}

/// A peer.
pub(crate) struct Peer<C> {
    client: C,
    runtime: Runtime,
}

impl<C: Client> Peer<C> {
    pub(crate) fn make(base_url: &str) -> Result<Box<dyn System>, BoxError> {
        Ok(Box::new(Self { client: C::new(base_url)?, runtime: runtime()? }))
    }

    /// A call in each of some conversations, which are all there before.
    async fn calls(&self, n: usize, times: usize) -> Result<Vec<Sample>, BoxError> {
        let mut histories = join_all((0..times).map(|_| C::history(n))).await;
        let mut samples = Vec::new();
        for history in &mut histories {
            let running = Running::start();
            self.client.call(history, QUESTION).await?;
            samples.push(running.stop(1));
        }
        Ok(samples)
    }

    async fn converse(&self, n: usize) -> Result<Sample, BoxError> {
        let mut history = C::history(0).await;
        let mut turns = Turns::start();
        for turn in 0..n {
            let question = message(turn * 2);
            let running = Running::start();
            self.client.call(&mut history, &question).await?;
            turns.add(running);
        }
        Ok(turns.stop())
    }

    async fn converse_at_once(&self, n: usize) -> Result<Sample, BoxError> {
        let running = Running::start();
        let conversation = || async {
            let mut history = C::history(0).await;
            for turn in 0..TURNS {
                self.client.call(&mut history, &message(turn * 2)).await?;
            }
            Ok::<_, BoxError>(())
        };
        for conversation in join_all((0..n).map(|_| conversation())).await {
            conversation?;
        }
        Ok(running.stop(n * TURNS))
    }

    async fn try_burst(&self, work: Work, n: usize, times: usize) -> Result<Vec<Sample>, BoxError> {
        let mut samples = Vec::new();
        for _ in 0..times {
            samples.push(match work {
                Work::Call => return self.calls(n, times).await,
                Work::Conversation => self.converse(n).await?,
                Work::Concurrent => self.converse_at_once(n).await?,
                Work::Stream => {
                    let running = Running::start();
                    let text = self.client.stream(MODEL, || ()).await?;
                    let sample = running.stop(n);
                    assert!(text.ends_with(" tok999"), "the stream is cut off");
                    sample
                }
                Work::FirstToken => {
                    let mut first = FirstToken::start();
                    self.client.stream(PACED_MODEL, || first.is_here()).await?;
                    first.stop()
                }
                Work::FormatChat => C::format_chat(n).await,
                Work::FormatString => match C::format_string(n).await {
                    Some(sample) => sample,
                    None => break,
                },
                Work::Completion | Work::Tokens => break,
            });
        }
        Ok(samples)
    }
}

impl<C: Client> System for Peer<C> {
    fn burst(&mut self, work: Work, n: usize, times: usize) -> Vec<Sample> {
        let samples = self.runtime.block_on(self.try_burst(work, n, times));
        samples.expect("the server answers")
    }
}

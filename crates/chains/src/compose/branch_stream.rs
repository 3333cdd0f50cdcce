//! The answers of branches that run at the same time, piece by piece.

use std::{
    borrow::Cow,
    sync::Arc,
    task::{Context, Poll},
};

use conversant_core::{BranchDelta, Delta, Value, Variables};

use super::step_result::{branch_output, joined};
use crate::{
    answer_stream::{AnswerItem, AnswerSource, AnswerStream},
    apply::Boxed,
    chain::{Chain, RunContext},
    error::ChainError,
};

/// The pieces of all branches, and then their joined answer.
pub(super) struct BranchStream {
    branches: Vec<Branch>,
    /// The number of branches that run at the same time.
    limit: usize,
    /// The branch that is polled first, so that a fast branch does not hold up the others.
    next: usize,
    first: FirstOutput,
}

/// The text that was received of the first branch's answer, which is the chain's first output.
#[derive(Default)]
struct FirstOutput {
    /// Where the text after the last result of a tool starts, in what the branch has received.
    start: usize,
    /// The text, once the branch has ended.
    text: String,
}

impl FirstOutput {
    fn text_of<'r>(&self, received: &'r str) -> &'r str {
        received.get(self.start..).unwrap_or_default()
    }
}

/// A branch of a stream.
pub(super) struct Branch {
    output: Cow<'static, str>,
    name: Arc<str>,
    chain: Arc<dyn Chain>,
    state: State,
}

enum State {
    Waiting(Arc<Variables>, Box<RunContext>),
    Starting(Boxed<'static, Result<AnswerStream, ChainError>>),
    Streaming(AnswerStream),
    Ended(Result<Value, ChainError>),
}

impl BranchStream {
    pub(super) fn new(branches: Vec<Branch>, limit: usize) -> Self {
        Self { branches, limit: limit.max(1), next: 0, first: FirstOutput::default() }
    }

    /// Starts branches up to the limit.
    fn start_branches(&mut self) {
        let mut running = self.branches.iter().filter(|branch| branch.is_running()).count();
        for branch in &mut self.branches {
            if running < self.limit && branch.start() {
                running += 1;
            }
        }
    }

    /// Polls the next piece of any branch. It is `None` at the end of a branch that failed.
    fn poll_branches(&mut self, context: &mut Context<'_>) -> Poll<Option<BranchDelta>> {
        let count = self.branches.len();
        for index in (self.next..count).chain(0..self.next.min(count)) {
            let Some(branch) = self.branches.get_mut(index).filter(|branch| branch.is_running())
            else {
                continue;
            };
            let first = (index == 0).then_some(&mut self.first);
            if let Poll::Ready(delta) = branch.poll(first, context) {
                self.next = index + 1;
                let name = &branch.name;
                return Poll::Ready(delta.map(|delta| BranchDelta::new(Arc::clone(name), delta)));
            }
        }
        Poll::Pending
    }
}

impl AnswerSource for BranchStream {
    fn poll_item(&mut self, context: &mut Context<'_>) -> Poll<Result<AnswerItem, ChainError>> {
        loop {
            self.start_branches();
            if !self.branches.iter().any(Branch::is_running) {
                let ended = self.branches.drain(..).filter_map(|branch| match branch.state {
                    State::Ended(result) => Some((branch.output, result)),
                    _ => None,
                });
                return Poll::Ready(joined(ended).map(|answer| {
                    AnswerItem::Done(Box::new(answer.to_reply()), Box::new(answer))
                }));
            }
            match self.poll_branches(context) {
                Poll::Ready(Some(delta)) => {
                    return Poll::Ready(Ok(AnswerItem::Piece(Delta::Branch(Box::new(delta)))));
                }
                Poll::Ready(None) => {}
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    fn partial(&self) -> &str {
        match self.branches.first().map(|branch| &branch.state) {
            Some(State::Streaming(stream)) => self.first.text_of(stream.partial()),
            _ => &self.first.text,
        }
    }

    fn is_complete(&self) -> bool {
        self.branches.iter().all(|branch| match &branch.state {
            State::Waiting(..) | State::Starting(_) => false,
            State::Streaming(stream) => stream.is_complete(),
            State::Ended(_) => true,
        })
    }
}

impl Branch {
    pub(super) fn new(
        output: Cow<'static, str>,
        chain: Arc<dyn Chain>,
        variables: Arc<Variables>,
        context: RunContext,
    ) -> Self {
        let name = Arc::from(&*output);
        Self { output, name, chain, state: State::Waiting(variables, Box::new(context)) }
    }

    /// Returns the text of its output that a branch has received while it streams.
    fn received(&self) -> &str {
        match &self.state {
            State::Streaming(stream) => stream.partial(),
            _ => "",
        }
    }

    const fn is_running(&self) -> bool {
        matches!(self.state, State::Starting(_) | State::Streaming(_))
    }

    /// Starts the branch if it waits, and returns whether it did.
    fn start(&mut self) -> bool {
        let State::Waiting(variables, context) = &self.state else { return false };
        let (variables, context) = (Arc::clone(variables), RunContext::clone(context));
        let chain = Arc::clone(&self.chain);
        self.state = State::Starting(Box::pin(async move {
            let streaming = chain.stream(&variables, &context).await?;
            Ok(streaming.into_steps(chain, context))
        }));
        true
    }

    /// Polls the next piece of a branch that runs. It is `None` at the end of one that failed.
    /// `first` is there for the first branch.
    fn poll(
        &mut self,
        first: Option<&mut FirstOutput>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Delta>> {
        loop {
            let item = match &mut self.state {
                State::Starting(starting) => match starting.as_mut().poll(context) {
                    Poll::Ready(Ok(stream)) => {
                        self.state = State::Streaming(stream);
                        continue;
                    }
                    Poll::Ready(Err(error)) => Err(error),
                    Poll::Pending => return Poll::Pending,
                },
                State::Streaming(stream) => match stream.poll_item(context) {
                    Poll::Ready(item) => item,
                    Poll::Pending => return Poll::Pending,
                },
                State::Waiting(..) | State::Ended(_) => return Poll::Pending,
            };
            let (piece, result) = match item {
                Ok(AnswerItem::Piece(piece)) => {
                    if let (Some(first), Delta::ToolResult(_)) = (first, &piece) {
                        first.start = self.received().len();
                    }
                    return Poll::Ready(Some(piece));
                }
                Ok(AnswerItem::Done(reply, answer)) => (Some(Delta::Done(reply)), Ok(*answer)),
                Err(error) => (None, Err(error)),
            };
            let result = branch_output(result, &*self.chain);
            if let Some(first) = first {
                first.text = match &result {
                    Ok(value) => value.to_text().into_owned(),
                    Err(_) => first.text_of(self.received()).to_owned(),
                };
            }
            let piece = piece.filter(|_| result.is_ok());
            self.state = State::Ended(result);
            return Poll::Ready(piece);
        }
    }
}

//! A reply while it is delivered, as a whole answer or as a stream.

use std::{
    collections::VecDeque,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use conversant_core::{Delta, ModelError, PartialReply, Reply, ReplyStream, ToolCallDelta};
use futures_core::Stream;

use super::scripted_reply::{End, ScriptedReply};
use crate::counter::Counter;

pub(super) struct Answering {
    line: ScriptedReply,
    unfinished: Unfinished,
}

/// Counts a call as dropped unless it was completed.
struct Unfinished {
    abandoned: Arc<Counter>,
    finished: bool,
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.finished {
            self.abandoned.add();
        }
    }
}

impl Answering {
    pub(super) fn new(line: ScriptedReply, abandoned: Arc<Counter>) -> Self {
        Self { line, unfinished: Unfinished { abandoned, finished: false } }
    }

    pub(super) async fn whole(mut self) -> Result<Reply, ModelError> {
        if let Some((_, gate)) = self.line.hold.take() {
            gate.pass().await;
        }
        self.unfinished.finished = true;
        match self.line.end {
            End::Done(reply) => Ok(*reply),
            End::Error(error) => Err(error),
            End::Cut => Err(ModelError::truncated(PartialReply::new(self.line.pieces.concat()))),
            End::Panic(message) => panic(&message),
        }
    }

    pub(super) async fn streamed(mut self) -> Result<ReplyStream, ModelError> {
        if let Some((_, gate)) = self.line.hold.take_if(|(pieces, _)| *pieces == 0) {
            gate.pass().await;
        }
        if self.line.pieces.is_empty() {
            // A failure before the first piece is a failure to begin.
            match self.line.end {
                End::Error(error) => {
                    self.unfinished.finished = true;
                    return Err(error);
                }
                End::Panic(message) => {
                    self.unfinished.finished = true;
                    panic(&message)
                }
                End::Done(_) | End::Cut => {}
            }
        }
        let tool_calls = match &self.line.end {
            End::Done(reply) => tool_calls(reply),
            End::Error(_) | End::Cut | End::Panic(_) => Vec::new(),
        };
        let texts = self.line.pieces.into_iter().map(Delta::Text);
        Ok(ReplyStream::new(Pieces {
            deltas: texts.chain(tool_calls).collect(),
            end: Some(self.line.end),
            hold: self.line.hold.map(|(after, gate)| {
                let pass: Passing = Box::pin(async move { gate.pass().await });
                (after, pass)
            }),
            sent: 0,
            unfinished: self.unfinished,
        }))
    }
}

type Passing = Pin<Box<dyn Future<Output = ()> + Send>>;

struct Pieces {
    deltas: VecDeque<Delta>,
    end: Option<End>,
    hold: Option<(usize, Passing)>,
    sent: usize,
    unfinished: Unfinished,
}

impl Stream for Pieces {
    type Item = Result<Delta, ModelError>;

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Delta, ModelError>>> {
        let this = &mut *self;
        if let Some((after, pass)) = &mut this.hold
            && *after <= this.sent
        {
            ready!(pass.as_mut().poll(context));
            this.hold = None;
        }
        if let Some(delta) = this.deltas.pop_front() {
            this.sent += 1;
            return Poll::Ready(Some(Ok(delta)));
        }
        this.unfinished.finished = true;
        Poll::Ready(match this.end.take() {
            Some(End::Done(reply)) => Some(Ok(Delta::Done(reply))),
            Some(End::Error(error)) => Some(Err(error)),
            Some(End::Panic(message)) => panic(&message),
            Some(End::Cut) | None => None,
        })
    }
}

fn tool_calls(reply: &Reply) -> Vec<Delta> {
    let delta = |(index, call): (usize, &conversant_core::ToolCall)| {
        let mut delta = ToolCallDelta::new(index);
        delta.id.clone_from(&call.id);
        delta.name = Some(call.name.clone());
        delta.arguments = call.args.to_string();
        Delta::ToolCall(delta)
    };
    reply.message.tool_calls().iter().enumerate().map(delta).collect()
}

#[expect(clippy::panic, reason = "the script says so")]
fn panic(message: &str) -> ! {
    panic!("{message}")
}

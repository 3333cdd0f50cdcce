//! The suites of models whose answer does not come.

use std::time::Duration;

use conversant_core::{
    ChatModel, ChatRequest, Delta, ModelError, Reply, ReplyStream, TimeoutPhase, async_trait,
};
use conversant_testkit::{ScriptedCompletion, ScriptedReply, block_on, suite};
use tokio::time::{Sleep, sleep};

use super::each_check_finds_its_flaw;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flaw {
    ChecksAtTheBegin,
    ChecksWhenAStreamBegins,
}

const FLAWS: &[(Flaw, &str)] = &[
    (Flaw::ChecksAtTheBegin, "a_call_ends_at_its_deadline"),
    (Flaw::ChecksWhenAStreamBegins, "a_stream_ends_at_its_deadline"),
];

#[test]
fn each_check_of_the_slow_model_suite_finds_its_flaw() {
    each_check_finds_its_flaw(FLAWS, |flaw| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(suite::slow_chat_model(|| Slow(flaw)))
    });
}

#[test]
fn completion_models_are_checked_too() {
    let make = || ScriptedCompletion::new([ScriptedReply::text("Yes.")]);
    let error = block_on(suite::slow_completion_model(make)).unwrap_err();
    insta::assert_snapshot!(error, @r"
    2 of 2 checks of the slow completion model suite failed:
      a_call_ends_at_its_deadline: a call ended, although no answer comes
      a_stream_ends_at_its_deadline: a stream ended, although no answer comes
    ");
}

/// A model whose answer does not come; its streams have a first piece.
struct Slow(Option<Flaw>);

fn timeout() -> ModelError {
    ModelError::Timeout { phase: TimeoutPhase::Total, after: Duration::ZERO }
}

/// Returns the time that is left to a call.
fn left(request: &ChatRequest) -> Duration {
    let deadline = request.options.deadline.unwrap();
    deadline.saturating_duration_since(std::time::Instant::now())
}

#[async_trait]
impl ChatModel for Slow {
    async fn generate(&self, request: &ChatRequest) -> Result<Reply, ModelError> {
        request.options.check_deadline()?;
        if self.0 == Some(Flaw::ChecksAtTheBegin) {
            std::future::pending::<()>().await;
        }
        sleep(left(request)).await;
        Err(timeout())
    }

    async fn stream(&self, request: &ChatRequest) -> Result<ReplyStream, ModelError> {
        request.options.check_deadline()?;
        let is_checked = self.0 != Some(Flaw::ChecksWhenAStreamBegins);
        let end = is_checked.then(|| Box::pin(sleep(left(request))));
        Ok(ReplyStream::new(Pieces { is_begun: false, end }))
    }
}

struct Pieces {
    is_begun: bool,
    end: Option<std::pin::Pin<Box<Sleep>>>,
}

impl futures_core::Stream for Pieces {
    type Item = Result<Delta, ModelError>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        if !self.is_begun {
            self.is_begun = true;
            return std::task::Poll::Ready(Some(Ok(Delta::Text("Hel".to_owned()))));
        }
        let Some(end) = &mut self.end else { return std::task::Poll::Pending };
        end.as_mut().poll(context).map(|()| Some(Err(timeout())))
    }
}

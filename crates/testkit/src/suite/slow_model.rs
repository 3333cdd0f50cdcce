//! The suites of models whose answer does not come: the deadline of a call ends it.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Poll, Waker},
    thread,
    time::{Duration, Instant},
};

use conversant_core::{
    CallOptions, ChatModel, CompletionModel, Delta, LanguageModel, ModelError, PromptValue,
    TimeoutPhase,
};

use super::{
    check::{Checked, Stop, run_at_once},
    report::{Running, SuiteError, SuiteReport},
};

/// The time that a call has.
const TIME: Duration = Duration::from_millis(50);

/// The time within which a call has to end whose time is over, also on a busy machine.
const LIMIT: Duration = Duration::from_secs(5);

/// Checks that a chat model enforces [`CallOptions::deadline`] while it waits: for an answer that
/// does not come, and between the pieces of a stream. Run it in addition to
/// [`chat_model`](super::chat_model).
///
/// `make` is called once for each check and must return a model whose answers never end, such as an
/// adapter over a server that does not answer
/// ([`ServerAnswer::hang`](crate::ServerAnswer::hang)). Run it also over one that sends a piece of
/// a stream and no more: a model that checks the deadline when a stream begins may wait for ever
/// later.
///
/// # Errors
/// [`SuiteError`] with all checks that failed.
///
/// # Examples
///
/// A scripted model waits for its gate, with any options of a call:
///
/// ```
/// use conversant_testkit::{ScriptedChat, ScriptedReply, block_on, suite};
///
/// let make = || ScriptedChat::new([ScriptedReply::hang()]);
/// let error = block_on(suite::slow_chat_model(make)).unwrap_err();
/// assert_eq!(error.failed().count(), 2);
/// ```
pub async fn slow_chat_model<M: ChatModel + 'static>(
    make: impl Fn() -> M,
) -> Result<SuiteReport, SuiteError> {
    model("slow chat model", || LanguageModel::chat(make())).await
}

/// Checks that a completion model enforces [`CallOptions::deadline`] while it waits.
///
/// It does the same as [`slow_chat_model`], over text.
///
/// # Errors
/// [`SuiteError`] with all checks that failed.
pub async fn slow_completion_model<M: CompletionModel + 'static>(
    make: impl Fn() -> M,
) -> Result<SuiteReport, SuiteError> {
    model("slow completion model", || LanguageModel::completion(make())).await
}

async fn model(
    suite: &'static str,
    make: impl Fn() -> LanguageModel,
) -> Result<SuiteReport, SuiteError> {
    let mut running = Running::new(suite);
    run_at_once!(running, &make =>
        a_call_ends_at_its_deadline,
        a_stream_ends_at_its_deadline,
    );
    running.finish()
}

fn question() -> PromptValue {
    PromptValue::from("Hi there my friend")
}

fn options() -> CallOptions {
    CallOptions::new().with_deadline(Instant::now() + TIME)
}

async fn a_call_ends_at_its_deadline(make: &impl Fn() -> LanguageModel) -> Checked {
    let model = make();
    is_too_late("a call", within(LIMIT, model.generate(question(), options())).await)
}

async fn a_stream_ends_at_its_deadline(make: &impl Fn() -> LanguageModel) -> Checked {
    let model = make();
    let streamed = async {
        let mut stream = model.stream(question(), options()).await?;
        while let Some(delta) = stream.next().await {
            if let Delta::Done(_) = delta? {
                break;
            }
        }
        Ok(())
    };
    is_too_late("a stream", within(LIMIT, streamed).await)
}

fn is_too_late<T>(what: &str, outcome: Option<Result<T, ModelError>>) -> Checked {
    Err(Stop::Failed(match outcome {
        Some(Err(ModelError::Timeout { phase: TimeoutPhase::Total, .. })) => return Ok(()),
        Some(Err(error)) => format!("{what} failed, instead of the timeout of the call: {error}"),
        Some(Ok(_)) => format!("{what} ended, although no answer comes"),
        None => format!("{what} of {TIME:?} has not ended after {LIMIT:?}"),
    }))
}

/// Returns the output of a future, unless it takes longer. It needs no runtime.
async fn within<F: Future>(limit: Duration, future: F) -> Option<F::Output> {
    let (end, waiting) = (Instant::now() + limit, Arc::new(Mutex::new(None::<Waker>)));
    let alarm = Arc::clone(&waiting);
    thread::spawn(move || {
        thread::sleep(limit);
        let waker = alarm.lock().unwrap_or_else(PoisonError::into_inner).take();
        waker.into_iter().for_each(Waker::wake);
    });
    let mut future = pin!(future);
    poll_fn(|context| {
        *waiting.lock().unwrap_or_else(PoisonError::into_inner) = Some(context.waker().clone());
        match future.as_mut().poll(context) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if Instant::now() >= end => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

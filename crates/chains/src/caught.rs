//! The code of users that runs after a model was paid: a panic in it is an error.

use std::panic::{AssertUnwindSafe, catch_unwind};
#[cfg(feature = "composition")]
use std::{
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll},
};

use conversant_core::{OutputParser, ParseError, Value, drop_payload};

/// Parses an answer. The answer is in the error of a parser that panics, as in its other errors.
pub(crate) fn parse(parser: &dyn OutputParser, text: &str) -> Result<Value, ParseError> {
    catch_unwind(AssertUnwindSafe(|| parser.parse(text))).unwrap_or_else(|payload| {
        drop_payload(payload);
        Err(ParseError::without_source(text, "the parser panicked"))
    })
}

/// Calls a function, or returns `None` if it panics.
#[cfg(feature = "composition")]
pub(crate) fn call<T>(function: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(function)).map_err(drop_payload).ok()
}

/// Awaits the future of a function, or returns `None` if one of them panics. The future is not
/// polled again then.
#[cfg(feature = "composition")]
pub(crate) async fn wait<T>(
    start: impl FnOnce() -> Pin<Box<dyn Future<Output = T> + Send>>,
) -> Option<T> {
    let mut future = call(start)?;
    let next = |context: &mut Context<'_>| match call(|| future.as_mut().poll(context)) {
        Some(poll) => poll.map(Some),
        None => Poll::Ready(None),
    };
    poll_fn(next).await
}

//! Concurrent calls, without a runtime.

use std::{
    fmt,
    future::poll_fn,
    iter::Enumerate,
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures_core::Stream;

use crate::{error::ChainError, outcome::Outcome};

pub(crate) type Boxed<'f, T> = Pin<Box<dyn Future<Output = T> + Send + 'f>>;

/// Runs at most `limit` futures at the same time, and returns their outputs in the futures' order.
pub(crate) async fn join_bounded<'f, T: Send>(
    futures: impl IntoIterator<Item = Boxed<'f, T>>,
    limit: usize,
) -> Vec<T> {
    let mut bounded = Bounded::new(futures.into_iter(), limit);
    let mut done = Vec::new();
    while let Some(output) = poll_fn(|context| bounded.poll_next(context)).await {
        done.push(output);
    }
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, output)| output).collect()
}

/// Futures of which a limited number runs at the same time.
struct Bounded<'f, I, T> {
    left: Enumerate<I>,
    running: Vec<(usize, Boxed<'f, T>)>,
    limit: usize,
}

impl<'f, I: Iterator<Item = Boxed<'f, T>>, T> Bounded<'f, I, T> {
    fn new(futures: I, limit: usize) -> Self {
        Self { left: futures.enumerate(), running: Vec::new(), limit: limit.max(1) }
    }

    /// Polls the next output, with the index of its future.
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<(usize, T)>> {
        let free = self.limit.saturating_sub(self.running.len());
        self.running.extend(self.left.by_ref().take(free));
        if self.running.is_empty() {
            return Poll::Ready(None);
        }
        let mut ended = None;
        for (position, (index, future)) in self.running.iter_mut().enumerate() {
            if let Poll::Ready(output) = future.as_mut().poll(context) {
                ended = Some((position, *index, output));
                break;
            }
        }
        let Some((position, index, output)) = ended else { return Poll::Pending };
        drop(self.running.remove(position));
        Poll::Ready(Some((index, output)))
    }
}

type Call = Boxed<'static, Result<Outcome, ChainError>>;

/// The results of many calls, as the calls end. A call that fails does not stop the others.
///
/// Dropping it drops the calls that have not ended, as dropping each of them would.
///
/// # Examples
///
/// ```
/// use conversant_chains::LlmChain;
/// use conversant_core::vars;
/// use conversant_prompts::PromptTemplate;
/// use conversant_testkit::ScriptedCompletion;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let chain = LlmChain::builder()
///     .prompt(PromptTemplate::from_template("{question}")?)
///     .model(ScriptedCompletion::new(["One.", "Two."]))
///     .concurrency(2)
///     .build()?;
/// let questions = ["first", "second"].map(|question| vars! { "question" => question });
/// let mut batch = chain.apply_as_completed(questions);
/// while let Some((index, result)) = batch.next().await {
///     println!("{}/{}: call {index}: {}", batch.completed(), batch.len(), result?.text());
/// }
/// # Ok(())
/// # }
/// ```
pub struct Batch {
    calls: Bounded<'static, Box<dyn Iterator<Item = Call> + Send>, Result<Outcome, ChainError>>,
    len: usize,
    completed: usize,
}

impl Batch {
    pub(crate) fn new(
        calls: impl ExactSizeIterator<Item = Call> + Send + 'static,
        limit: usize,
    ) -> Self {
        let len = calls.len();
        Self { calls: Bounded::new(Box::new(calls), limit), len, completed: 0 }
    }

    /// Returns the result of the next call that ends, with the index of its inputs, or `None` after
    /// the last.
    pub async fn next(&mut self) -> Option<(usize, Result<Outcome, ChainError>)> {
        poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await
    }

    /// Returns the number of calls.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Returns whether there are no calls.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns the number of calls whose results were returned.
    #[must_use]
    pub const fn completed(&self) -> usize {
        self.completed
    }
}

impl Stream for Batch {
    type Item = (usize, Result<Outcome, ChainError>);

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let result = ready!(self.calls.poll_next(context));
        self.completed += usize::from(result.is_some());
        Poll::Ready(result)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.len - self.completed;
        (left, Some(left))
    }
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch")
            .field("len", &self.len)
            .field("completed", &self.completed)
            .finish_non_exhaustive()
    }
}

//! Concurrent calls with results in order, without a runtime.

use std::{future::poll_fn, pin::Pin, task::Poll};

type Boxed<'f, T> = Pin<Box<dyn Future<Output = T> + Send + 'f>>;

/// Runs at most `limit` futures at the same time, and returns their outputs in the futures' order.
pub(crate) async fn join_bounded<'f, T: Send>(
    futures: impl IntoIterator<Item = Boxed<'f, T>>,
    limit: usize,
) -> Vec<T> {
    let mut left = futures.into_iter().enumerate();
    let mut running: Vec<(usize, Boxed<'f, T>)> = left.by_ref().take(limit.max(1)).collect();
    let mut done: Vec<(usize, T)> = Vec::new();
    poll_fn(|context| {
        loop {
            let mut ended = false;
            running.retain_mut(|(index, future)| match future.as_mut().poll(context) {
                Poll::Ready(value) => {
                    done.push((*index, value));
                    ended = true;
                    false
                }
                Poll::Pending => true,
            });
            if !ended {
                break;
            }
            running.extend(left.by_ref().take(limit.max(1) - running.len()));
        }
        if running.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, value)| value).collect()
}

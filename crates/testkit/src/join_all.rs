//! Runs futures at the same time on one task, without a runtime.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    task::Poll,
};

/// Returns the outputs of the futures, in order. All are polled whenever one is woken.
pub(crate) async fn join_all<F: Future>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    let mut running: Vec<Running<F>> =
        futures.into_iter().map(|future| Running::At(Box::pin(future))).collect();
    poll_fn(|context| {
        let mut pending = false;
        for running in &mut running {
            if let Running::At(future) = running {
                match future.as_mut().poll(context) {
                    Poll::Ready(output) => *running = Running::Done(output),
                    Poll::Pending => pending = true,
                }
            }
        }
        if pending { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
    let done = |running| match running {
        Running::Done(output) => Some(output),
        Running::At(_) => None,
    };
    running.into_iter().filter_map(done).collect()
}

enum Running<F: Future> {
    At(Pin<Box<F>>),
    Done(F::Output),
}

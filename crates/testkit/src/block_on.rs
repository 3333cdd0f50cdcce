//! Runs one future to its end on the current thread, without a runtime.

use std::{
    future::Future,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
};

/// Returns what `future` comes to, blocking the current thread until then.
///
/// Enough for whatever needs no runtime: scripted models, histories in memory, the conformance
/// suites, and the waiting functions of this crate's servers. A future that needs tokio's timers
/// or sockets needs tokio.
///
/// # Examples
///
/// ```
/// assert_eq!(conversant_testkit::block_on(async { 6 * 7 }), 42);
/// ```
pub fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            // A wake-up that came before this line leaves a token, so `park` returns at once.
            Poll::Pending => thread::park(),
        }
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
    }
}

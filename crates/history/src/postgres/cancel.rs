//! Cancels statements whose callers have given up.

use std::{fmt, time::Duration};

use tokio::{runtime::Handle, time::timeout};
use tokio_postgres::{CancelToken, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

/// The time for a cancellation, which takes a connection of its own.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(5);

/// Cancels statements, so that they release what they hold, such as a place in the queue for a row.
#[derive(Clone)]
pub(crate) struct Canceller {
    runtime: Handle,
    tls: Option<MakeRustlsConnect>,
}

impl Canceller {
    pub(crate) const fn new(runtime: Handle, tls: Option<MakeRustlsConnect>) -> Self {
        Self { runtime, tls }
    }

    /// Asks the server to cancel the statement of a connection. It does not wait for the answer.
    pub(crate) fn cancel(&self, token: CancelToken) {
        let tls = self.tls.clone();
        // A failure leaves the statement to the server's own limits.
        drop(self.runtime.spawn(timeout(CANCEL_TIMEOUT, async move {
            match tls {
                Some(tls) => token.cancel_query(tls).await,
                None => token.cancel_query(NoTls).await,
            }
        })));
    }
}

impl fmt::Debug for Canceller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Canceller").finish_non_exhaustive()
    }
}

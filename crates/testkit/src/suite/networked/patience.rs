//! The time for which the suite waits for a store.

use std::{future::Future, time::Duration};

tokio::task_local! {
    static LIMIT: Duration;
}

/// Runs a suite of histories behind a network that waits at most this long for a store which does
/// not answer. By default it waits for up to 90 seconds, which a server that is started again on a
/// busy machine can take.
///
/// # Examples
///
/// ```no_run
/// # use conversant_core::{ChatHistory, HistoryError};
/// # async fn connect(url: String) -> Result<Box<dyn ChatHistory>, HistoryError> { todo!() }
/// # async fn run() -> Result<(), conversant_testkit::suite::SuiteError> {
/// use std::time::Duration;
/// use conversant_testkit::suite;
///
/// let open = |proxy| connect(format!("postgres://{proxy}/chat"));
/// let checks = suite::networked_history("127.0.0.1:5432", open);
/// suite::with_patience(Duration::from_secs(20), checks).await?;
/// # Ok(())
/// # }
/// ```
pub async fn with_patience<T>(limit: Duration, suite: impl Future<Output = T>) -> T {
    LIMIT.scope(limit, suite).await
}

/// Returns the limit that is set, if it is shorter.
pub(super) fn at_most(limit: Duration) -> Duration {
    LIMIT.try_with(|set| limit.min(*set)).unwrap_or(limit)
}

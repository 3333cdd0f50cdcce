//! Operations of a networked store whose outcome is lost.

use std::{future::pending, time::Duration};

use conversant_core::{HistoryError, Report, SessionId};
use conversant_history::{Call, SessionExecutor};
use tokio::{
    runtime::{Handle, Runtime},
    time::advance,
};

fn told(outcome: Result<(), HistoryError>) -> String {
    Report::new(&outcome.unwrap_err()).to_string()
}

/// A fault of the store is not taken for one of the program's runtime.
#[tokio::test]
async fn an_operation_that_panics_is_reported_as_that() {
    let executor = SessionExecutor::new(Handle::current(), Duration::from_secs(60));
    let session = SessionId::new("a").unwrap();
    let work = async |_: Call| -> Result<(), HistoryError> { panic!("a fault of the store") };
    for told in [
        told(executor.write(&session, work).await),
        told(executor.read(&session, work).await),
        told(executor.read_all(work).await),
    ] {
        assert!(told.contains("an operation panicked"), "{told}");
    }
    // The session is free again.
    executor.write(&session, async |_| Ok(())).await.unwrap();
}

#[test]
fn a_runtime_that_has_shut_down_is_reported() {
    let runtime = Runtime::new().unwrap();
    let executor = SessionExecutor::new(runtime.handle().clone(), Duration::from_secs(60));
    drop(runtime);
    let caller = Runtime::new().unwrap();
    let told = told(caller.block_on(executor.read_all(async |_| Ok(()))));
    assert!(told.contains("has shut down"), "{told}");
}

/// A write to which the server does not answer.
async fn unanswered(executor: &SessionExecutor, session: &str) {
    let write = |call: Call| async move {
        call.sent();
        pending::<Result<(), HistoryError>>().await
    };
    let outcome = executor.write(&SessionId::new(session).unwrap(), write).await;
    assert!(matches!(outcome, Err(HistoryError::TimedOut { .. })), "{outcome:?}");
}

/// A statement that was sent may still run, although the code that sent it has panicked.
#[tokio::test]
async fn a_write_that_panics_before_the_answer_is_not_settled() {
    let executor = SessionExecutor::new(Handle::current(), Duration::from_secs(60));
    let session = SessionId::new("a").unwrap();
    let work = async |call: Call| -> Result<(), HistoryError> {
        call.sent();
        panic!("a fault of the store")
    };
    executor.write(&session, work).await.unwrap_err();
    assert_eq!(executor.unsettled_sessions(), 1);
    let next = executor.write(&session, async |call: Call| Ok(call.unsettled().is_some())).await;
    assert!(next.unwrap());
    assert_eq!(executor.unsettled_sessions(), 0);
}

/// The runtime of the connections shuts down while a write waits for its answer.
#[test]
fn a_write_that_the_runtime_ends_is_not_settled() {
    let runtime = Runtime::new().unwrap();
    let executor = SessionExecutor::new(runtime.handle().clone(), Duration::from_secs(60));
    let (sent, was_sent) = tokio::sync::oneshot::channel();
    let writer = executor.clone();
    let caller = std::thread::spawn(move || {
        let write = async move |call: Call| -> Result<(), HistoryError> {
            call.sent();
            sent.send(()).unwrap();
            pending().await
        };
        let session = SessionId::new("a").unwrap();
        Runtime::new().unwrap().block_on(writer.write(&session, write))
    });
    was_sent.blocking_recv().unwrap();
    drop(runtime);
    let told = told(caller.join().unwrap());
    assert!(told.contains("has shut down"), "{told}");
    assert_eq!(executor.unsettled_sessions(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_write_without_an_answer_is_forgotten_after_a_day() {
    let executor = SessionExecutor::new(Handle::current(), Duration::from_secs(1));
    let hour = Duration::from_secs(3600);
    for number in 0..9 {
        unanswered(&executor, &format!("s {number}")).await;
    }
    assert_eq!(executor.unsettled_sessions(), 9);
    advance(23 * hour).await;
    unanswered(&executor, "of the next day").await;
    assert_eq!(executor.unsettled_sessions(), 10);
    advance(2 * hour).await;
    unanswered(&executor, "later").await;
    assert_eq!(executor.unsettled_sessions(), 2);
    // One that is used is settled.
    let id = SessionId::new("later").unwrap();
    let seen = executor.read(&id, async |call: Call| Ok(call.unsettled().is_some())).await;
    assert!(seen.unwrap());
    assert_eq!(executor.unsettled_sessions(), 1);
}

//! Operations of a networked store whose outcome is lost.

use std::time::Duration;

use conversant_core::{HistoryError, Report, SessionId};
use conversant_history::{Call, SessionExecutor};
use tokio::runtime::{Handle, Runtime};

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

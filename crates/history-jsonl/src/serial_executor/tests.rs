//! Operations that panic.

use conversant_testkit::block_on;

use super::*;

#[test]
fn an_operation_that_panics_fails_alone() {
    let folder = tempfile::tempdir().unwrap();
    let session = SessionId::new("a").unwrap();
    let paths = SessionPaths::new(folder.path(), &session);
    let executor = SerialExecutor::start(1, Duration::from_secs(10)).unwrap();
    let run = |fails: bool| {
        let (executor, session, paths) = (&executor, &session, paths.clone());
        executor.run_locked(session, paths, LockMode::Exclusive, move |_| {
            assert!(!fails, "this operation panics");
            Ok(7)
        })
    };
    for _ in 0..3 {
        let error = block_on(run(true)).unwrap_err();
        assert_eq!(
            std::error::Error::source(&error).unwrap().to_string(),
            "cannot finish the operation: it panicked"
        );
        assert_eq!(block_on(run(false)).unwrap(), 7);
    }
    block_on(executor.close());
    let error = block_on(run(false)).unwrap_err();
    assert_eq!(
        std::error::Error::source(&error).unwrap().to_string(),
        "cannot use the store: it is closed"
    );
}

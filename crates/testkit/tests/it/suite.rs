//! The conformance suites: good implementations pass, and for every check there is a flaw that it
//! finds.

pub(crate) mod flawed_history;
pub(crate) mod flawed_log;
pub(crate) mod flawed_memory;
mod history;
pub(crate) mod history_flaw;
mod memory;
mod memory_with_model;
mod model;
mod networked;
pub(crate) mod remote_history;
mod slow_model;
pub(crate) mod tipped_history;
mod vector_store;

use std::{collections::BTreeSet, future::poll_fn, task::Poll};

use conversant_testkit::suite::{SuiteError, SuiteReport};

/// Waits once, so that there is a point at which to be dropped and others to go on.
async fn wait() {
    let mut waited = false;
    poll_fn(|context| {
        if waited {
            return Poll::Ready(());
        }
        waited = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Checks that each flaw is found by the check that is there for it, and that there is a flaw for
/// each check. The flaws are tried at the same time, since some checks wait for a limit; the good
/// implementation, which has to keep to limits, after them.
#[track_caller]
fn each_check_finds_its_flaw<F: Copy + std::fmt::Debug + Sync>(
    flaws: &[(F, &'static str)],
    run: impl Fn(Option<F>) -> Result<SuiteReport, SuiteError> + Sync,
) {
    std::thread::scope(|scope| {
        for (flaw, check) in flaws {
            let run = &run;
            scope.spawn(move || {
                let error = run(Some(*flaw)).expect_err(&format!("{flaw:?} was not found"));
                let found: Vec<&str> = error.failed().map(|(name, _)| name).collect();
                assert!(found.contains(check), "{flaw:?} was not found by {check}:\n{error}");
            });
        }
    });
    let good = run(None).unwrap();
    assert_eq!(good.skipped().next(), None, "{good}");
    let covered: BTreeSet<&str> = flaws.iter().map(|(_, check)| *check).collect();
    assert_eq!(good.passed().collect::<BTreeSet<_>>(), covered, "a flaw for each check");
}

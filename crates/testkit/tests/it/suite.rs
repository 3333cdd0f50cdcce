//! The conformance suites: good implementations pass, and for every check there is a flaw that it
//! finds.

pub(crate) mod flawed_history;
pub(crate) mod flawed_memory;
mod history;
pub(crate) mod history_flaw;
mod memory;
mod model;
mod networked;
pub(crate) mod remote_history;
pub(crate) mod tipped_history;
mod vector_store;

use std::{collections::BTreeSet, future::poll_fn, task::Poll, time::Duration};

use conversant_testkit::suite::{Report, SuiteError};

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
/// each check. The flaws are tried at the same time, since some checks wait for a limit.
#[track_caller]
fn each_check_finds_its_flaw<F: Copy + std::fmt::Debug + Sync>(
    flaws: &[(F, &'static str)],
    run: impl Fn(Option<F>) -> Result<Report, SuiteError> + Sync,
) {
    if let Err(fault) = find_flaws(flaws, run) {
        panic!("{fault}");
    }
}

/// As `each_check_finds_its_flaw`, for implementations whose operations have a time limit. On a
/// busy machine a good one may need more than a short limit, so longer ones are tried as well.
#[track_caller]
fn each_check_finds_its_flaw_in_time<F: Copy + std::fmt::Debug + Sync>(
    flaws: &[(F, &'static str)],
    run: impl Fn(Option<F>, Duration) -> Result<Report, SuiteError> + Sync,
) {
    let limits = [400, 2_000, 10_000].map(Duration::from_millis);
    let mut faults = Vec::new();
    for limit in limits {
        match find_flaws(flaws, |flaw| run(flaw, limit)) {
            Ok(()) => return,
            Err(fault) => faults.push(format!("with a limit of {limit:?}: {fault}")),
        }
    }
    panic!("{}", faults.join("\n"));
}

/// Returns what is wrong with a suite's checks.
fn find_flaws<F: Copy + std::fmt::Debug + Sync>(
    flaws: &[(F, &'static str)],
    run: impl Fn(Option<F>) -> Result<Report, SuiteError> + Sync,
) -> Result<(), String> {
    let find = |flaw: F, check: &str| {
        let Err(error) = run(Some(flaw)) else {
            return Err(format!("{flaw:?} was not found"));
        };
        if error.failed().any(|(name, _)| name == check) {
            return Ok(());
        }
        Err(format!("{flaw:?} was not found by {check}:\n{error}"))
    };
    let find = &find;
    let good = std::thread::scope(|scope| {
        let threads: Vec<_> =
            flaws.iter().map(|(flaw, check)| scope.spawn(move || find(*flaw, check))).collect();
        let good = run(None).map_err(|error| format!("the good one fails:\n{error}"));
        threads.into_iter().try_for_each(|thread| thread.join().unwrap())?;
        good
    })?;
    if good.skipped().next().is_some() {
        return Err(format!("the good one skips a check:\n{good}"));
    }
    let covered: BTreeSet<&str> = flaws.iter().map(|(_, check)| *check).collect();
    let passed: BTreeSet<&str> = good.passed().collect();
    if passed != covered {
        return Err(format!("there is no flaw for each check: {passed:?}, {covered:?}"));
    }
    Ok(())
}

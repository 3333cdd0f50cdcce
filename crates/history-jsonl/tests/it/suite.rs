//! The suites that every history passes.

use conversant_history_jsonl::JsonlHistory;
use conversant_testkit::{block_on, suite};

#[test]
fn the_contract_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let history = JsonlHistory::open(folder.path()).unwrap();
    let report = block_on(suite::history(|| history.clone())).unwrap();
    assert_eq!(report.skipped().next(), None, "{report}");
}

#[test]
fn what_is_written_outlives_its_handle() {
    let folder = tempfile::tempdir().unwrap();
    let open = || JsonlHistory::open(folder.path()).unwrap();
    let report = block_on(suite::reopened_history(open)).unwrap();
    assert_eq!(report.skipped().next(), None, "{report}");
}

#[test]
fn a_store_that_was_replaced_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let history = JsonlHistory::open(folder.path()).unwrap();
    let report = block_on(suite::versioned_history(|| history.clone())).unwrap();
    assert_eq!(report.skipped().next(), None, "{report}");
}

#[test]
fn writers_of_two_stores_have_one_order() {
    let folder = tempfile::tempdir().unwrap();
    let open = || JsonlHistory::open(folder.path()).unwrap();
    let report = block_on(suite::shared_history(&[open(), open()])).unwrap();
    assert_eq!(report.skipped().next(), None, "{report}");
}

#[test]
fn a_session_has_branches() {
    let folder = tempfile::tempdir().unwrap();
    let history = JsonlHistory::open(folder.path()).unwrap();
    let report = block_on(suite::branched_history(|| history.clone())).unwrap();
    assert_eq!(report.skipped().next(), None, "{report}");
}

#[test]
fn sessions_are_listed() {
    let folder = tempfile::tempdir().unwrap();
    let history = JsonlHistory::open(folder.path()).unwrap();
    let report = block_on(suite::listed_history(|| history.clone())).unwrap();
    assert_eq!(report.skipped().next(), None, "{report}");
}

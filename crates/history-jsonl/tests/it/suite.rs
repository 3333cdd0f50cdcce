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

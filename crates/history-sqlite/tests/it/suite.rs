//! The suites that every history passes.

use conversant_history_sqlite::SqliteHistory;
use conversant_testkit::{block_on, suite};

#[test]
fn the_contract_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let history = SqliteHistory::open(folder.path().join("chat.db")).unwrap();
    let report = block_on(suite::history(|| history.clone())).unwrap();
    assert_eq!(report.skipped().next(), None, "{report}");
}

#[test]
fn what_is_written_outlives_its_handle() {
    let folder = tempfile::tempdir().unwrap();
    let open = || SqliteHistory::open(folder.path().join("chat.db")).unwrap();
    let report = block_on(suite::reopened_history(open)).unwrap();
    assert_eq!(report.skipped().next(), None, "{report}");
}

//! The suites that every history passes.

use conversant_history_sqlite::{LangChainSqliteHistory, SqliteHistory};
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

#[test]
fn a_store_that_was_replaced_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let history = SqliteHistory::open(folder.path().join("chat.db")).unwrap();
    let report = block_on(suite::versioned_history(|| history.clone())).unwrap();
    assert_eq!(report.skipped().next(), None, "{report}");
}

#[test]
fn branches_are_those_of_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    let history = SqliteHistory::open(folder.path().join("chat.db")).unwrap();
    let report = block_on(suite::branched_history(|| history.clone())).unwrap();
    assert_eq!(report.skipped().next(), None, "{report}");
}

#[test]
fn lists_are_those_of_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    let history = SqliteHistory::builder(folder.path().join("chat.db")).search(true);
    let history = history.open().unwrap();
    let report = block_on(suite::listed_history(|| history.clone())).unwrap();
    assert_eq!(report.skipped().next(), None, "{report}");
    block_on(history.check_integrity()).unwrap();
    // Without the option, there is no search, and nothing else is missing.
    let history = SqliteHistory::open(folder.path().join("plain.db")).unwrap();
    let report = block_on(suite::listed_history(|| history.clone())).unwrap();
    let skipped: Vec<_> = report.skipped().collect();
    assert_eq!(skipped, [("words_are_found", "no search")]);
}

#[test]
fn writers_of_two_stores_have_one_order() {
    let folder = tempfile::tempdir().unwrap();
    let open = || SqliteHistory::open(folder.path().join("chat.db")).unwrap();
    let report = block_on(suite::shared_history(&[open(), open()])).unwrap();
    assert_eq!(report.skipped().next(), None, "{report}");
}

#[test]
fn langchains_table_keeps_the_contract_but_for_notes_and_leases() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("memory.db");
    // The journal mode of an existing file is kept. This one makes the test fast.
    let connection = rusqlite::Connection::open(&file).unwrap();
    connection.pragma_update(None, "journal_mode", "wal").unwrap();
    let open = || LangChainSqliteHistory::open(&file).unwrap();
    let history = open();
    let reports = [
        block_on(suite::history(|| history.clone())).unwrap(),
        block_on(suite::reopened_history(open)).unwrap(),
        block_on(suite::shared_history(&[open(), open()])).unwrap(),
        block_on(suite::versioned_history(open)).unwrap(),
    ];
    for report in reports {
        for (check, why) in report.skipped() {
            assert!(
                matches!(why, "no notes" | "it has no notes" | "no leases"),
                "{check} was skipped: {why}"
            );
        }
    }
}

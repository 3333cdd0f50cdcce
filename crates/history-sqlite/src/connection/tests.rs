//! How a connection syncs, by what SQLite says of the journal.

use super::*;

#[test]
fn without_a_write_ahead_log_sqlite_is_as_careful_as_it_can() {
    let cases = [
        ("wal", Synchronous::Full, "FULL"),
        ("wal", Synchronous::Normal, "NORMAL"),
        ("delete", Synchronous::Full, "EXTRA"),
        ("delete", Synchronous::Normal, "EXTRA"),
        ("memory", Synchronous::Normal, "EXTRA"),
    ];
    for (answer, asked, expected) in cases {
        assert_eq!(level(answer, asked), expected, "{answer}, {asked:?}");
    }
}

//! The synchronous level for each journal mode.

use super::*;

#[test]
fn without_a_write_ahead_log_the_level_is_the_strictest() {
    let cases = [
        ("wal", Synchronous::Full, "FULL"),
        ("wal", Synchronous::Normal, "NORMAL"),
        ("delete", Synchronous::Full, "EXTRA"),
        ("delete", Synchronous::Normal, "EXTRA"),
        ("memory", Synchronous::Normal, "EXTRA"),
    ];
    for (answer, asked, expected) in cases {
        assert_eq!(synchronous_level(answer, asked), expected, "{answer}, {asked:?}");
    }
}

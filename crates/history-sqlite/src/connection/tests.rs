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

/// Where hard links are not supported, a file gets its name once.
#[test]
fn without_hard_links_one_of_many_gives_the_file_its_name() {
    for round in 0..20 {
        let folder = tempfile::tempdir().unwrap();
        let name = if round % 2 == 0 { "chat.db".to_owned() } else { "x".repeat(251) };
        let path = folder.path().join(name);
        let unsupported = |_: &Path, _: &Path| Err(ErrorKind::Unsupported.into());
        thread::scope(|scope| {
            let writers: Vec<_> = (0..8)
                .map(|number| {
                    let (new, path) = (folder.path().join(format!("new {number}")), &path);
                    scope.spawn(move || {
                        fs::write(&new, number.to_string()).unwrap();
                        publish(&new, path, Duration::from_secs(10), unsupported).unwrap();
                        fs::read_to_string(path).unwrap()
                    })
                })
                .collect();
            // All find the file of the same one, and no lock is left.
            let mut found: Vec<String> =
                writers.into_iter().map(|writer| writer.join().unwrap()).collect();
            found.dedup();
            assert_eq!(found.len(), 1, "round {round}");
        });
        assert!(!lock_path(&path).exists());
    }
}

#[test]
fn a_file_that_cannot_be_named_leaves_the_lock_and_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let unsupported = |_: &Path, _: &Path| Err(ErrorKind::Unsupported.into());
    let missing = folder.path().join("missing");
    let error = publish(&missing, &path, Duration::ZERO, unsupported).unwrap_err();
    assert!(matches!(error, HistoryError::Backend { .. }), "{error:?}");
    let held = lock_file(&lock_path(&path), Duration::ZERO).unwrap();
    let error = publish(&missing, &path, Duration::ZERO, unsupported).unwrap_err();
    assert!(matches!(error, HistoryError::Busy), "{error:?}");
    drop(held);
}

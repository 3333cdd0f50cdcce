//! The files that are opened, refused and left behind.

use std::{fs, fs::OpenOptions, os::unix::fs::PermissionsExt, path::Path, process::Command};

use conversant_core::{ChatHistory, HistoryError};
use conversant_history_sqlite::{LangChainSqliteHistory, SqliteHistory};
use conversant_testkit::{block_on, poll_then_drop};

use crate::support::{Folder, append, exchange, load, session, shown};

#[test]
fn a_new_file_has_its_tables_from_its_first_moment() {
    let folder = Folder::new();
    let history = folder.open();
    append(&history, "a", &exchange(1)).unwrap();
    assert_eq!(folder.names(), ["chat.db", "chat.db-shm", "chat.db-wal"]);
    // An existing file is opened.
    let again = folder.open();
    assert_eq!(load(&again, "a").unwrap().messages.len(), 2);
}

#[test]
fn names_that_mean_something_to_sqlite_are_names_of_files() {
    for name in [":memory:", "file:chat.db?mode=memory", "chat.db?mode=ro", "%41"] {
        let folder = Folder::new();
        let path = folder.path().join(name);
        append(&SqliteHistory::open(&path).unwrap(), "a", &exchange(1)).unwrap();
        assert!(path.metadata().unwrap().len() > 0, "{name}");
    }
}

/// SQLite's logs have the name of the file and an ending of 4 bytes, or of 8 without a
/// write-ahead log.
#[test]
fn a_name_may_be_as_long_as_leaves_room_for_the_logs() {
    type Create = fn(&Path) -> Result<(), HistoryError>;
    let own: Create = |path| append(&SqliteHistory::open(path)?, "a", &exchange(1)).map(drop);
    let shared: Create =
        |path| append(&LangChainSqliteHistory::open(path)?, "a", &exchange(1)).map(drop);
    for (create, longest) in [(own, 251), (shared, 247)] {
        for length in [160, 161, 206, 207, longest - 1, longest, longest + 1, 255] {
            // Characters of three bytes, and at most two of one byte.
            let name = "\u{7a0b}".repeat(length / 3) + &"x".repeat(length % 3);
            let folder = Folder::new();
            let path = folder.path().join(&name);
            let created = create(&path);
            if length <= longest {
                created.unwrap();
                assert!(path.metadata().unwrap().len() > 0, "{length}");
                assert_eq!(create(&path).map_err(|error| error.to_string()), Ok(()), "{length}");
                continue;
            }
            let error = created.unwrap_err();
            assert!(error.to_string().contains(&longest.to_string()), "{length}: {error}");
            assert_eq!(folder.names(), [""; 0], "{length}");
        }
    }
}

#[test]
fn what_is_no_history_is_refused_and_left_as_it_is() {
    let database = |sql: &'static str| move |folder: &Folder| folder.sql(sql);
    let bytes =
        |bytes: &'static [u8]| move |folder: &Folder| fs::write(folder.file(), bytes).unwrap();
    type Make = Box<dyn Fn(&Folder)>;
    let cases: Vec<(&str, Make)> = vec![
        ("empty", Box::new(bytes(b""))),
        ("a byte", Box::new(bytes(b"x"))),
        ("text", Box::new(bytes(include_bytes!("files.rs")))),
        ("only a header", Box::new(bytes(b"SQLite format 3\0"))),
        ("another program's", Box::new(database("CREATE TABLE users (name)"))),
        ("another program's, by number", Box::new(database("PRAGMA application_id = 7"))),
        ("a version of nobody's", Box::new(database("PRAGMA user_version = 1"))),
        ("a folder", Box::new(|folder| fs::create_dir(folder.file()).unwrap())),
        (
            "a pipe",
            Box::new(|folder| {
                assert!(Command::new("mkfifo").arg(folder.file()).status().unwrap().success());
            }),
        ),
    ];
    let mut seen = String::new();
    for (name, make) in cases {
        let folder = Folder::new();
        make(&folder);
        let before = folder.file().is_file().then(|| fs::read(folder.file()).unwrap());
        let error = SqliteHistory::open(folder.file()).unwrap_err();
        assert!(matches!(error, HistoryError::Corrupt { .. }), "{name}: {error}");
        seen.push_str(&format!("{name}: {}\n", shown::<()>(Err(error))));
        if let Some(before) = before {
            assert_eq!(fs::read(folder.file()).unwrap(), before, "{name}: the file was changed");
        }
        assert_eq!(folder.names(), ["chat.db"], "{name}");
    }
    insta::assert_snapshot!(seen);
}

#[test]
fn a_file_that_cannot_be_made_is_told_at_once() {
    let folder = Folder::new();
    let error = SqliteHistory::open(folder.path().join("missing/chat.db")).unwrap_err();
    assert!(matches!(error, HistoryError::Backend { .. }), "{error}");
}

#[test]
fn a_file_that_cannot_be_written_is_told_at_once() {
    let folder = Folder::new();
    append(&folder.open(), "a", &exchange(1)).unwrap();
    fs::set_permissions(folder.file(), fs::Permissions::from_mode(0o444)).unwrap();
    // Root can write any file.
    let writable = OpenOptions::new().write(true).open(folder.file()).is_ok();
    match SqliteHistory::open(folder.file()) {
        Ok(_) => assert!(writable),
        Err(error) => {
            assert!(!writable && matches!(error, HistoryError::ReadOnly { .. }), "{error}");
        }
    }
}

#[test]
fn a_file_can_be_opened_for_reading_only() {
    let folder = Folder::new();
    let reader = || SqliteHistory::builder(folder.file()).read_only(true).open();
    let missing = reader().unwrap_err();
    assert!(matches!(missing, HistoryError::Backend { .. }), "{missing}");
    let writer = folder.open();
    append(&writer, "a", &exchange(1)).unwrap();
    let history = reader().unwrap();
    assert_eq!(load(&history, "a").unwrap().messages.len(), 2);
    let refused = append(&history, "a", &exchange(2)).unwrap_err();
    assert!(matches!(refused, HistoryError::ReadOnly { .. }), "{refused}");
    // It sees the writes of other stores.
    append(&writer, "a", &exchange(2)).unwrap();
    assert_eq!(load(&history, "a").unwrap().messages.len(), 4);
}

#[test]
fn a_backup_is_a_history() {
    let folder = Folder::new();
    let copy = folder.path().join("it's a copy.db");
    let history = folder.open();
    append(&history, "a", &exchange(1)).unwrap();
    block_on(history.backup(&copy)).unwrap();
    append(&history, "a", &exchange(2)).unwrap();
    let copied = SqliteHistory::open(&copy).unwrap();
    assert_eq!(load(&copied, "a").unwrap().messages.len(), 2);
    block_on(copied.check_integrity()).unwrap();
    let taken = block_on(history.backup(&copy)).unwrap_err();
    assert!(matches!(taken, HistoryError::Backend { .. }), "{taken}");
    let text = format!("{taken:?}");
    assert!(text.contains("output file already exists"), "{text}");
    assert_eq!(load(&copied, "a").unwrap().messages.len(), 2);
    // What SQLite takes for a temporary database is a path, or refused.
    let refused = block_on(history.backup("")).unwrap_err();
    assert!(matches!(refused, HistoryError::Backend { .. }), "{refused}");
    let special = Path::new(":memory:");
    block_on(history.backup(special)).unwrap();
    assert!(fs::remove_file(special).is_ok(), "there is no file");
}

#[test]
fn without_its_write_ahead_log_a_file_opens_with_what_was_written_back() {
    let folder = Folder::new();
    {
        let history = folder.open();
        append(&history, "a", &exchange(1)).unwrap();
    }
    // A copy of the file without its log.
    let alone = folder.path().join("alone.db");
    fs::copy(folder.file(), &alone).unwrap();
    let found = load(&SqliteHistory::open(&alone).unwrap(), "a").unwrap().messages.len();
    assert!(found == 0 || found == 2, "{found} messages");
}

#[test]
fn handles_are_sent_between_threads_and_tell_their_file() {
    fn is_shared<T: Clone + Send + Sync + 'static>(_: &T) {}
    let folder = Folder::new();
    let history = folder.open();
    is_shared(&history);
    is_shared::<std::sync::Arc<dyn ChatHistory>>(&(std::sync::Arc::new(history.clone()) as _));
    assert!(format!("{history:?}").contains("chat.db"));
}

#[test]
fn a_log_that_a_deleted_file_left_brings_nothing_back() {
    for ending in ["-wal", "-journal"] {
        let folder = Folder::new();
        let log = folder.path().join(format!("chat.db{ending}"));
        let history = folder.open();
        append(&history, "a", &exchange(1)).unwrap();
        let bytes = fs::read(folder.path().join("chat.db-wal")).unwrap();
        assert!(!bytes.is_empty());
        block_on(history.close());
        fs::remove_file(folder.file()).unwrap();
        fs::write(&log, bytes).unwrap();
        let errors = [
            SqliteHistory::open(folder.file()).unwrap_err(),
            LangChainSqliteHistory::open(folder.file()).unwrap_err(),
        ];
        for error in errors {
            assert_eq!(
                error.to_string(),
                format!(
                    "cannot use the history: the log `chat.db{ending}` of a deleted file is still \
                     there; delete it to start anew, or restore the file"
                )
            );
        }
        assert_eq!(folder.names(), [format!("chat.db{ending}")]);
        fs::remove_file(log).unwrap();
        assert!(load(&folder.open(), "a").unwrap().messages.is_empty());
    }
}

#[test]
fn a_store_that_was_closed_has_let_go_of_its_file() {
    let folder = Folder::new();
    for round in 0..3 {
        let history = folder.open();
        let clone = history.clone();
        for number in 0..round {
            append(&history, "a", &exchange(number)).unwrap();
        }
        block_on(history.close());
        assert_eq!(folder.names(), ["chat.db"]);
        fs::remove_file(folder.file()).unwrap();
        let error = append(&clone, "a", &exchange(9)).unwrap_err();
        assert_eq!(
            shown::<()>(Err(error)),
            "cannot reach the history\n  because: cannot use the store: it is closed"
        );
        assert!(load(&clone, "a").is_err());
        block_on(clone.close());
    }
    let read_only = folder.open();
    append(&read_only, "a", &exchange(1)).unwrap();
    block_on(read_only.close());
    let read_only = SqliteHistory::builder(folder.file()).read_only(true).open().unwrap();
    assert_eq!(load(&read_only, "a").unwrap().messages.len(), 2);
    block_on(read_only.close());
    assert!(load(&read_only, "a").is_err());
}

#[test]
fn what_was_queued_before_a_store_is_closed_is_written() {
    let folder = Folder::new();
    let history = folder.open();
    block_on(async {
        for number in 0..20 {
            let (id, turn) = (session("a"), exchange(number));
            let append = history.append(&id, &turn, conversant_core::Expect::Any);
            let _ = poll_then_drop(append, 1).await;
        }
        history.close().await;
    });
    assert_eq!(load(&folder.open(), "a").unwrap().messages.len(), 40);
}

/// A backup is in another journal mode, which the first who opens it changes.
#[test]
fn many_open_a_file_in_another_journal_mode_at_once() {
    for _ in 0..5 {
        let folder = Folder::new();
        let copy = folder.path().join("copy.db");
        let history = folder.open();
        append(&history, "a", &exchange(1)).unwrap();
        block_on(history.backup(&copy)).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..16 {
                scope.spawn(|| {
                    let history = SqliteHistory::open(&copy).unwrap();
                    assert_eq!(load(&history, "a").unwrap().messages.len(), 2);
                });
            }
        });
    }
}

/// Python creates an empty file when it connects, and its table later.
#[test]
fn many_open_langchains_table_at_once_in_a_new_file_and_an_empty_one() {
    for is_empty in [false, true] {
        let folder = Folder::new();
        if is_empty {
            fs::write(folder.file(), "").unwrap();
        }
        std::thread::scope(|scope| {
            for number in 0..16 {
                let file = folder.file();
                scope.spawn(move || {
                    let history = LangChainSqliteHistory::open(file).unwrap();
                    append(&history, "a", &exchange(number)).unwrap();
                });
            }
        });
        let history = LangChainSqliteHistory::open(folder.file()).unwrap();
        assert_eq!(load(&history, "a").unwrap().messages.len(), 32);
    }
}

//! Limits of sizes and times.

use std::time::{Duration, SystemTime};

use conversant_core::{
    ChatHistory, Expect, HistoryError, Message, Note, Range, ToolCall, Turn, TurnId, Version,
};
use conversant_history_sqlite::{SqliteHistory, Synchronous};
use conversant_testkit::block_on;
use serde_json::json;

use crate::support::{Folder, append, exchange, load, session};

#[test]
fn a_message_above_the_limit_is_refused_and_one_at_the_limit_is_not() {
    let folder = Folder::new();
    let message = Message::human("x".repeat(1_000));
    let bytes = message.to_stored().to_string().len() as u64;
    let turn = Turn::new(vec![Message::human("small"), message]);
    for (limit, fits) in [(bytes - 1, false), (bytes, true)] {
        let history =
            SqliteHistory::builder(folder.file()).max_message_bytes(limit).open().unwrap();
        let messages: Vec<_> = turn.messages().iter().cloned().collect();
        assert_eq!(history.check(&session("a"), &messages).is_ok(), fits);
        match append(&history, "a", &turn) {
            Ok(version) => assert!(fits && version.messages == 2),
            Err(HistoryError::TooLarge { bytes: found, limit: told, .. }) => {
                assert!(!fits && (found, told) == (bytes, limit));
                assert!(load(&history, "a").unwrap().messages.is_empty());
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// Also where a store accepts only small messages: memories rely on it.
#[test]
fn a_note_has_a_limit_of_its_own() {
    let folder = Folder::new();
    let history = SqliteHistory::builder(folder.file()).max_message_bytes(100).open().unwrap();
    let covers = Version::new(0, 0);
    let note = |bytes| Note::new("x".repeat(bytes), covers);
    block_on(history.put_note(&session("a"), "large", &note(5 << 20))).unwrap();
    let error = block_on(history.put_note(&session("a"), "large", &note(16 << 20))).unwrap_err();
    assert!(matches!(error, HistoryError::TooLarge { limit: Note::MAX_BYTES, .. }), "{error}");
    let kept = block_on(history.note(&session("a"), "large")).unwrap();
    assert_eq!(kept, Some(note(5 << 20)));
}

#[test]
fn ten_megabytes_come_back() {
    let folder = Folder::new();
    let turn = Turn::exchange("é".repeat(5_000_000), "x".repeat(10_000_000));
    let history = folder.open();
    append(&history, "a", &turn).unwrap();
    assert_eq!(&load(&history, "a").unwrap().messages, turn.messages());
}

#[test]
fn a_full_store_keeps_what_it_has_and_can_be_read() {
    let folder = Folder::new();
    let history = SqliteHistory::builder(folder.file())
        .max_bytes(256 * 1024)
        .synchronous(Synchronous::Normal)
        .open()
        .unwrap();
    let long = || Turn::exchange("x".repeat(10_000), "y");
    let mut kept = 0;
    let error = loop {
        match append(&history, "a", &long()) {
            Ok(_) => kept += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, HistoryError::Full { .. }), "{error}");
    assert!(kept > 5, "{kept} turns fitted");
    let found = load(&history, "a").unwrap();
    assert_eq!((found.messages.len(), found.version.messages), (2 * kept, 2 * kept as u64));
    // Freed space is used again.
    block_on(history.clear(&session("a"))).unwrap();
    append(&history, "a", &long()).unwrap();
    block_on(history.check_integrity()).unwrap();
}

#[test]
fn what_could_not_be_read_again_is_not_stored() {
    let folder = Folder::new();
    let history = folder.open();
    let nested = |depth| {
        let args = (0..depth).fold(json!({}), |inner, _| json!([inner]));
        Turn::new(vec![Message::ai("").with_tool_calls([ToolCall::new("f", args)])])
    };
    let mut refused = Vec::new();
    for depth in 90..140 {
        let turn = nested(depth);
        match append(&history, "deep", &turn) {
            Ok(_) => {
                let found = block_on(history.load(&session("deep"), Range::LastTurns(1))).unwrap();
                assert_eq!(&found.messages, turn.messages(), "depth {depth}");
            }
            Err(HistoryError::Unsupported { .. }) => {
                let messages: Vec<_> = turn.messages().iter().cloned().collect();
                history.check(&session("deep"), &messages).unwrap_err();
                refused.push(depth);
            }
            Err(error) => panic!("depth {depth}: {error}"),
        }
    }
    assert!(refused.contains(&139) && !refused.contains(&100), "refused: {refused:?}");
    let lacks_id = Turn::new(vec![Message::new(conversant_core::Role::Tool, "rain")]);
    let error = append(&history, "deep", &lacks_id).unwrap_err();
    assert!(matches!(error, HistoryError::Unsupported { .. }), "{error}");
}

#[test]
fn the_time_of_a_session_without_turns_begins_with_its_last_note() {
    let folder = Folder::new();
    let history = folder.open();
    let id = session("facts");
    let written = || -> i64 {
        let select = "SELECT written FROM sessions WHERE id = 'facts'";
        let connection = rusqlite::Connection::open(folder.file()).unwrap();
        connection.query_row(select, [], |row| row.get(0)).unwrap()
    };
    let note = |version| Note::new("known", version);
    block_on(history.put_note(&id, "entities", &note(Version::default()))).unwrap();
    let begun = written();
    let at_next_millisecond = || {
        let start = std::time::Instant::now();
        while start.elapsed() < Duration::from_millis(2) {
            std::hint::spin_loop();
        }
    };
    at_next_millisecond();
    block_on(history.put_note(&id, "entities", &note(Version::default()))).unwrap();
    let renewed = written();
    assert!(renewed > begun, "{renewed} and {begun}");
    at_next_millisecond();
    let read = note(Version::default());
    let replaced = Note::new("corrected", Version::default());
    assert!(block_on(history.replace_note(&id, "entities", Some(&read), &replaced)).unwrap());
    assert!(written() > renewed);
    // The lifetime of a session with turns begins with its last turn.
    let version = append(&history, "facts", &exchange(1)).unwrap();
    let appended = written();
    at_next_millisecond();
    block_on(history.put_note(&id, "summary", &note(version))).unwrap();
    assert_eq!(written(), appended);
}

#[test]
fn a_session_whose_time_is_up_is_gone() {
    let folder = Folder::new();
    let day = Duration::from_secs(24 * 3600);
    let history = SqliteHistory::builder(folder.file()).time_to_live(day).open().unwrap();
    let seen = append(&history, "old", &exchange(1)).unwrap();
    append(&history, "older", &exchange(1)).unwrap();
    append(&history, "new", &exchange(1)).unwrap();
    let listed = || block_on(history.sessions(None, 10)).unwrap();
    assert_eq!(listed().len(), 3);
    // The checksum covers the time of the last write, so the test uses a store for which every
    // session has expired.
    let strict = SqliteHistory::builder(folder.file()).time_to_live(Duration::ZERO);
    let strict = strict.open().unwrap();
    let start = std::time::Instant::now();
    while start.elapsed() < Duration::from_millis(3) {
        std::hint::spin_loop();
    }
    let found = load(&strict, "old").unwrap();
    assert_eq!((found.messages.len(), found.version), (0, Version::new(1, 0)));
    assert!(block_on(strict.turns(&session("old"), Range::All)).unwrap().is_empty());
    assert!(block_on(strict.sessions(None, 10)).unwrap().is_empty());
    // An append that expects the expired session is stale; another starts it again.
    let late = block_on(strict.append(&session("old"), &exchange(2), Expect::SameEpoch(seen)));
    assert!(matches!(late, Err(HistoryError::Stale { .. })), "{late:?}");
    let version = append(&strict, "old", &exchange(3)).unwrap();
    assert_eq!(version.to_string(), "1.2");
    // The other store does not have the setting, and only the session that was written was removed.
    assert_eq!(load(&history, "older").unwrap().messages.len(), 2);
    assert_eq!(block_on(history.sweep(10)).unwrap(), 0);
    let start = std::time::Instant::now();
    while start.elapsed() < Duration::from_millis(3) {
        std::hint::spin_loop();
    }
    assert_eq!(block_on(strict.sweep(1)).unwrap(), 1);
    assert_eq!(block_on(strict.sweep(10)).unwrap(), 2);
    assert!(listed().is_empty());
}

#[test]
fn no_time_and_all_the_time_there_is_are_times() {
    for time in [Duration::ZERO, Duration::MAX] {
        let folder = Folder::new();
        let history = SqliteHistory::builder(folder.file()).busy_timeout(time).open().unwrap();
        append(&history, "a", &exchange(1)).unwrap();
        block_on(history.close());
        let history =
            SqliteHistory::builder(folder.file()).time_to_live(Duration::MAX).open().unwrap();
        assert_eq!(load(&history, "a").unwrap().messages.len(), 2);
        block_on(history.lease(&session("a"), Duration::MAX)).unwrap();
        let taken = block_on(history.lease(&session("a"), Duration::ZERO));
        assert!(matches!(taken, Err(HistoryError::Busy)), "{taken:?}");
    }
}

/// Any number is a setting.
#[test]
fn any_setting_opens_a_store_or_is_refused() {
    for number in [0, 1, u64::MAX] {
        let folder = Folder::new();
        let time = Duration::from_secs(number);
        let count = usize::try_from(number).unwrap();
        let builder = SqliteHistory::builder(folder.file()).busy_timeout(time).time_to_live(time);
        let builder = builder.max_message_bytes(number).max_bytes(number).readers(count);
        let history = match builder.open() {
            Ok(history) => history,
            // A file that may not grow has no room for its tables.
            Err(HistoryError::Full { .. }) => {
                assert!(number < 2);
                continue;
            }
            Err(error) => panic!("{number}: {error}"),
        };
        let _ = append(&history, "a", &exchange(1));
        let far = Version::new(u64::MAX, u64::MAX).with_tip(u64::MAX);
        for range in [
            Range::LastTurns(count),
            Range::LastMessages(count),
            Range::LastBytes(number),
            Range::After(far),
        ] {
            block_on(history.load(&session("a"), range)).unwrap();
        }
        let _ = block_on(history.lease(&session("a"), time));
        let stale = block_on(history.append(&session("a"), &exchange(2), Expect::Exactly(far)));
        assert!(stale.is_err());
        assert!(block_on(history.sessions(None, count)).unwrap().len() <= 1);
        assert!(block_on(history.first(&session("a"), count)).unwrap().is_some());
        assert!(block_on(history.sweep(count)).is_ok_and(|swept| swept <= 1));
    }
}

/// A lease that was acquired while the clock was ahead does not last until that time comes.
#[test]
fn a_lease_lasts_no_longer_than_it_was_acquired_for() {
    let folder = Folder::new();
    let history = folder.open();
    let (now, day) = (SystemTime::now(), Duration::from_secs(24 * 3600));
    for (name, begin, is_held) in [("ahead", now + day, false), ("now", now, true)] {
        let until = (begin + day).duration_since(SystemTime::UNIX_EPOCH).unwrap();
        let until = i64::try_from(until.as_millis()).unwrap();
        let statement = "INSERT INTO leases (session, holder, until) VALUES (?1, ?2, ?3)";
        rusqlite::Connection::open(folder.file())
            .unwrap()
            .execute(statement, (name, TurnId::at(begin).as_bytes(), until))
            .unwrap();
        for is_held in [is_held, true] {
            let lease = block_on(history.lease(&session(name), day));
            assert_eq!(matches!(lease, Err(HistoryError::Busy)), is_held, "{name}: {lease:?}");
        }
    }
}

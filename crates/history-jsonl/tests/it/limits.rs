//! Limits of sizes and times, and the files in the folder.

use std::{
    fs::{self, File},
    sync::Barrier,
    thread,
    time::{Duration, SystemTime},
};

use conversant_core::{
    ChatHistory, Expect, HistoryError, Message, Note, Range, SessionFilter, ToolCall, Turn, TurnId,
    Version,
};
use conversant_history_jsonl::JsonlHistory;
use conversant_testkit::block_on;
use serde_json::json;

use crate::support::{Folder, append, exchange, load, session};

#[test]
fn a_message_above_the_limit_is_refused_and_one_at_the_limit_is_not() {
    let folder = Folder::new();
    let message = Message::human("x".repeat(1_000));
    let bytes = message.to_stored().to_string().len() as u64;
    let turn = Turn::new(vec![Message::human("small"), message]);
    let small = folder.builder().max_message_bytes(bytes - 1).open().unwrap();
    let messages: Vec<_> = turn.messages().iter().cloned().collect();
    let refused = small.check(&session("a"), &messages).unwrap_err();
    let error = append(&small, "a", &turn).unwrap_err();
    assert_eq!(error.to_string(), refused.to_string());
    folder.open().check(&session("a"), &messages).unwrap();
    assert!(
        matches!(error, HistoryError::TooLarge { bytes: found, .. } if found == bytes),
        "{error}"
    );
    assert!(folder.endings().is_empty());
    append(&folder.builder().max_message_bytes(bytes).open().unwrap(), "a", &turn).unwrap();
}

/// Also where a store accepts only small messages: memories rely on it.
#[test]
fn a_note_has_a_limit_of_its_own() {
    let folder = Folder::new();
    let history = folder.builder().max_message_bytes(100).open().unwrap();
    let covers = Version::new(0, 0);
    let note = |bytes| Note::new("x".repeat(bytes), covers);
    block_on(history.put_note(&session("a"), "large", &note(5 << 20))).unwrap();
    let error = block_on(history.put_note(&session("a"), "large", &note(16 << 20))).unwrap_err();
    let limit = Note::MAX_BYTES;
    let is_told =
        matches!(error, HistoryError::TooLarge { what: "note", limit: told, .. } if told == limit);
    assert!(is_told, "{error}");
    let kept = block_on(history.note(&session("a"), "large")).unwrap();
    assert_eq!(kept, Some(note(5 << 20)));
}

#[test]
fn what_could_not_be_read_again_is_not_stored() {
    let folder = Folder::new();
    let history = folder.open();
    let mut refused = Vec::new();
    for depth in 90..140 {
        let args = (0..depth).fold(json!({}), |inner, _| json!([inner]));
        let turn = Turn::new(vec![Message::ai("").with_tool_calls([ToolCall::new("f", args)])]);
        match append(&history, "deep", &turn) {
            Ok(_) => {
                // By a store that has not cached the file.
                let found = block_on(folder.open().load(&session("deep"), Range::LastTurns(1)));
                assert_eq!(&found.unwrap().messages, turn.messages(), "depth {depth}");
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
fn a_note_of_messages_comes_back_as_messages() {
    let folder = Folder::new();
    let history = folder.open();
    let covers = append(&history, "a", &exchange(1)).unwrap();
    let kept = load(&history, "a").unwrap().messages;
    for note in [Note::new(kept, covers), Note::new(json!([1, "two"]), covers)] {
        block_on(history.put_note(&session("a"), "kept", &note)).unwrap();
        assert_eq!(block_on(history.note(&session("a"), "kept")).unwrap(), Some(note));
    }
}

#[test]
fn no_id_is_a_path_and_reading_leaves_no_file() {
    let folder = Folder::new();
    let inner = folder.path().join("inner");
    let history = JsonlHistory::open(&inner).unwrap();
    for name in ["../a", "/etc/passwd", "..", "a/b", "nul", "con", "a:b"] {
        assert!(load(&history, name).unwrap().messages.is_empty());
        assert_eq!(history.path(&session(name)).parent(), Some(inner.as_path()), "{name}");
    }
    assert_eq!(fs::read_dir(&inner).unwrap().count(), 0);
    append(&history, "../a", &exchange(1)).unwrap();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn of_a_deleted_session_no_name_and_no_text_is_left() {
    let folder = Folder::new();
    let history = folder.open();
    append(&history, "a name to forget", &Turn::exchange("a secret", "kept")).unwrap();
    block_on(history.lease(&session("a name to forget"), Duration::from_secs(60))).unwrap();
    block_on(history.delete(&session("a name to forget"))).unwrap();
    assert_eq!(folder.endings(), ["jsonl", "lock"]);
    for entry in fs::read_dir(folder.path()).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        assert!(!text.contains("forget") && !text.contains("secret"), "{text}");
    }
    assert!(block_on(history.sessions(None, 9)).unwrap().is_empty());
    let lease = block_on(history.lease(&session("a name to forget"), Duration::ZERO));
    assert!(lease.unwrap().is_some());
}

#[test]
fn a_folder_that_is_none_is_told() {
    let folder = Folder::new();
    let file = folder.path().join("file");
    fs::write(&file, "text").unwrap();
    let error = JsonlHistory::open(&file).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot use the history: the path is not a folder; use the path of a folder"
    );
    assert!(JsonlHistory::open(file.join("inner")).is_err());
}

/// One caller creates the folder, while others find that it is not there.
#[test]
fn a_folder_is_created_by_several_at_once() {
    let parent = Folder::new();
    for number in 0..64 {
        let (path, barrier) = (parent.path().join(number.to_string()), Barrier::new(4));
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    barrier.wait();
                    JsonlHistory::builder(&path).threads(1).open().unwrap();
                });
            }
        });
    }
}

#[test]
fn facts_that_change_outlive_their_first_lifetime() {
    let folder = Folder::new();
    let day = Duration::from_secs(24 * 3600);
    let history = folder.builder().time_to_live(day).open().unwrap();
    let id = session("facts");
    let put = |text: &str| {
        block_on(history.put_note(&id, "entities", &Note::new(text, Version::default()))).unwrap();
    };
    let age = |time| {
        let file = File::options().write(true).open(history.path(&id)).unwrap();
        file.set_modified(SystemTime::now() - time).unwrap();
    };
    put("first");
    age(day / 2);
    put("second");
    let file = history.path(&id).metadata().unwrap();
    assert!(file.modified().unwrap() > SystemTime::now() - day / 2);
    age(2 * day);
    assert_eq!(block_on(history.note(&id, "entities")).unwrap(), None);
}

#[test]
fn a_session_whose_time_is_up_is_gone() {
    let folder = Folder::new();
    let day = Duration::from_secs(24 * 3600);
    let history = folder.builder().time_to_live(day).open().unwrap();
    let seen = append(&history, "old", &exchange(1)).unwrap();
    append(&history, "older", &exchange(1)).unwrap();
    append(&history, "new", &exchange(1)).unwrap();
    for name in ["old", "older"] {
        let file = File::options().write(true).open(history.path(&session(name))).unwrap();
        file.set_modified(SystemTime::now() - 2 * day).unwrap();
    }
    let found = load(&history, "old").unwrap();
    assert_eq!((found.messages.len(), found.version), (0, Version::new(1, 0)));
    assert!(block_on(history.turns(&session("old"), Range::All)).unwrap().is_empty());
    assert_eq!(block_on(history.sessions(None, 9)).unwrap(), [session("new")]);
    // An append that expects the expired session is stale; another starts it again.
    let late = block_on(history.append(&session("old"), &exchange(2), Expect::SameEpoch(seen)));
    assert!(matches!(late, Err(HistoryError::Stale { .. })), "{late:?}");
    assert_eq!(append(&history, "old", &exchange(1)).unwrap().to_string(), "1.2");
    assert_eq!(load(&history, "old").unwrap().messages.len(), 2);
    // The setting is not part of the files.
    assert_eq!(load(&folder.open(), "older").unwrap().messages.len(), 2);
    assert_eq!(block_on(folder.open().sweep(9)).unwrap(), 0);
    assert_eq!(block_on(history.sweep(9)).unwrap(), 1);
    assert_eq!(load(&folder.open(), "older").unwrap().version, Version::new(1, 0));
    assert_eq!(block_on(history.sweep(9)).unwrap(), 0);
}

#[test]
fn a_search_ends_at_its_limit_and_goes_on_from_there() {
    let folder = Folder::new();
    let history = folder.builder().search_limit(1).open().unwrap();
    for (name, number) in [("a", 1), ("b", 2), ("c", 1), ("d", 3)] {
        append(&history, name, &exchange(number)).unwrap();
    }
    let filter = SessionFilter::new().with_text("question 1");
    let (mut pages, mut after) = (Vec::new(), None);
    loop {
        let page = block_on(history.list_sessions(&filter, after.as_ref(), 9)).unwrap();
        pages.push(page.sessions.iter().map(|info| info.session.to_string()).collect::<Vec<_>>());
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(pages.concat(), ["c", "a"]);
    assert_eq!(pages.len(), 4, "a call searches one session: {pages:?}");
    // A list that searches nothing has no limit.
    let all = block_on(history.list_sessions(&SessionFilter::new(), None, 9)).unwrap();
    assert_eq!((all.sessions.len(), all.next), (4, None));
    assert_eq!(block_on(history.delete_sessions(&filter, 9)).unwrap(), 2);
}

/// A lease that was acquired while the clock was ahead does not last until that time comes.
#[test]
fn a_lease_lasts_no_longer_than_it_was_acquired_for() {
    let folder = Folder::new();
    let history = folder.open();
    let (now, day) = (SystemTime::now(), Duration::from_secs(24 * 3600));
    for (name, begin, is_held) in [("ahead", now + day, false), ("now", now, true)] {
        let until = (begin + day).duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis();
        let holder = TurnId::at(begin);
        let stored = json!({ "holder": holder, "until": u64::try_from(until).unwrap() });
        let lock = history.path(&session(name)).with_extension("lock");
        fs::write(lock, stored.to_string()).unwrap();
        for is_held in [is_held, true] {
            let lease = block_on(history.lease(&session(name), day));
            assert_eq!(matches!(lease, Err(HistoryError::Busy)), is_held, "{name}: {lease:?}");
        }
    }
}

#[test]
fn a_folder_that_is_gone_is_not_an_empty_session() {
    let folder = Folder::new();
    let path = folder.path().join("conversations");
    let history = JsonlHistory::open(&path).unwrap();
    append(&history, "a", &exchange(1)).unwrap();
    let away = folder.path().join("away");
    fs::rename(&path, &away).unwrap();
    for range in [Range::All, Range::LastTurns(1)] {
        for name in ["a", "never written"] {
            let error = block_on(history.load(&session(name), range)).unwrap_err();
            assert!(matches!(error, HistoryError::Backend { .. }), "{error:?}");
            let text = format!("{error:?}");
            assert!(text.contains("cannot find the folder"), "{text}");
        }
    }
    assert!(block_on(history.turns(&session("a"), Range::All)).is_err());
    assert!(block_on(history.note(&session("a"), "summary")).is_err());
    fs::rename(&away, &path).unwrap();
    assert_eq!(load(&history, "a").unwrap().messages.len(), 2);
    assert!(load(&history, "never written").unwrap().messages.is_empty());
}

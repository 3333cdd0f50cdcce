//! Lists of a folder in which other files lie, or in which a file is damaged.

use std::{
    fs,
    path::Path,
    time::{Duration, SystemTime},
};

use conversant_core::{ChatHistory, HistoryError, SessionFilter};
use conversant_history_jsonl::JsonlHistory;
use conversant_testkit::block_on;

use crate::support::{Folder, append, exchange, load, session};

/// Returns the names on each page, of sessions most recently used first.
fn pages(history: &JsonlHistory, limit: usize) -> Vec<Vec<String>> {
    let (mut pages, mut next) = (Vec::new(), None);
    loop {
        let page = block_on(history.list_sessions(&SessionFilter::new(), next.as_ref(), limit));
        let page = page.unwrap();
        pages.push(page.sessions.iter().map(|info| info.session.to_string()).collect());
        next = page.next;
        if next.is_none() {
            return pages;
        }
    }
}

/// A search that may read nothing reads one session for each page. Lists without a text have no
/// limit.
#[test]
fn each_page_of_a_search_goes_on() {
    let folder = Folder::new();
    let history = folder.builder().search_limit(0).open().unwrap();
    for name in ["a", "b", "c"] {
        append(&history, name, &exchange(1)).unwrap();
    }
    let filter = SessionFilter::new().with_text("question");
    let (mut found, mut next) = (Vec::new(), None);
    for _ in 0..3 {
        let page = block_on(history.list_sessions(&filter, next.as_ref(), 9)).unwrap();
        found.extend(page.sessions.into_iter().map(|info| info.session.to_string()));
        next = page.next;
    }
    assert_eq!(found, ["c", "b", "a"]);
    assert_eq!(next, None);
    assert_eq!(pages(&history, 9), [["c", "b", "a"]]);
}

#[test]
fn copies_with_other_names_are_not_listed() {
    let folder = Folder::new();
    let history = folder.open();
    for (number, name) in ["a", "b", "deleted"].into_iter().enumerate() {
        append(&history, name, &exchange(number)).unwrap();
        let path = history.path(&session(name));
        fs::copy(&path, folder.path().join(format!("{name} (copy).jsonl"))).unwrap();
        let other = history.path(&session(&format!("not {name}")));
        fs::copy(&path, other).unwrap();
    }
    fs::write(folder.path().join("notes.jsonl"), "not a conversation\n").unwrap();
    block_on(history.delete(&session("deleted"))).unwrap();
    for history in [&history, &folder.open()] {
        assert_eq!(pages(history, 9), [["b", "a"]]);
        assert_eq!(pages(history, 1), [["b"], ["a"]]);
        let sessions = block_on(history.sessions(None, 9)).unwrap();
        assert_eq!(sessions, [session("a"), session("b")]);
    }
    let filter = SessionFilter::new().with_text("question");
    let deleted = block_on(history.delete_sessions(&filter, 9)).unwrap();
    assert_eq!(deleted, 2);
}

#[test]
fn an_old_copy_does_not_make_its_session_expire() {
    let folder = Folder::new();
    let day = Duration::from_secs(24 * 3600);
    let history = folder.builder().time_to_live(day).open().unwrap();
    append(&history, "a", &exchange(1)).unwrap();
    for copy in [folder.path().join("a (copy).jsonl"), history.path(&session("b"))] {
        fs::copy(history.path(&session("a")), &copy).unwrap();
        let copy = fs::File::options().write(true).open(copy).unwrap();
        copy.set_modified(SystemTime::now() - 2 * day).unwrap();
    }
    assert_eq!(block_on(history.sweep(9)).unwrap(), 0);
    assert_eq!(load(&history, "a").unwrap().messages.len(), 2);
}

/// Every byte that a last line break can become is an error for a list if it is one for a load.
#[test]
fn a_list_finds_the_damage_that_a_load_finds() {
    let folder = Folder::new();
    append(&folder.open(), "a", &exchange(1)).unwrap();
    block_on(folder.open().set_label(&session("a"), "color", Some("red"))).unwrap();
    let bytes = folder.read("a");
    for (offset, byte) in (0..=u8::MAX).map(|byte| (1, byte)).chain([(2, 0x0b), (30, b'?')]) {
        let mut damaged = bytes.clone();
        let at = damaged.len() - offset;
        damaged[at] = byte;
        folder.write("a", &damaged);
        let history = folder.open();
        let listed = block_on(history.list_sessions(&SessionFilter::new(), None, 9));
        match load(&history, "a") {
            Ok(_) => {
                let labels = &listed.unwrap().sessions[0].labels;
                assert_eq!(labels.len(), 1, "byte {byte:#x}");
            }
            Err(_) => {
                assert!(matches!(listed, Err(HistoryError::Corrupt { .. })), "byte {byte:#x}");
            }
        }
    }
}

/// Damages a file.
type Fault = fn(&Path);

/// Faults of one file of a folder.
const FAULTS: &[(&str, Fault)] = &[
    ("a damaged line", |path| {
        let mut bytes = fs::read(path).unwrap();
        let at = bytes.len() - 30;
        bytes[at] ^= 1;
        fs::write(path, bytes).unwrap();
    }),
    ("a damaged header", |path| {
        let mut bytes = fs::read(path).unwrap();
        bytes[30] ^= 1;
        fs::write(path, bytes).unwrap();
    }),
    ("no header", |path| fs::write(path, "").unwrap()),
    ("a folder", |path| {
        fs::remove_file(path).unwrap();
        fs::create_dir(path).unwrap();
    }),
    #[cfg(unix)]
    ("a link to nothing", |path| {
        fs::remove_file(path).unwrap();
        std::os::unix::fs::symlink(path.with_extension("nothing"), path).unwrap();
    }),
];

/// Returns a folder of three sessions with a label, the second of which has a fault.
fn with_fault(fault: Fault) -> (Folder, JsonlHistory) {
    let folder = Folder::new();
    let history = folder.open();
    for (number, name) in ["a", "damaged", "b"].into_iter().enumerate() {
        append(&history, name, &exchange(number)).unwrap();
        block_on(history.set_label(&session(name), "user", Some("ada"))).unwrap();
    }
    block_on(history.close());
    fault(&history.path(&session("damaged")));
    let history = folder.open();
    (folder, history)
}

#[test]
fn a_damaged_file_does_not_keep_the_others_from_being_deleted() {
    let filters = [
        SessionFilter::new().with_label("user", "ada"),
        SessionFilter::new().with_used_before(SystemTime::now() + Duration::from_secs(3600)),
        SessionFilter::new().with_text("question"),
    ];
    for (what, fault) in FAULTS {
        for filter in &filters {
            let (_folder, history) = with_fault(*fault);
            let file = history.path(&session("damaged"));
            let name = file.file_name().unwrap().to_str().unwrap();
            for _ in 0..2 {
                let error = block_on(history.delete_sessions(filter, 9)).unwrap_err();
                assert!(matches!(error, HistoryError::Corrupt { .. }), "{what}: {error}");
                assert!(error.to_string().contains(name), "{what}: {error}");
                for name in ["a", "b"] {
                    assert_eq!(load(&history, name).unwrap().messages.len(), 0, "{what}");
                }
            }
            // A list would leave the session out: it is an error, until the file is repaired.
            let error = block_on(history.list_sessions(filter, None, 9)).unwrap_err();
            assert!(error.to_string().contains(name), "{what}: {error}");
            if fs::remove_file(&file).or_else(|_| fs::remove_dir(&file)).is_ok() {
                assert_eq!(block_on(history.delete_sessions(filter, 9)).unwrap(), 0, "{what}");
            }
        }
    }
}

#[test]
fn a_damaged_file_does_not_keep_the_others_from_expiring() {
    for (what, fault) in FAULTS.iter().filter(|(what, _)| *what != "a damaged line") {
        let (folder, history) = with_fault(*fault);
        block_on(history.close());
        let history = folder.builder().time_to_live(Duration::ZERO).open().unwrap();
        let error = block_on(history.sweep(9)).unwrap_err();
        assert!(matches!(error, HistoryError::Corrupt { .. }), "{what}: {error}");
        for name in ["a", "b"] {
            let text = String::from_utf8(folder.read(name)).unwrap();
            assert!(!text.contains("question"), "{what}: {text}");
        }
    }
}

/// Callers go on until nothing was deleted, or there is an error.
#[test]
fn a_damaged_file_is_an_error_once_fewer_others_than_the_limit_are_left() {
    for (what, fault) in FAULTS {
        let (_folder, history) = with_fault(*fault);
        let filter = SessionFilter::new().with_label("user", "ada");
        for _ in 0..2 {
            assert_eq!(block_on(history.delete_sessions(&filter, 1)).unwrap(), 1, "{what}");
        }
        let error = block_on(history.delete_sessions(&filter, 1)).unwrap_err();
        assert!(matches!(error, HistoryError::Corrupt { .. }), "{what}: {error}");
        let left = ["a", "b"].map(|name| load(&history, name).unwrap().messages.len());
        assert_eq!(left, [0, 0], "{what}");
    }
}

/// The file of the session is intact, and the turns that it shares are not there.
#[test]
fn another_session_takes_the_place_of_one_that_cannot_be_deleted() {
    let folder = Folder::new();
    let history = folder.open();
    let turn = exchange(1);
    append(&history, "origin", &turn).unwrap();
    block_on(history.set_label(&session("origin"), "user", Some("ada"))).unwrap();
    let fork = block_on(history.fork(&session("origin"), turn.id().into(), &session("fork")));
    fork.unwrap();
    block_on(history.set_label(&session("origin"), "user", None)).unwrap();
    for number in 2..4 {
        let name = format!("session {number}");
        append(&history, &name, &exchange(number)).unwrap();
        block_on(history.set_label(&session(&name), "user", Some("ada"))).unwrap();
    }
    block_on(history.close());
    for entry in fs::read_dir(folder.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "shared") {
            fs::remove_file(path).unwrap();
        }
    }
    let history = folder.open();
    let filter = SessionFilter::new().with_label("user", "ada");
    for name in ["session 2", "session 3"] {
        assert_eq!(block_on(history.delete_sessions(&filter, 1)).unwrap(), 1);
        assert_eq!(load(&history, name).unwrap().messages.len(), 0);
    }
    let error = block_on(history.delete_sessions(&filter, 1)).unwrap_err().to_string();
    assert!(error.contains("the turns that the fork shares are missing"), "{error}");
}

/// Their first lines are intact, so that a sweep chooses them again.
#[test]
fn damaged_sessions_do_not_keep_others_from_expiring() {
    let (_, fault) = FAULTS[0];
    let folder = Folder::new();
    let history = folder.builder().time_to_live(Duration::from_secs(3600)).open().unwrap();
    for number in 0..6 {
        let name = format!("session {number}");
        append(&history, &name, &exchange(number)).unwrap();
        let path = history.path(&session(&name));
        if number % 2 == 0 {
            fault(&path);
        }
        let file = fs::File::options().write(true).open(path).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(7200)).unwrap();
    }
    for _ in 0..3 {
        assert_eq!(block_on(history.sweep(1)).unwrap(), 1);
    }
    let error = block_on(history.sweep(1)).unwrap_err();
    assert!(matches!(error, HistoryError::Corrupt { .. }), "{error}");
    assert_eq!(block_on(history.sweep(0)).unwrap_or_default(), 0);
    for number in [1, 3, 5] {
        let text = String::from_utf8(folder.read(&format!("session {number}"))).unwrap();
        assert!(!text.contains("question"), "{number}: {text}");
    }
}

#[cfg(unix)]
#[test]
fn a_link_that_leads_nowhere_is_told() {
    let (_, fault) = FAULTS.last().unwrap();
    let (_folder, history) = with_fault(*fault);
    for _ in 0..2 {
        let loaded = load(&history, "damaged").unwrap_err().to_string();
        assert!(loaded.ends_with("it is not a regular file; move it away"), "{loaded}");
        let appended = append(&history, "damaged", &exchange(2)).unwrap_err().to_string();
        assert_eq!(appended, loaded);
    }
}

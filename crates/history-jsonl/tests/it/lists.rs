//! Lists of a folder in which other files lie, or in which a file is damaged.

use std::{
    fs,
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

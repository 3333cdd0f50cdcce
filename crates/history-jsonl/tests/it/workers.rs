//! Threads and other processes: what is dropped, and what waits for what.

use std::{fs::File, thread};

use conversant_core::{ChatHistory, Expect, Range, Version};
use conversant_testkit::{block_on, poll_then_drop};

use crate::support::{Folder, append, exchange, load, session};

/// Holds a session's lock, as another process would, until it is dropped.
fn locked(folder: &Folder, name: &str) -> File {
    let path = folder.open().path(&session(name)).with_extension("lock");
    let file = File::options().write(true).create(true).truncate(false).open(path).unwrap();
    file.lock().unwrap();
    file
}

#[test]
fn a_dropped_append_is_settled_before_the_session_is_read() {
    let folder = Folder::new();
    let history = folder.open();
    for number in 0..20 {
        let lock = locked(&folder, "a");
        let (id, turn) = (session("a"), exchange(number));
        let append_a = history.append(&id, &turn, Expect::Any);
        assert!(block_on(poll_then_drop(append_a, 1)).is_none());
        let reading = thread::spawn({
            let history = history.clone();
            move || load(&history, "a").unwrap().messages.len()
        });
        // Other sessions do not wait.
        append(&history, "b", &exchange(number)).unwrap();
        drop(lock);
        assert_eq!(reading.join().unwrap(), 2 * (number + 1));
    }
    assert_eq!(load(&history, "b").unwrap().messages.len(), 40);
}

#[test]
fn an_append_that_was_never_polled_leaves_no_trace() {
    let folder = Folder::new();
    drop(folder.open().append(&session("a"), &exchange(1), Expect::Any));
    assert!(folder.endings().is_empty());
}

#[test]
fn two_stores_of_one_folder_make_one_order() {
    let folder = Folder::new();
    let stores = [folder.open(), folder.open()];
    thread::scope(|scope| {
        for number in 0..8 {
            let history = &stores[number % 2];
            scope.spawn(move || {
                let mut last = Version::default();
                for turn in 0..10 {
                    let turn = exchange(100 * number + turn).with_base(last);
                    last = append(history, "a", &turn).unwrap();
                }
            });
        }
    });
    let turns = block_on(stores[0].turns(&session("a"), Range::All)).unwrap();
    assert_eq!(turns.len(), 80);
    for (number, turn) in turns.iter().enumerate() {
        assert!(turn.base().unwrap().messages <= 2 * number as u64);
    }
    assert_eq!(load(&folder.open(), "a").unwrap(), load(&stores[1], "a").unwrap());
}

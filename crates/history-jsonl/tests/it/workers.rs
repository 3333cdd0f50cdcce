//! Threads and other processes: dropped futures, waiting, and the end of a store.

use std::{fs::File, thread, time::Duration};

use conversant_core::{ChatHistory, Expect, HistoryError, Range, Version};
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

#[test]
fn a_session_that_another_process_holds_is_busy_in_time_and_others_do_not_wait() {
    let folder = Folder::new();
    let history =
        folder.builder().lock_timeout(Duration::from_millis(100)).threads(1).open().unwrap();
    for name in ["a", "b"] {
        append(&history, name, &exchange(1)).unwrap();
    }
    let lock = locked(&folder, "a");
    thread::scope(|scope| {
        // More operations than threads, several of them in one queue.
        let waiting: Vec<_> = (0..6)
            .map(|number| {
                let history = &history;
                scope.spawn(move || match number % 2 {
                    0 => append(history, "a", &exchange(number)).map(drop),
                    _ => load(history, "a").map(drop),
                })
            })
            .collect();
        for number in 0..20 {
            append(&history, "b", &exchange(number)).unwrap();
        }
        for thread in waiting {
            let outcome = thread.join().unwrap();
            assert!(matches!(outcome, Err(HistoryError::Busy)), "{outcome:?}");
        }
    });
    let lease = block_on(history.lease(&session("a"), Duration::from_secs(1)));
    assert!(matches!(lease, Err(HistoryError::Busy)), "{lease:?}");
    drop(lock);
    assert_eq!(load(&history, "a").unwrap().messages.len(), 2);
    append(&history, "a", &exchange(9)).unwrap();
}

#[test]
fn a_lock_timeout_of_zero_does_not_wait_and_one_without_end_does() {
    let folder = Folder::new();
    let hasty = folder.builder().lock_timeout(Duration::ZERO).open().unwrap();
    let patient = folder.builder().lock_timeout(Duration::MAX).open().unwrap();
    let lock = locked(&folder, "a");
    let refused = append(&hasty, "a", &exchange(1));
    assert!(matches!(refused, Err(HistoryError::Busy)), "{refused:?}");
    let waiting = thread::spawn(move || append(&patient, "a", &exchange(1)));
    drop(lock);
    assert_eq!(waiting.join().unwrap().unwrap().messages, 2);
    append(&hasty, "a", &exchange(2)).unwrap();
}

#[test]
fn a_store_that_was_closed_or_dropped_has_done_what_was_asked_of_it() {
    for close in [true, false] {
        let folder = Folder::new();
        let history = folder.open();
        let lock = locked(&folder, "a");
        block_on(async {
            for number in 0..20 {
                let (name, turn) = (["a", "b"][number % 2], exchange(number));
                let id = session(name);
                let append = history.append(&id, &turn, Expect::Any);
                let _ = poll_then_drop(append, 1).await;
            }
        });
        let clone = history.clone();
        let releasing = thread::spawn(move || drop(lock));
        if close {
            block_on(history.close());
            assert!(load(&clone, "a").is_err());
            block_on(clone.close());
            assert_eq!(load(&folder.open(), "a").unwrap().messages.len(), 20);
        }
        drop((history, clone));
        releasing.join().unwrap();
        for name in ["a", "b"] {
            while load(&folder.open(), name).unwrap().messages.len() < 20 {
                thread::yield_now();
            }
        }
    }
}

/// Reads more sessions in turn than have a cached index.
#[test]
fn any_number_of_sessions_is_read_in_turn() {
    let folder = Folder::new();
    let history = folder.open();
    for round in 0..2 {
        for number in 0..300 {
            append(&history, &format!("session {number}"), &exchange(round)).unwrap();
        }
    }
    for number in 0..300 {
        let found = load(&history, &format!("session {number}")).unwrap();
        assert_eq!(found.messages.len(), 4);
    }
}

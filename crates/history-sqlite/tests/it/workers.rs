//! Threads: dropped futures, waiting, and the end of a store.

use std::{
    sync::{Arc, Barrier},
    task::{Context, Wake, Waker},
    thread,
    time::{Duration, Instant},
};

use conversant_core::{ChatHistory, Expect, HistoryError, Point, Range, Turn, Version};
use conversant_history_sqlite::SqliteHistory;
use conversant_testkit::{block_on, poll_then_drop};
use rusqlite::Connection;

use crate::support::{Folder, append, exchange, load, session};

/// Holds the write lock of a file until it is dropped.
fn locked(folder: &Folder) -> Connection {
    let connection = Connection::open(folder.file()).unwrap();
    connection.execute_batch("BEGIN IMMEDIATE").unwrap();
    connection
}

#[test]
fn a_dropped_append_is_settled_before_the_session_is_read() {
    let folder = Folder::new();
    let history = folder.open();
    for number in 0..50 {
        // Another process holds the file while the append is polled once and dropped.
        let lock = locked(&folder);
        let (id, turn) = (session("a"), exchange(number));
        let append = history.append(&id, &turn, Expect::Any);
        assert!(block_on(poll_then_drop(append, 1)).is_none());
        let reading = thread::spawn({
            let history = history.clone();
            move || load(&history, "a").unwrap().messages.len()
        });
        // Other sessions can be read meanwhile.
        assert!(load(&history, "b").unwrap().messages.is_empty());
        drop(lock);
        assert_eq!(reading.join().unwrap(), 2 * (number + 1));
    }
}

/// The waker of a caller.
struct Panics;

impl Wake for Panics {
    fn wake(self: Arc<Self>) {
        panic!("a waker of the test");
    }
}

/// It is woken on the store's threads.
#[test]
fn a_waker_that_panics_ends_no_thread() {
    let folder = Folder::new();
    let history = SqliteHistory::builder(folder.file()).readers(1).open().unwrap();
    append(&history, "a", &exchange(0)).unwrap();
    let id = session("a");
    for number in 1..10 {
        let lock = locked(&folder);
        let turn = exchange(number);
        let waker = Waker::from(Arc::new(Panics));
        let mut context = Context::from_waker(&waker);
        // The read is queued behind the write, as is the brief one.
        let mut append_held = history.append(&id, &turn, Expect::Any);
        let mut read_held = history.load(&id, Range::All);
        let mut brief_held = history.load(&id, Range::LastTurns(1));
        for is_pending in [
            append_held.as_mut().poll(&mut context).is_pending(),
            read_held.as_mut().poll(&mut context).is_pending(),
            brief_held.as_mut().poll(&mut context).is_pending(),
        ] {
            assert!(is_pending);
        }
        drop(lock);
        block_on(append_held).unwrap();
        assert_eq!(block_on(read_held).unwrap().messages.len(), 2 * (number + 1));
        assert_eq!(block_on(brief_held).unwrap().messages.len(), 2);
        append(&history, "b", &exchange(number)).unwrap();
        assert_eq!(load(&history, "b").unwrap().messages.len(), 2 * number);
    }
}

/// Also the session that it begins.
#[test]
fn a_dropped_fork_is_settled_before_the_session_is_read() {
    let folder = Folder::new();
    let history = folder.open();
    let (id, turn) = (session("a"), exchange(0));
    append(&history, "a", &turn).unwrap();
    for number in 0..20 {
        let lock = locked(&folder);
        let name = format!("fork {number}");
        let into = session(&name);
        let fork = history.fork(&id, turn.id().into(), &into);
        assert!(block_on(poll_then_drop(fork, 1)).is_none());
        let reading = thread::spawn({
            let history = history.clone();
            move || load(&history, &name).unwrap().messages.len()
        });
        // The source can be read meanwhile.
        assert_eq!(load(&history, "a").unwrap().messages.len(), 2);
        drop(lock);
        assert_eq!(reading.join().unwrap(), 2);
    }
}

#[test]
fn an_append_that_was_never_polled_leaves_no_trace() {
    let folder = Folder::new();
    let history = folder.open();
    drop(history.append(&session("a"), &exchange(1), Expect::Any));
    assert_eq!(load(&history, "a").unwrap().version, Version::default());
}

#[test]
fn a_file_that_another_process_holds_is_busy_in_time() {
    let folder = Folder::new();
    let history = SqliteHistory::builder(folder.file())
        .busy_timeout(Duration::from_millis(20))
        .open()
        .unwrap();
    append(&history, "a", &exchange(1)).unwrap();
    let lock = locked(&folder);
    let outcomes: Vec<_> = thread::scope(|scope| {
        let write = |number| {
            let history = &history;
            scope.spawn(move || append(history, &format!("session {number}"), &exchange(number)))
        };
        let writing: Vec<_> = (0..8).map(write).collect();
        writing.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    for outcome in outcomes {
        assert!(matches!(outcome, Err(HistoryError::Busy)), "{outcome:?}");
    }
    assert_eq!(load(&history, "a").unwrap().messages.len(), 2);
    drop(lock);
    append(&history, "a", &exchange(2)).unwrap();
}

#[test]
fn a_long_queue_waits_for_another_process_once() {
    let folder = Folder::new();
    let time = Duration::from_secs(1);
    let history = SqliteHistory::builder(folder.file()).busy_timeout(time).open().unwrap();
    append(&history, "a", &exchange(0)).unwrap();
    let lock = locked(&folder);
    let start = Instant::now();
    // Several transactions: each alone would wait for the whole time.
    block_on(async {
        for number in 0..1_000 {
            let (id, turn) = (session("a"), exchange(number));
            let _ = poll_then_drop(history.append(&id, &turn, Expect::Any), 1).await;
        }
    });
    let last = append(&history, "a", &exchange(0));
    assert!(matches!(last, Err(HistoryError::Busy)), "{last:?}");
    assert!(start.elapsed() < 5 * time, "{:?}", start.elapsed());
    drop(lock);
    append(&history, "a", &exchange(0)).unwrap();
}

/// Writes that wait together: the time of each counts from when it was queued.
#[test]
fn a_write_waits_no_longer_because_another_one_was_queued_later() {
    let folder = Folder::new();
    let opened = |time| SqliteHistory::builder(folder.file()).busy_timeout(time).open().unwrap();
    let history = opened(Duration::from_secs(2));
    append(&history, "a", &exchange(0)).unwrap();
    // Other stores, whose writes say how much time has passed.
    let clocks = [250, 1_500].map(|millis| opened(Duration::from_millis(millis)));
    let mut lock = Some(locked(&folder));
    let write = |name: &'static str| {
        let history = history.clone();
        async move { history.append(&session(name), &exchange(1), Expect::Any).await }
    };
    let [mut first, mut early, mut late] = ["a", "b", "c"].map(|name| Box::pin(write(name)));
    block_on(async {
        // The first waits alone. The others are queued meanwhile, one at the end of its time.
        assert!(poll_then_drop(&mut first, 1).await.is_none());
        for (clock, queued) in clocks.iter().zip([&mut early, &mut late]) {
            let time = clock.append(&session("clock"), &exchange(1), Expect::Any).await;
            assert!(matches!(time, Err(HistoryError::Busy)), "{time:?}");
            assert!(poll_then_drop(queued, 1).await.is_none());
        }
        assert!(matches!(first.await, Err(HistoryError::Busy)));
        assert!(matches!(early.await, Err(HistoryError::Busy)));
        // The last one has time left, in which the file becomes free.
        drop(lock.take());
        late.await.unwrap();
    });
}

#[test]
fn writes_that_are_committed_together_fail_alone() {
    let folder = Folder::new();
    let history = folder.open();
    let seen = append(&history, "a", &exchange(0)).unwrap();
    append(&history, "a", &exchange(1)).unwrap();
    // While another process holds the file, a queue forms.
    let lock = locked(&folder);
    let start = Arc::new(Barrier::new(33));
    let writers: Vec<_> = (0..32)
        .map(|number| {
            let (history, start) = (history.clone(), Arc::clone(&start));
            thread::spawn(move || {
                let (name, expect) = match number % 4 {
                    0 => ("a", Expect::Exactly(seen)),
                    1 => ("a", Expect::SameEpoch(seen)),
                    2 => ("b", Expect::Any),
                    _ => ("c", Expect::Exactly(Version::default())),
                };
                start.wait();
                block_on(history.append(&session(name), &exchange(number), expect))
            })
        })
        .collect();
    start.wait();
    drop(lock);
    let mut stale = [0; 4];
    for (number, writer) in writers.into_iter().enumerate() {
        match writer.join().unwrap() {
            Ok(_) => {}
            Err(HistoryError::Stale { .. }) => stale[number % 4] += 1,
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(stale, [8, 0, 0, 7]);
    let lengths = ["a", "b", "c"].map(|name| load(&history, name).unwrap().messages.len());
    assert_eq!(lengths, [4 + 16, 16, 2]);
}

#[test]
fn thirty_two_threads_make_one_order() {
    let folder = Folder::new();
    let history = folder.open();
    thread::scope(|scope| {
        for thread in 0..32 {
            let history = &history;
            scope.spawn(move || {
                let mut last = Version::default();
                for number in 0..20 {
                    // Each thread sees its own turn, and a prefix of the final conversation.
                    let turn = exchange(100 * thread + number).with_base(last);
                    last = append(history, "a", &turn).unwrap();
                    let seen = block_on(history.load(&session("a"), Range::After(last))).unwrap();
                    assert_eq!(seen.start(), last.messages);
                }
            });
        }
    });
    let turns = block_on(history.turns(&session("a"), Range::All)).unwrap();
    assert_eq!(turns.len(), 640);
    for (number, turn) in turns.iter().enumerate() {
        assert!(turn.base().unwrap().messages <= 2 * number as u64);
    }
}

#[test]
fn the_threads_end_with_the_last_handle_and_the_log_is_written_back() {
    let folder = Folder::new();
    let history = folder.open();
    append(&history, "a", &exchange(1)).unwrap();
    drop(history.clone());
    append(&history, "a", &exchange(2)).unwrap();
    drop(history);
    // The last connection that closes the file removes its log.
    while folder.names() != ["chat.db"] {
        thread::yield_now();
    }
    assert_eq!(load(&folder.open(), "a").unwrap().messages.len(), 4);
}

/// The store that has appended the last turn answers without its threads, as long as nothing else
/// has changed the session.
#[test]
fn that_nothing_is_new_is_known_at_once() {
    let id = session("a");
    let changes: [fn(&Folder, &SqliteHistory); 7] = [
        |folder, _| {
            append(&folder.open(), "a", &exchange(9)).unwrap();
        },
        |folder, _| block_on(folder.open().clear(&session("a"))).unwrap(),
        |folder, _| folder.sql("UPDATE sessions SET messages = 2"),
        |_, history| block_on(history.clear(&session("a"))).unwrap(),
        |_, history| block_on(history.delete(&session("a"))).unwrap(),
        |_, history| {
            block_on(history.set_tip(&session("a"), Point::Start, Expect::Any)).unwrap();
        },
        |_, history| {
            append(history, "a", &exchange(9)).unwrap();
        },
    ];
    for (number, change) in changes.iter().enumerate() {
        let folder = Folder::new();
        let history = folder.open();
        append(&history, "a", &exchange(1)).unwrap();
        let seen = append(&history, "a", &exchange(2)).unwrap();
        let load = || history.load(&id, Range::After(seen));
        for _ in 0..2 {
            let slice = block_on(poll_then_drop(load(), 1)).expect("an answer at once").unwrap();
            assert_eq!((slice.messages.len(), slice.version), (0, seen));
            // Another session of this store, and a commit that changes none, make no difference.
            append(&history, "b", &exchange(1)).unwrap();
            block_on(history.lease(&id, Duration::from_millis(1))).ok();
        }
        change(&folder, &history);
        match block_on(load()) {
            Ok(slice) => assert_ne!(slice.version, seen, "change {number}"),
            Err(error) => assert!(matches!(error, HistoryError::Corrupt { .. }), "{error}"),
        }
        // An append after the version that was seen is refused where it is lost.
        let appended = block_on(history.append(&id, &exchange(3), Expect::Exactly(seen)));
        assert!(appended.is_err(), "change {number}: {appended:?}");
    }
}

#[test]
fn a_session_whose_time_is_up_is_not_taken_for_one_that_was_seen() {
    let folder = Folder::new();
    let history =
        SqliteHistory::builder(folder.file()).time_to_live(Duration::ZERO).open().unwrap();
    let seen = append(&history, "a", &exchange(1)).unwrap();
    // The clock has milliseconds.
    let since = Instant::now();
    while since.elapsed() < Duration::from_millis(2) {
        thread::yield_now();
    }
    let slice = block_on(history.load(&session("a"), Range::After(seen))).unwrap();
    assert_eq!(slice.version, Version::new(1, 0));
    assert_eq!(append(&history, "a", &exchange(2)).unwrap().epoch, 1);
}

/// A connection that reads on, such as a backup, keeps what was deleted in the log. Later writes do
/// not wait for it, and the log is emptied when it has ended.
#[test]
fn writes_do_not_wait_for_the_log_of_a_deletion() {
    let folder = Folder::new();
    let history = folder.open();
    append(&history, "deleted", &Turn::exchange("xylophone", "x".repeat(9_000))).unwrap();
    let reading = Connection::open(folder.file()).unwrap();
    reading.execute_batch("BEGIN; SELECT count(*) FROM sqlite_schema").unwrap();
    block_on(history.delete(&session("deleted"))).unwrap();
    let log_has_it = || {
        let log = std::fs::read(folder.path().join("chat.db-wal")).unwrap();
        log.windows(9).any(|window| window == b"xylophone")
    };
    assert!(log_has_it());
    let started = Instant::now();
    for number in 0..200 {
        append(&history, "kept", &exchange(number)).unwrap();
    }
    // Each would wait a tenth of a second.
    let taken = started.elapsed();
    assert!(taken < Duration::from_secs(15), "{taken:?}");
    drop(reading);
    let started = Instant::now();
    while log_has_it() {
        assert!(started.elapsed() < Duration::from_secs(60), "the log is not emptied");
        append(&history, "kept", &exchange(1_000)).unwrap();
    }
}

//! Files that others replace, cut off or remove while a store has them indexed.

use std::{fs, fs::OpenOptions};

use conversant_core::{ChatHistory, Expect, HistoryError, Range, Turn, TurnId, Version};
use conversant_testkit::block_on;

use crate::support::{Folder, append, exchange, load, session};

fn turns(history: &dyn ChatHistory) -> Vec<Turn> {
    block_on(history.turns(&session("a"), Range::All)).unwrap()
}

/// A change of the file of three turns. `copy` is the file when it had two.
type Change = fn(&Folder, copy: &[u8]);

/// Each change, and which turns are there afterwards.
const CHANGES: &[(&str, Change, &[usize])] = &[
    ("an older copy", |folder, copy| folder.write("a", copy), &[1, 2]),
    (
        "an older copy, written again with a turn of the same size",
        |folder, copy| {
            folder.write("a", copy);
            append(&folder.open(), "a", &exchange(4)).unwrap();
        },
        &[1, 2, 4],
    ),
    (
        "an older copy, written again with more turns",
        |folder, copy| {
            folder.write("a", copy);
            append(&folder.open(), "a", &exchange(4)).unwrap();
            append(&folder.open(), "a", &exchange(5)).unwrap();
        },
        &[1, 2, 4, 5],
    ),
    (
        "an older copy under the name, by a rename",
        |folder, copy| {
            let path = folder.open().path(&session("a"));
            fs::write(path.with_extension("copy"), copy).unwrap();
            fs::rename(path.with_extension("copy"), &path).unwrap();
            append(&folder.open(), "a", &exchange(4)).unwrap();
        },
        &[1, 2, 4],
    ),
    (
        "cut off after a turn",
        |folder, copy| {
            let path = folder.open().path(&session("a"));
            let file = OpenOptions::new().write(true).open(path).unwrap();
            file.set_len(copy.len() as u64).unwrap();
        },
        &[1, 2],
    ),
    ("removed", |folder, _| fs::remove_file(folder.open().path(&session("a"))).unwrap(), &[]),
    (
        "removed and begun anew",
        |folder, _| {
            fs::remove_file(folder.open().path(&session("a"))).unwrap();
            for number in 4..7 {
                append(&folder.open(), "a", &exchange(number)).unwrap();
            }
        },
        &[4, 5, 6],
    ),
    (
        "all files of the folder removed",
        |folder, _| {
            for entry in fs::read_dir(folder.path()).unwrap() {
                fs::remove_file(entry.unwrap().path()).unwrap();
            }
        },
        &[],
    ),
];

#[test]
fn what_the_file_holds_now_is_what_is_loaded() {
    for (name, change, expected) in CHANGES {
        let folder = Folder::new();
        let history = folder.open();
        for number in 1..3 {
            append(&history, "a", &exchange(number)).unwrap();
        }
        let copy = folder.read("a");
        let seen = append(&history, "a", &exchange(3)).unwrap();
        assert_eq!(turns(&history).len(), 3);

        change(&folder, &copy);
        // Each operation alone, by a store that has read the file before.
        let after = block_on(history.load(&session("a"), Range::After(seen))).unwrap();
        assert_eq!(after.messages.len(), 2 * expected.len(), "{name}");
        let found: Vec<String> =
            turns(&history).iter().map(|turn| turn.messages().to_string()).collect();
        let wanted: Vec<String> =
            expected.iter().map(|number| exchange(*number).messages().to_string()).collect();
        assert_eq!(found, wanted, "{name}");
        for expect in [Expect::Exactly(seen), Expect::SameEpoch(seen)] {
            let late = block_on(history.append(&session("a"), &exchange(9), expect));
            assert!(matches!(late, Err(HistoryError::Stale { .. })), "{name}: {late:?}");
        }
        append(&history, "a", &exchange(10)).unwrap();
        assert_eq!(load(&folder.open(), "a").unwrap().messages.len(), 2 * expected.len() + 2);
    }
}

/// A lock file that is removed is created again.
#[test]
fn a_removed_lock_file_is_created_again() {
    let folder = Folder::new();
    let stores = [folder.open(), folder.open()];
    let lock = folder.open().path(&session("a")).with_extension("lock");
    for number in 0..20 {
        for store in &stores {
            let turn = exchange(number).with_id(TurnId::random());
            append(store, "a", &turn).unwrap();
        }
        fs::remove_file(&lock).unwrap();
    }
    assert_eq!(load(&folder.open(), "a").unwrap().version.messages, 80);
}

/// The lock file is removed while another process writes, as the file itself shows.
#[cfg(unix)]
#[test]
fn a_lock_file_that_is_removed_during_an_operation_lets_no_second_writer_in() {
    let folder = Folder::new();
    let hasty = folder.builder().lock_timeout(std::time::Duration::ZERO).open().unwrap();
    append(&hasty, "a", &exchange(0)).unwrap();
    let path = hasty.path(&session("a"));
    // Another process has both locks.
    let held = |path: &std::path::Path| {
        let file = OpenOptions::new().write(true).open(path).unwrap();
        file.lock().unwrap();
        file
    };
    let (lock, file) = (held(&path.with_extension("lock")), held(&path));
    fs::remove_file(path.with_extension("lock")).unwrap();
    for store in [&hasty, &folder.builder().lock_timeout(std::time::Duration::ZERO).open().unwrap()]
    {
        let refused = append(store, "a", &exchange(1));
        assert!(matches!(refused, Err(HistoryError::Busy)), "{refused:?}");
        let refused = block_on(store.clear(&session("a")));
        assert!(matches!(refused, Err(HistoryError::Busy)), "{refused:?}");
        // It can be read.
        assert_eq!(load(store, "a").unwrap().messages.len(), 2);
    }
    drop((lock, file));
    append(&hasty, "a", &exchange(1)).unwrap();
    assert_eq!(load(&folder.open(), "a").unwrap().messages.len(), 4);
    // The file of a new session is created by one process alone.
    let new = hasty.path(&session("b")).with_extension("new");
    fs::write(&new, "half a file").unwrap();
    let creating = held(&new);
    let refused = append(&hasty, "b", &exchange(1));
    assert!(matches!(refused, Err(HistoryError::Busy)), "{refused:?}");
    drop(creating);
    append(&hasty, "b", &exchange(1)).unwrap();
    assert_eq!(load(&folder.open(), "b").unwrap().messages.len(), 2);
}

/// Writers that run while the lock file is removed again and again.
#[test]
fn no_turn_is_lost_while_lock_files_are_removed() {
    let folder = Folder::new();
    let stores = [folder.open(), folder.open(), folder.open()];
    append(&stores[0], "a", &exchange(0)).unwrap();
    let lock = stores[0].path(&session("a")).with_extension("lock");
    std::thread::scope(|scope| {
        let writers: Vec<_> = stores
            .iter()
            .map(|store| {
                scope.spawn(move || {
                    for number in 0..40 {
                        append(store, "a", &exchange(number)).unwrap();
                    }
                })
            })
            .collect();
        while writers.iter().any(|writer| !writer.is_finished()) {
            let _ = fs::remove_file(&lock);
            std::thread::yield_now();
        }
    });
    assert_eq!(turns(&folder.open()).len(), 121);
}

/// Any number is a setting.
#[test]
fn any_setting_opens_a_store_or_is_refused() {
    for number in [0, 1, usize::MAX] {
        let folder = Folder::new();
        let time = std::time::Duration::from_secs(if number == 0 { 0 } else { u64::MAX });
        let builder = folder.builder().threads(number).lock_timeout(time).time_to_live(time);
        let history = builder.max_message_bytes(number as u64).open().unwrap();
        let _ = append(&history, "a", &exchange(1));
        let loaded = load(&history, "a").unwrap();
        assert!([0, 2].contains(&loaded.messages.len()));
        let lease = block_on(history.lease(&session("a"), time)).unwrap();
        assert!(lease.is_some());
        let far = Version::new(u64::MAX, u64::MAX).with_tip(u64::MAX);
        for range in [
            Range::LastTurns(number),
            Range::LastMessages(number),
            Range::LastBytes(number as u64),
            Range::After(far),
        ] {
            block_on(history.load(&session("a"), range)).unwrap();
        }
        assert!(block_on(history.sessions(None, number)).unwrap().len() <= 1);
    }
}

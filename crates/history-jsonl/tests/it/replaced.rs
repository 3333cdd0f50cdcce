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

/// A lock file that is removed between operations is created again. Removed during one, it no
/// longer excludes others, as with every lock file.
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

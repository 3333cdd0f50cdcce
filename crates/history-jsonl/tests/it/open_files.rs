//! Files that stay open between operations, and what others do with them meanwhile.

use std::{
    env,
    fs::{self, File, OpenOptions},
    path::Path,
    process::Command,
    thread,
    time::Duration,
};

use conversant_core::{ChatHistory, Expect, Point, Range, TurnId};
use conversant_testkit::block_on;

use crate::support::{Folder, append, exchange, load, session};

/// Returns the number of files of a folder that this process has open, or `None` if the system does
/// not say it.
fn open_files(folder: &Path) -> Option<usize> {
    let links =
        fs::read_dir("/proc/self/fd").ok()?.map(|entry| fs::read_link(entry.unwrap().path()));
    let folder = folder.canonicalize().unwrap();
    Some(links.filter(|link| link.as_ref().is_ok_and(|link| link.starts_with(&folder))).count())
}

#[test]
fn few_files_stay_open_and_none_of_a_store_that_rests_or_was_closed_or_dropped() {
    let folder = Folder::new();
    let Some(0) = open_files(folder.path()) else {
        return eprintln!("left out: the system does not say which files are open");
    };
    let wait_for_none = || {
        while open_files(folder.path()) != Some(0) {
            thread::yield_now();
        }
    };
    let history = folder.open();
    let append_to_each = || {
        for number in 0..40 {
            append(&history, &format!("session {number}"), &exchange(number)).unwrap();
            assert!(open_files(folder.path()) <= Some(32));
        }
    };
    append_to_each();
    // A store that rests.
    wait_for_none();
    append_to_each();
    block_on(history.close());
    assert_eq!(open_files(folder.path()), Some(0));
    let dropped = folder.open();
    append(&dropped, "a", &exchange(1)).unwrap();
    drop(dropped);
    wait_for_none();
    assert_eq!(load(&folder.open(), "session 0").unwrap().messages.len(), 4);
}

/// A change by others while a store has the files of a session of two turns open.
type Change = fn(&Folder);

fn path(folder: &Folder) -> std::path::PathBuf {
    folder.open().path(&session("a"))
}

fn replace_by_copy(path: &Path) {
    let copy = path.with_extension("copy");
    fs::copy(path, &copy).unwrap();
    fs::rename(copy, path).unwrap();
}

/// Each change, and the turns that are there afterwards.
const CHANGES: &[(&str, Change, &[usize])] = &[
    ("nothing", |_| {}, &[0, 1]),
    ("an append", |folder| drop(append(&folder.open(), "a", &exchange(2))), &[0, 1, 2]),
    ("a clear", |folder| block_on(folder.open().clear(&session("a"))).unwrap(), &[]),
    ("a deletion", |folder| block_on(folder.open().delete(&session("a"))).unwrap(), &[]),
    ("a repair", |folder| drop(block_on(folder.open().repair(&session("a"))).unwrap()), &[0, 1]),
    ("the file under its name, by a rename", |folder| replace_by_copy(&path(folder)), &[0, 1]),
    (
        "the lock file under its name, by a rename",
        |folder| replace_by_copy(&path(folder).with_extension("lock")),
        &[0, 1],
    ),
    (
        "the lock file removed and made anew, by an append",
        |folder| {
            fs::remove_file(path(folder).with_extension("lock")).unwrap();
            append(&folder.open(), "a", &exchange(2)).unwrap();
        },
        &[0, 1, 2],
    ),
    ("the file removed", |folder| fs::remove_file(path(folder)).unwrap(), &[]),
    (
        "the folder moved away, and another one made",
        |folder| {
            let away = folder.path().with_extension("away");
            fs::rename(folder.path(), &away).unwrap();
            fs::create_dir(folder.path()).unwrap();
            fs::remove_dir_all(away).unwrap();
        },
        &[],
    ),
];

#[test]
fn what_others_do_to_open_files_is_noticed_by_the_next_append() {
    for (name, change, expected) in CHANGES {
        let folder = Folder::new();
        let history = folder.open();
        for number in 0..2 {
            append(&history, "a", &exchange(number)).unwrap();
        }
        change(&folder);
        append(&history, "a", &exchange(3)).unwrap();
        append(&folder.open(), "a", &exchange(4)).unwrap();
        append(&history, "a", &exchange(5)).unwrap();
        let texts = |turns: &mut dyn Iterator<Item = usize>| -> Vec<String> {
            turns.map(|number| exchange(number).messages().to_string()).collect()
        };
        let wanted = texts(&mut expected.iter().copied().chain(3..6));
        for store in [&history, &folder.open()] {
            let turns = block_on(store.turns(&session("a"), Range::All)).unwrap();
            let found: Vec<_> = turns.iter().map(|turn| turn.messages().to_string()).collect();
            assert_eq!(found, wanted, "{name}");
        }
    }
}

/// Another process that holds a lock file which has lost its name keeps no writer waiting.
#[test]
fn an_open_lock_file_that_lost_its_name_is_not_waited_for() {
    let folder = Folder::new();
    let history = folder.builder().lock_timeout(Duration::ZERO).open().unwrap();
    append(&history, "a", &exchange(0)).unwrap();
    append(&history, "a", &exchange(1)).unwrap();
    let lock = path(&folder).with_extension("lock");
    let held = OpenOptions::new().write(true).open(&lock).unwrap();
    held.lock().unwrap();
    fs::remove_file(&lock).unwrap();
    append(&history, "a", &exchange(2)).unwrap();
    assert_eq!(load(&folder.open(), "a").unwrap().messages.len(), 6);
}

/// Between operations another process gets the locks, though the files are open.
#[test]
fn open_files_are_not_locked() {
    let folder = Folder::new();
    let history = folder.open();
    for number in 0..3 {
        append(&history, "a", &exchange(number)).unwrap();
        for extension in ["lock", "jsonl"] {
            let path = path(&folder).with_extension(extension);
            File::open(path).unwrap().try_lock().unwrap();
        }
        // An operation that fails leaves no lock either.
        let unknown = Point::After(TurnId::random());
        block_on(history.set_tip(&session("a"), unknown, Expect::Any)).unwrap_err();
    }
}

/// The name of the test that runs once more, in a process that may have few files open.
const WITH_FEW: &str = "open_files::a_process_with_few_descriptors_uses_any_number_of_sessions";

#[test]
fn a_process_with_few_descriptors_uses_any_number_of_sessions() {
    const INSIDE: &str = "CONVERSANT_TEST_FEW_DESCRIPTORS";
    if env::var_os(INSIDE).is_some() {
        let folder = Folder::new();
        let history = folder.builder().threads(2).open().unwrap();
        for round in 0..3 {
            for number in 0..30 {
                let name = format!("session {number}");
                append(&history, &name, &exchange(round)).unwrap();
                assert_eq!(load(&history, &name).unwrap().messages.len(), 2 * (round + 1));
            }
            assert_eq!(block_on(history.sessions(None, 99)).unwrap().len(), 30);
        }
        // A fork of a fork, and so on.
        for number in 0..30 {
            let (turn, into) = (exchange(number), session(&format!("fork {}", number + 1)));
            let from = format!("fork {number}");
            append(&history, &from, &turn).unwrap();
            block_on(history.fork(&session(&from), turn.id().into(), &into)).unwrap();
        }
        let history = folder.builder().threads(2).open().unwrap();
        append(&history, "fork 30", &exchange(30)).unwrap();
        assert_eq!(load(&history, "fork 30").unwrap().messages.len(), 62);
        for number in 0..=30 {
            block_on(history.delete(&session(&format!("fork {number}")))).unwrap();
        }
        assert!(!folder.endings().contains(&"shared".to_owned()));
        return;
    }
    // Three streams, what the test program has open, and a few more.
    let script = "ulimit -n 20 && exec \"$0\" --exact \"$1\" --test-threads 1";
    let output = Command::new("sh")
        .args(["-c", script])
        .arg(env::current_exe().unwrap())
        .arg(WITH_FEW)
        .env(INSIDE, "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

/// A process that starts another one does not hand over its open files.
#[test]
fn a_child_process_has_no_open_files() {
    let folder = Folder::new();
    let history = folder.open();
    append(&history, "a", &exchange(0)).unwrap();
    append(&history, "a", &exchange(1)).unwrap();
    let listed = Command::new("sh").args(["-c", "ls -l /proc/$$/fd || true"]).output().unwrap();
    let folder = folder.path().to_string_lossy().into_owned();
    assert!(!String::from_utf8_lossy(&listed.stdout).contains(&folder));
}

/// A process is killed after it gave a new file its name, and before it removed the other one.
#[test]
fn a_file_that_has_two_names_is_replaced() {
    let folder = Folder::new();
    for open_anew in [true, false] {
        let history = folder.open();
        append(&history, "a", &exchange(0)).unwrap();
        fs::hard_link(path(&folder), path(&folder).with_extension("new")).unwrap();
        append(&history, "a", &exchange(1)).unwrap();
        let store = if open_anew { folder.open() } else { history };
        block_on(store.clear(&session("a"))).unwrap();
        append(&store, "a", &exchange(2)).unwrap();
        assert_eq!(load(&folder.open(), "a").unwrap().messages.len(), 2);
        block_on(store.delete(&session("a"))).unwrap();
    }
    assert_eq!(folder.endings(), ["jsonl", "lock"]);
}

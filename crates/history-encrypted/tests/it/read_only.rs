//! Encrypted files that this process may not write.
//!
//! Permissions do not bind root: the operations run in a process of a user without rights.

use std::{
    collections::BTreeMap,
    env,
    error::Error,
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use conversant_core::{ChatHistory, Expect, HistoryError, Note, Range};
use conversant_harness::{Need, Tested};
use conversant_history_encrypted::Encrypted;
use conversant_history_jsonl::JsonlHistory;
use conversant_testkit::block_on;

use crate::support::{append, exchange, keys, load, session, turns};

type Operation = fn(&dyn ChatHistory) -> Result<String, HistoryError>;

const OPERATIONS: &[(&str, Operation)] = &[
    ("load", |history| Ok(format!("{} messages", load(history, "a")?.messages.len()))),
    ("load the end", |history| {
        let slice = block_on(history.load(&session("a"), Range::LastTurns(1)))?;
        Ok(format!("{} messages", slice.messages.len()))
    }),
    ("turns", |history| Ok(format!("{} turns", turns(history, "a")?.len()))),
    ("note", |history| {
        Ok(format!("{} notes", block_on(history.note(&session("a"), "n"))?.iter().count()))
    }),
    ("sessions", |history| Ok(format!("{} sessions", block_on(history.sessions(None, 9))?.len()))),
    ("append", |history| {
        block_on(history.append(&session("a"), &exchange(9), Expect::Any)).map(done)
    }),
    ("append to a new session", |history| {
        block_on(history.append(&session("new"), &exchange(9), Expect::Any)).map(done)
    }),
    ("put_note", |history| {
        let note = Note::new("met", load(history, "a")?.version);
        block_on(history.put_note(&session("a"), "n", &note)).map(done)
    }),
    ("set_title", |history| block_on(history.set_title(&session("a"), Some("A title"))).map(done)),
    ("lease", |history| block_on(history.lease(&session("a"), Duration::from_secs(60))).map(done)),
    ("clear", |history| block_on(history.clear(&session("a"))).map(done)),
    ("delete", |history| block_on(history.delete(&session("a"))).map(done)),
];

fn done<T>(_: T) -> String {
    "done".to_owned()
}

fn described(error: &HistoryError) -> String {
    let causes = std::iter::successors(error.source(), |cause| (*cause).source());
    let texts = std::iter::once(error.to_string()).chain(causes.map(ToString::to_string));
    texts.collect::<Vec<_>>().join(": ")
}

fn open(folder: &Path) -> Encrypted<JsonlHistory> {
    Encrypted::new(JsonlHistory::open(folder).unwrap(), keys())
}

/// The variable with the folder of the other process, and of its report.
const INSIDE: &str = "CONVERSANT_TEST_READ_ONLY";

/// Runs the operations, in the other process.
pub(crate) fn operations() {
    let Some(folder) = env::var_os(INSIDE).map(PathBuf::from) else { return };
    let history = open(&folder.join("chats"));
    let outcome =
        |operation: &Operation| operation(&history).unwrap_or_else(|error| described(&error));
    let lines = OPERATIONS.iter().map(|(name, run)| format!("{name}: {}\n", outcome(run)));
    fs::write(folder.join("report"), lines.collect::<String>()).unwrap();
}

fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths.map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

pub(crate) fn files_that_cannot_be_written_are_read_and_left_alone() -> Tested {
    let folder = tempfile::tempdir().unwrap();
    let chats = folder.path().join("chats");
    let is_root = fs::metadata(folder.path()).unwrap().uid() == 0;
    let program = env::current_exe().unwrap();
    let without_rights = || {
        if !is_root {
            return Command::new(&program);
        }
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(&program);
        command
    };
    let probe = without_rights().arg("--list").output();
    if !probe.is_ok_and(|output| output.status.success()) {
        return Err(Need::Optional.missing("`setpriv`, which runs a program without rights"));
    }
    let history = open(&chats);
    for number in 0..2 {
        append(&history, "a", &exchange(number));
    }
    let before = files(&chats);
    before.keys().for_each(|path| set_mode(path, 0o444));
    set_mode(&chats, 0o555);
    set_mode(folder.path(), 0o777);
    let test = ["--exact", "read_only::operations"];
    let output = without_rights().args(test).env(INSIDE, folder.path()).output().unwrap();
    set_mode(&chats, 0o755);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert_eq!(files(&chats), before);
    insta::assert_snapshot!(fs::read_to_string(folder.path().join("report")).unwrap());
    Ok(())
}

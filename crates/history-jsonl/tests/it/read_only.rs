//! Folders and files that this process may not write, or not read.
//!
//! Permissions do not bind root. Each case is therefore a process of its own, of a user without
//! rights, that runs the operations and prints what became of them.

use std::{
    collections::BTreeMap,
    env,
    error::Error,
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
    process::Command,
    time::Duration,
};

use conversant_core::{ChatHistory, Expect, HistoryError, Note, Point, Range, SessionFilter};
use conversant_history_jsonl::JsonlHistory;
use conversant_testkit::block_on;

use crate::support::{Folder, append, exchange, load, session};

const SESSIONS: [&str; 4] = ["a", "a fork", "user-7", "new"];

type Operation = fn(&JsonlHistory) -> Result<String, HistoryError>;

fn first_turn(history: &JsonlHistory) -> Result<Point, HistoryError> {
    let turns = block_on(history.turns(&session("a"), Range::All))?;
    Ok(Point::After(turns[0].id()))
}

/// Operations that read, then those that write; the last ones remove what there is.
const OPERATIONS: &[(&str, Operation)] = &[
    ("load", |history| {
        let slice = block_on(history.load(&session("a"), Range::LastTurns(1)))?;
        Ok(format!("{} messages", slice.messages.len()))
    }),
    ("load all", |history| Ok(format!("{} messages", load(history, "a")?.messages.len()))),
    ("load a fork", |history| Ok(format!("{} messages", load(history, "a fork")?.messages.len()))),
    ("load a file of the first format", |history| {
        Ok(format!("{} messages", load(history, "user-7")?.messages.len()))
    }),
    ("load nothing", |history| Ok(format!("{} messages", load(history, "new")?.messages.len()))),
    ("first", |history| {
        let first = block_on(history.first(&session("a"), 1))?.unwrap();
        Ok(format!("{} messages", first.len()))
    }),
    ("note", |history| {
        Ok(format!("{} notes", block_on(history.note(&session("a"), "n"))?.iter().count()))
    }),
    ("alternatives", |history| {
        let found = block_on(history.alternatives(&session("a"), Point::Start))?;
        Ok(format!("{} alternatives", found.len()))
    }),
    ("session_info", |history| {
        let info = block_on(history.session_info(&session("a")))?;
        Ok(format!("{} turns", info.map_or(0, |info| info.turns)))
    }),
    ("sessions", |history| Ok(format!("{} sessions", block_on(history.sessions(None, 9))?.len()))),
    ("search", |history| {
        let filter = SessionFilter::new().with_text("question");
        let page = block_on(history.list_sessions(&filter, None, 9))?;
        Ok(format!("{} sessions found", page.sessions.len()))
    }),
    ("append", |history| append(history, "a", &exchange(9)).map(done)),
    ("append to the first format", |history| append(history, "user-7", &exchange(9)).map(done)),
    ("append to a new session", |history| append(history, "new", &exchange(9)).map(done)),
    ("put_note", |history| {
        let note = Note::new("met", load(history, "a")?.version);
        block_on(history.put_note(&session("a"), "n", &note)).map(done)
    }),
    ("set_tip", |history| {
        let point = first_turn(history)?;
        block_on(history.set_tip(&session("a"), point, Expect::Any)).map(done)
    }),
    ("set_title", |history| block_on(history.set_title(&session("a"), Some("A title"))).map(done)),
    ("set_label", |history| {
        block_on(history.set_label(&session("a"), "user", Some("ada"))).map(done)
    }),
    ("lease", |history| {
        block_on(history.lease(&session("a fork"), Duration::from_secs(60))).map(done)
    }),
    ("fork", |history| {
        let point = first_turn(history)?;
        block_on(history.fork(&session("a"), point, &session("another fork"))).map(done)
    }),
    ("sweep", |history| block_on(history.sweep(9)).map(done)),
    ("repair", |history| block_on(history.repair(&session("user-7"))).map(done)),
    ("clear", |history| block_on(history.clear(&session("user-7"))).map(done)),
    ("delete_sessions", |history| {
        let filter = SessionFilter::new().with_text("question");
        block_on(history.delete_sessions(&filter, 9)).map(done)
    }),
    ("delete", |history| block_on(history.delete(&session("a"))).map(done)),
];

fn done<T>(_: T) -> String {
    "done".to_owned()
}

/// Returns an error with its causes. Files have no names: the system decides which is read first.
fn described(error: &HistoryError, history: &JsonlHistory) -> String {
    let causes = std::iter::successors(error.source(), |cause| (*cause).source());
    let texts = std::iter::once(error.to_string()).chain(causes.map(ToString::to_string));
    let mut text = texts.collect::<Vec<_>>().join(": ");
    for name in SESSIONS {
        let path = history.path(&session(name));
        text = text.replace(path.file_stem().unwrap().to_str().unwrap(), "FILE");
    }
    text.replace(history.path(&session("a")).parent().unwrap().to_str().unwrap(), "FOLDER")
}

/// The variable with the folder of a case, in its process.
const INSIDE: &str = "CONVERSANT_TEST_READ_ONLY";

/// Runs the operations, in the process of a case.
#[test]
fn operations() {
    let Some(folder) = env::var_os(INSIDE) else { return };
    let history = match JsonlHistory::builder(&folder).lock_timeout(Duration::ZERO).open() {
        Ok(history) => history,
        Err(error) => return println!("\n| open: {error}"),
    };
    let mut outcomes: Vec<(String, Vec<&str>)> = Vec::new();
    for (name, operation) in OPERATIONS {
        let outcome = operation(&history).unwrap_or_else(|error| described(&error, &history));
        match outcomes.iter_mut().find(|(found, _)| *found == outcome) {
            Some((_, names)) => names.push(name),
            None => outcomes.push((outcome, vec![name])),
        }
    }
    // The harness has begun a line.
    println!();
    for (outcome, names) in outcomes {
        println!("| {}: {outcome}", names.join(", "));
    }
}

/// Returns the files with their contents. Files with random names have their extension alone.
fn files(folder: &Path, history: &JsonlHistory) -> BTreeMap<String, Vec<u8>> {
    let named = |path: &Path| {
        let is_of = |name: &&str| history.path(&session(name)).file_stem() == path.file_stem();
        let name = SESSIONS.into_iter().find(is_of).unwrap_or("…");
        format!("{name}.{}", path.extension().unwrap().to_str().unwrap())
    };
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths.map(|path| (named(&path), fs::read(&path).unwrap())).collect()
}

/// The modes of a folder, of its files of lines, and of its lock files, which are removed if they
/// have none.
struct Modes(u32, u32, Option<u32>);

const CASES: &[(&str, Modes)] = &[
    ("everything can be written", Modes(0o777, 0o666, Some(0o666))),
    ("a folder that cannot be written", Modes(0o555, 0o666, Some(0o666))),
    ("files that cannot be written", Modes(0o777, 0o444, Some(0o444))),
    ("a folder and files that cannot be written", Modes(0o555, 0o444, Some(0o444))),
    ("only lock files that can be written", Modes(0o555, 0o444, Some(0o666))),
    ("the same without lock files", Modes(0o555, 0o444, None)),
    ("files of lines that cannot be read", Modes(0o777, 0o000, Some(0o666))),
    ("a folder that cannot be searched", Modes(0o666, 0o666, Some(0o666))),
    ("a folder that cannot be listed", Modes(0o111, 0o444, Some(0o444))),
];

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Runs a case in a process that `command` starts. Returns what became of the operations, and of
/// the files.
fn run(modes: &Modes, command: impl FnOnce(&Path) -> Command) -> String {
    let outer = tempfile::tempdir().unwrap();
    set_mode(outer.path(), 0o755);
    let path = outer.path().join("chats");
    let history = JsonlHistory::open(&path).unwrap();
    for number in 0..2 {
        append(&history, "a", &exchange(number)).unwrap();
    }
    let point = first_turn(&history).unwrap();
    block_on(history.fork(&session("a"), point, &session("a fork"))).unwrap();
    block_on(history.lease(&session("a"), Duration::from_secs(3600))).unwrap();
    fs::write(history.path(&session("user-7")), include_bytes!("format_1.jsonl")).unwrap();
    load(&history, "user-7").unwrap();
    let Modes(of_folder, of_lines, of_locks) = *modes;
    for entry in fs::read_dir(&path).unwrap() {
        let path = entry.unwrap().path();
        match (path.extension().unwrap() == "lock", of_locks) {
            (false, _) => set_mode(&path, of_lines),
            (true, Some(mode)) => set_mode(&path, mode),
            (true, None) => fs::remove_file(path).unwrap(),
        }
    }
    let before = files(&path, &history);
    set_mode(&path, of_folder);
    let mut command = command(&path);
    let test = ["--exact", "read_only::operations", "--nocapture", "--test-threads=1"];
    let output = command.args(test).env(INSIDE, &path).output().unwrap();
    set_mode(&path, 0o777);
    for entry in fs::read_dir(&path).unwrap() {
        set_mode(&entry.unwrap().path(), 0o666);
    }
    let (text, errors) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{text}{errors}");
    let mut report: String = text
        .lines()
        .filter_map(|line| line.strip_prefix("| "))
        .map(|line| format!("  {line}\n"))
        .collect();
    let after = files(&path, &history);
    let names = before.keys().chain(after.keys().filter(|name| !before.contains_key(*name)));
    let changed: Vec<_> =
        names.filter(|name| before.get(*name) != after.get(*name)).cloned().collect();
    report.push_str(&format!(
        "  changed: {}\n",
        if changed.is_empty() { "nothing".to_owned() } else { changed.join(", ") }
    ));
    report
}

fn is_root() -> bool {
    let folder = Folder::new();
    fs::metadata(folder.path()).unwrap().uid() == 0
}

const WITHOUT_RIGHTS: [&str; 4] = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];

/// Returns the command line that runs this program without the rights of root.
fn without_rights() -> Vec<std::ffi::OsString> {
    let rights = if is_root() { &WITHOUT_RIGHTS[..] } else { &[] };
    let mut line: Vec<_> = rights.iter().map(Into::into).collect();
    line.push(env::current_exe().unwrap().into());
    line
}

fn command(line: &[std::ffi::OsString]) -> Command {
    let mut command = Command::new(&line[0]);
    command.args(&line[1..]);
    command
}

#[test]
fn places_that_cannot_be_written_are_read_and_left_alone() {
    let line = without_rights();
    let probe = command(&line).arg("--list").output();
    if !probe.is_ok_and(|output| output.status.success()) {
        return eprintln!("left out: this program cannot be run without the rights of root");
    }
    let reports =
        CASES.iter().map(|(name, modes)| format!("{name}:\n{}", run(modes, |_| command(&line))));
    insta::assert_snapshot!(reports.collect::<Vec<_>>().join("\n"));
}

#[test]
fn a_read_only_file_system_is_read_and_left_alone() {
    const MOUNT: &str = r#"mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@""#;
    let mounted = |folder: &Path| {
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", MOUNT]).arg(folder);
        command
    };
    let folder = Folder::new();
    let probe = mounted(folder.path()).arg("true").output();
    if !is_root() || !probe.is_ok_and(|output| output.status.success()) {
        return eprintln!("left out: this process cannot mount a file system");
    }
    let report = run(&Modes(0o777, 0o666, Some(0o666)), |folder| {
        let mut command = mounted(folder);
        command.args(without_rights());
        command
    });
    insta::assert_snapshot!(report);
}

/// A path that is not a folder, or cannot be one.
#[test]
fn a_path_that_cannot_be_a_folder_is_refused_when_it_is_opened() {
    for (path, expected) in [
        (
            "/proc/version",
            "cannot use the history: the path is not a folder; use the path of a folder",
        ),
        ("/proc/version/chats", "cannot reach the history"),
        ("/proc/chats", "cannot reach the history"),
    ] {
        let error = JsonlHistory::open(path).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{path}: {error}");
    }
    let history = JsonlHistory::open("/proc").unwrap();
    assert!(load(&history, "a").unwrap().messages.is_empty());
    append(&history, "a", &exchange(1)).unwrap_err();
}

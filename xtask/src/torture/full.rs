//! Full disks: a typed error, and every acknowledged turn is stored.

use std::{
    error::Error,
    path::Path,
    process::{Command, Stdio},
};

use conversant_core::{ChatHistory, Expect, HistoryError, Range};
use conversant_history_sqlite::SqliteHistory;
use conversant_testkit::block_on;

use super::{
    child::{Mode, Task, said},
    findings::Findings,
    store::{Folder, Store, kind, session, shown},
    turns,
};

pub(super) fn run(findings: &mut Findings) -> Result<(), Box<dyn Error>> {
    quota(findings)?;
    for store in Store::ALL {
        // The limit of a file, in blocks of 512 bytes. Without the trap, a signal would kill the
        // process.
        limited(store, "trap '' XFSZ; ulimit -f 2000; exec \"$@\"", "limited files", findings)?;
        small_disk(store, findings)?;
    }
    Ok(())
}

/// Fills the store's own quota.
fn quota(findings: &mut Findings) -> Result<(), Box<dyn Error>> {
    let folder = Folder::new()?;
    let path = folder.path().join("chat.db");
    let history = SqliteHistory::builder(&path).max_bytes(300_000).open()?;
    let session = session("full")?;
    let mut done = 0;
    let error = loop {
        match block_on(history.append(&session, &turns::turn(1, done), Expect::Any)) {
            Ok(_) => done += 1,
            Err(error) => break error,
        }
    };
    println!("full: sqlite, quota: {done} turns, then `{}`", kind(&error));
    findings.expect(matches!(error, HistoryError::Full { .. }), || shown(&error));
    let stored = block_on(history.turns(&session, Range::All))?;
    findings.expect(stored.len() as u64 == done, || format!("{} turns of {done}", stored.len()));
    turns::check(&stored, "sqlite, quota", findings);
    block_on(history.check_integrity())?;
    block_on(history.clear(&session))?;
    block_on(history.append(&session, &turns::turn(1, 0), Expect::Any))?;
    Ok(())
}

/// Fills a disk of one megabyte, where one can be mounted.
fn small_disk(store: Store, findings: &mut Findings) -> Result<(), Box<dyn Error>> {
    let mut probe = Command::new("unshare");
    probe.args(["-rm", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]).stderr(Stdio::null());
    if !probe.status().is_ok_and(|status| status.success()) {
        println!("full: {store}, small disk: skipped, no file system can be mounted here");
        return Ok(());
    }
    // The mount ends with the process, so the process copies the files.
    let script = "mount -t tmpfs -o size=1m tmpfs \"$FOLDER/disk\" && \"$@\" && cp -r \"$FOLDER\"/disk/. \"$FOLDER\"/copy";
    let folder = Folder::new()?;
    for name in ["disk", "copy"] {
        std::fs::create_dir(folder.path().join(name))?;
    }
    let mut shell = Command::new("unshare");
    shell.args(["-rm", "sh", "-c", script, "sh"]).env("FOLDER", folder.path());
    let disk = folder.path().join("disk");
    check(store, shell, &disk, &folder.path().join("copy"), "small disk", findings)
}

fn limited(
    store: Store,
    script: &str,
    name: &str,
    findings: &mut Findings,
) -> Result<(), Box<dyn Error>> {
    let folder = Folder::new()?;
    let mut shell = Command::new("sh");
    shell.args(["-c", script, "sh"]);
    check(store, shell, folder.path(), folder.path(), name, findings)
}

/// Runs a process that appends until an error, and reads what it has stored.
fn check(
    store: Store,
    mut shell: Command,
    folder: &Path,
    copy: &Path,
    name: &str,
    findings: &mut Findings,
) -> Result<(), Box<dyn Error>> {
    let task =
        Task { mode: Mode::UntilError, store, folder, session: "full", writer: 1, turns: 100_000 };
    let told = task.command()?;
    shell.arg(told.get_program()).args(told.get_args()).stdout(Stdio::piped());
    let mut child = shell.spawn()?;
    let said = said(&mut child)?;
    let status = child.wait()?;
    findings
        .expect(status.success(), || format!("{store}, {name}: the process ended with {status}"));
    let done = said.iter().filter(|(word, _)| word == "done").count();
    let error = said.iter().find(|(word, _)| word == "error").map_or("none", |(_, what)| what);
    println!("full: {store}, {name}: {done} turns, then `{error}`");
    // SQLite reports a limit on files as an I/O error, not as a full disk.
    let is_typed =
        error.starts_with("full ") || (store == Store::Sqlite && error.starts_with("backend "));
    findings.expect(is_typed && (name != "small disk" || error.starts_with("full ")), || {
        format!("the error was {error}")
    });
    let history = store.open(copy)?;
    let stored = block_on(history.turns(&session("full")?, Range::All))?;
    findings.expect(stored.len() == done, || format!("{} turns of {done}", stored.len()));
    turns::check(&stored, &format!("{store}, {name}"), findings);
    // Now there is space.
    block_on(history.append(&session("full")?, &turns::turn(2, 0), Expect::Any))?;
    Ok(())
}

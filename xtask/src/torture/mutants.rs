//! Damaged files: a load returns what was stored, or a typed error, and does not panic.

use std::{collections::BTreeMap, error::Error, fs};

use conversant_core::{ChatHistory, Expect, HistoryError, Messages, Range, Turn};
use conversant_history_jsonl::JsonlHistory;
use conversant_history_sqlite::SqliteHistory;
use conversant_testkit::block_on;
use fastrand::Rng;

use super::{
    findings::Findings,
    store::{Folder, kind, session, shown},
    turns,
};

const SESSIONS: [&str; 4] = ["a", "b", "a longer name", "caf\u{e9}"];

pub(super) fn run(mutants: u64, seed: u64, findings: &mut Findings) -> Result<(), Box<dyn Error>> {
    let mut rng = Rng::with_seed(seed);
    // Most of them damage the database, the others the log and JSON lines.
    sqlite(mutants - mutants / 5 - mutants / 10, &mut rng, findings)?;
    log(mutants / 10, &mut rng, findings)?;
    jsonl(mutants / 5, &mut rng, findings)
}

/// Counts the outcomes.
#[derive(Default)]
struct Outcomes(BTreeMap<&'static str, u64>);

impl Outcomes {
    fn add<T>(&mut self, outcome: Result<T, HistoryError>, findings: &mut Findings) -> Option<T> {
        match outcome {
            Ok(value) => Some(value),
            Err(error) => {
                let kind = kind(&error);
                *self.0.entry(kind).or_default() += 1;
                findings.expect(matches!(kind, "corrupt" | "schema too new" | "read-only"), || {
                    format!("an unexpected error: {}", shown(&error))
                });
                None
            }
        }
    }

    fn equal(&mut self) {
        *self.0.entry("equal").or_default() += 1;
    }
}

fn fill(history: &dyn ChatHistory) -> Result<(), Box<dyn Error>> {
    for number in 0..12 {
        for (name, writer) in SESSIONS.iter().zip(1..) {
            block_on(history.append(&session(name)?, &turns::turn(writer, number), Expect::Any))?;
        }
    }
    Ok(())
}

fn load(history: &dyn ChatHistory, name: &str) -> Result<Messages, HistoryError> {
    let Ok(session) = conversant_core::SessionId::new(name) else { return Ok(Messages::new()) };
    block_on(history.load(&session, Range::All)).map(|slice| slice.messages)
}

/// Changes bytes, runs of bytes or the length.
fn mutate(bytes: &mut Vec<u8>, rng: &mut Rng, may_cut: bool) {
    for _ in 0..rng.usize(1..=8) {
        let at = rng.usize(..bytes.len());
        let bits = 1 << rng.u8(..8);
        let (value, run) = (rng.u8(..), rng.usize(1..600));
        let from_there = bytes.iter_mut().skip(at);
        match rng.u8(..if may_cut { 10 } else { 9 }) {
            0..=5 => from_there.take(1).for_each(|byte| *byte ^= bits),
            6 | 7 => from_there.take(1).for_each(|byte| *byte = value),
            8 => from_there.take(run).for_each(|byte| *byte = value),
            _ => bytes.truncate(at.max(1)),
        }
    }
}

fn sqlite(count: u64, rng: &mut Rng, findings: &mut Findings) -> Result<(), Box<dyn Error>> {
    let folder = Folder::off_disk()?;
    let history = SqliteHistory::open(folder.path().join("chat.db"))?;
    fill(&history)?;
    let copy = folder.path().join("copy.db");
    block_on(history.backup(&copy))?;
    let (whole, held) = (fs::read(copy)?, SESSIONS.map(|name| load(&history, name)));
    let mut outcomes = Outcomes::default();
    for number in 0..count {
        let mut bytes = whole.clone();
        mutate(&mut bytes, rng, true);
        let mutant = Folder::off_disk()?;
        let file = mutant.path().join("chat.db");
        fs::write(&file, &bytes)?;
        let opened = SqliteHistory::builder(&file).readers(1).open();
        let Some(history) = outcomes.add(opened, findings) else { continue };
        for (name, held) in SESSIONS.iter().zip(&held) {
            if let Some(found) = outcomes.add(load(&history, name), findings) {
                outcomes.equal();
                findings.expect(held.as_ref().is_ok_and(|held| *held == found), || {
                    format!(
                        "sqlite, mutant {number}: {name} has {} messages, or others",
                        found.len()
                    )
                });
            }
        }
    }
    println!("mutants: sqlite: {count} files of {} bytes: {:?}", whole.len(), outcomes.0);
    Ok(())
}

/// Damages the write-ahead log. SQLite's checksums end it before the damage, after a whole turn.
fn log(count: u64, rng: &mut Rng, findings: &mut Findings) -> Result<(), Box<dyn Error>> {
    let folder = Folder::off_disk()?;
    let path = folder.path().join("chat.db");
    let history = SqliteHistory::open(&path)?;
    fill(&history)?;
    let (main, whole) = (fs::read(&path)?, fs::read(folder.path().join("chat.db-wal"))?);
    let held: Vec<Vec<Turn>> = SESSIONS
        .iter()
        .map(|name| Ok(block_on(history.turns(&session(name)?, Range::All))?))
        .collect::<Result<_, Box<dyn Error>>>()?;
    let mut outcomes = Outcomes::default();
    for number in 0..count {
        let mut bytes = whole.clone();
        mutate(&mut bytes, rng, true);
        let mutant = Folder::off_disk()?;
        let file = mutant.path().join("chat.db");
        fs::write(&file, &main)?;
        fs::write(mutant.path().join("chat.db-wal"), &bytes)?;
        let opened = SqliteHistory::builder(&file).readers(1).open();
        let Some(history) = outcomes.add(opened, findings) else { continue };
        for (name, held) in SESSIONS.iter().zip(&held) {
            let turns = block_on(history.turns(&session(name)?, Range::All));
            if let Some(found) = outcomes.add(turns, findings) {
                outcomes.equal();
                findings.expect(held.starts_with(&found), || {
                    format!("log, mutant {number}: {name} has turns that are not its first ones")
                });
            }
        }
    }
    println!(
        "mutants: write-ahead log: {count} files of {} bytes (equal: the first turns, whole): {:?}",
        whole.len(),
        outcomes.0
    );
    Ok(())
}

/// Damages JSON lines. A file that is cut is a shorter conversation, so none is cut.
fn jsonl(count: u64, rng: &mut Rng, findings: &mut Findings) -> Result<(), Box<dyn Error>> {
    let folder = Folder::off_disk()?;
    let history = JsonlHistory::open(folder.path())?;
    fill(&history)?;
    let session = session("a")?;
    let (path, held) = (history.path(&session), load(&history, "a")?);
    let whole = fs::read(&path)?;
    let mut outcomes = Outcomes::default();
    for number in 0..count {
        let mut bytes = whole.clone();
        mutate(&mut bytes, rng, false);
        fs::write(&path, &bytes)?;
        let opened = JsonlHistory::open(folder.path());
        let Some(history) = outcomes.add(opened, findings) else { continue };
        if let Some(found) = outcomes.add(load(&history, "a"), findings) {
            outcomes.equal();
            findings.expect(found == held, || {
                format!("jsonl, mutant {number}: {} messages, or others", found.len())
            });
        }
    }
    println!("mutants: jsonl: {count} files of {} bytes: {:?}", whole.len(), outcomes.0);
    Ok(())
}

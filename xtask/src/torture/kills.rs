//! Processes that are killed while they append: no acknowledged turn is lost, and every stored turn
//! is whole.

use std::{collections::HashSet, error::Error, thread, time::Duration};

use conversant_core::Range;
use conversant_testkit::block_on;
use fastrand::Rng;

use super::{
    child::{Mode, Task, said},
    findings::Findings,
    store::{Folder, Store, session, shown},
    turns,
};

/// The number of processes that are killed over one store. Each starts a session; the first creates
/// the store.
const PER_STORE: u64 = 20;

/// The longest life of a process.
const LONGEST: Duration = Duration::from_millis(60);

pub(super) fn run(kills: u64, seed: u64, findings: &mut Findings) -> Result<(), Box<dyn Error>> {
    println!("kills: {kills} processes, seed {seed}");
    let mut rng = Rng::with_seed(seed);
    let (mut acknowledged, mut stored, mut before_any) = (0, 0, 0);
    let mut left = kills;
    let mut stores = Store::ALL.into_iter().cycle();
    while left > 0 {
        let Some(store) = stores.next() else { break };
        let folder = Folder::new()?;
        let mut held: Vec<(String, HashSet<String>)> = Vec::new();
        for round in 0..PER_STORE.min(left) {
            let name = format!("session {round}");
            let done = killed(store, &folder, &name, kills - left + round, &mut rng)?;
            before_any += u64::from(done.is_empty());
            acknowledged += done.len() as u64;
            held.push((name, done));
            // Earlier sessions are still stored.
            let again = rng.usize(..held.len());
            for (name, done) in held.iter().skip(again) {
                stored += check(store, &folder, name, done, findings)?;
            }
        }
        left -= PER_STORE.min(left);
        for (name, done) in &held {
            check(store, &folder, name, done, findings)?;
        }
        if store == Store::Sqlite && folder.path().join("chat.db").exists() {
            let history =
                conversant_history_sqlite::SqliteHistory::open(folder.path().join("chat.db"))?;
            if let Err(error) = block_on(history.check_integrity()) {
                findings.violation(&format!("the file is damaged: {}", shown(&error)));
            }
        }
    }
    println!(
        "  {acknowledged} turns acknowledged, none before {before_any} of the kills; {stored} turns read back"
    );
    findings.expect(acknowledged > kills, || "too few turns were acknowledged".to_owned());
    Ok(())
}

/// Starts a process, kills it, and returns the turns that it has reported.
fn killed(
    store: Store,
    folder: &Folder,
    session: &str,
    writer: u64,
    rng: &mut Rng,
) -> Result<HashSet<String>, Box<dyn Error>> {
    let task =
        Task { mode: Mode::Any, store, folder: folder.path(), session, writer, turns: u64::MAX };
    let mut child = task.command()?.spawn()?;
    thread::sleep(LONGEST.mul_f64(rng.f64()));
    child.kill()?;
    let said = said(&mut child)?;
    child.wait()?;
    if let Some((_, error)) = said.iter().find(|(word, _)| word == "error") {
        return Err(format!("a process failed before it was killed: {error}").into());
    }
    Ok(said.into_iter().filter(|(word, _)| word == "done").map(|(_, id)| id).collect())
}

/// Reads a session and returns the number of its turns.
fn check(
    store: Store,
    folder: &Folder,
    name: &str,
    done: &HashSet<String>,
    findings: &mut Findings,
) -> Result<u64, Box<dyn Error>> {
    let at = format!("{store}, {name}");
    let turns = match store.open(folder.path()) {
        Ok(history) => block_on(history.turns(&session(name)?, Range::All)),
        Err(error) => Err(error),
    };
    let turns = match turns {
        Ok(turns) => turns,
        Err(error) => {
            findings.violation(&format!("{at}: {}", shown(&error)));
            return Ok(0);
        }
    };
    turns::check(&turns, &at, findings);
    let stored: HashSet<String> = turns.iter().map(|turn| turn.id().to_string()).collect();
    let lost = done.difference(&stored).count();
    findings.expect(lost == 0, || format!("{at}: {lost} acknowledged turns are lost"));
    // One turn can be stored and not yet reported.
    let more = stored.len() - done.intersection(&stored).count();
    findings.expect(more <= 1, || format!("{at}: {more} turns more than were acknowledged"));
    Ok(turns.len() as u64)
}

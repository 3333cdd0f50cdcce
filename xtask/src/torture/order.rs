//! 32 tasks on one session: all versions that they see are in one order.

use std::{error::Error, sync::Mutex, thread};

use conversant_core::{ChatHistory, Expect, HistoryError, Range, SessionId, Version};
use conversant_memory::InMemoryHistory;
use conversant_testkit::block_on;

use super::{
    findings::Findings,
    store::{Folder, Store, session, shown},
    turns,
};

const TASKS: u64 = 32;
const TURNS: u64 = 200;

/// The versions before and after a task's turn.
type Appended = (Version, Version);

pub(super) fn run(findings: &mut Findings) -> Result<(), Box<dyn Error>> {
    for store in Store::ALL {
        let folder = Folder::new()?;
        one(&store.to_string(), &*store.open(folder.path())?, findings)?;
    }
    one("memory", &InMemoryHistory::new(), findings)
}

fn one(
    name: &str,
    history: &dyn ChatHistory,
    findings: &mut Findings,
) -> Result<(), Box<dyn Error>> {
    let session = session("shared")?;
    let appended = Mutex::new(Vec::new());
    let failed: Vec<HistoryError> = thread::scope(|scope| {
        let run = |writer| {
            let (session, appended) = (&session, &appended);
            scope.spawn(move || task(history, session, writer, appended))
        };
        let tasks: Vec<_> = (0..TASKS).map(run).collect();
        tasks.into_iter().filter_map(|task| task.join().ok().and_then(Result::err)).collect()
    });
    for error in failed {
        findings.violation(&format!("{name}: {}", shown(&error)));
    }
    let stored = block_on(history.turns(&session, Range::All))?;
    println!("order: {name}: {TASKS} × {TURNS} turns: {} stored", stored.len());
    findings.expect(stored.len() as u64 == TASKS * TURNS, || "turns are missing".to_owned());
    turns::check(&stored, name, findings);
    let mut appended = appended.into_inner().unwrap_or_default();
    appended.sort_by_key(|(_, (_, given))| given.messages);
    let mut end = 0;
    for ((writer, (seen, given)), turn) in appended.iter().zip(&stored) {
        end += turn.messages().len() as u64;
        findings.expect(
            given.matches(Version::new(0, end)) && turns::number(turn).0 == *writer,
            || format!("{name}: a turn led to {given} and is at {end}"),
        );
        findings.expect(turn.base() == Some(*seen) && seen.messages < given.messages, || {
            format!("{name}: a turn at {given} has seen {seen}")
        });
    }
    Ok(())
}

fn task(
    history: &dyn ChatHistory,
    session: &SessionId,
    writer: u64,
    appended: &Mutex<Vec<(u64, Appended)>>,
) -> Result<(), HistoryError> {
    let mut last = Version::default();
    for number in 0..TURNS {
        let seen = block_on(history.load(session, Range::LastTurns(1)))?.version;
        if seen.messages < last.messages {
            let what = format!("a task at {last} saw {seen}");
            return Err(HistoryError::Backend { source: what.into() });
        }
        let turn = turns::turn(writer, number).with_base(seen);
        last = block_on(history.append(session, &turn, Expect::SameEpoch(seen)))?;
        if let Ok(mut appended) = appended.lock() {
            appended.push((writer, (seen, last)));
        }
    }
    Ok(())
}

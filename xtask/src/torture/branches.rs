//! Processes that branch one session and are killed: every acknowledged turn stays reachable, and
//! each session has one newest turn.

use std::{
    collections::{HashMap, HashSet},
    error::Error,
    thread,
    time::Duration,
};

use conversant_core::{ChatHistory, Point, Range, Turn, TurnId};
use conversant_testkit::block_on;
use fastrand::Rng;

use super::{
    child::{Mode, Task, said},
    findings::Findings,
    store::{Folder, Store, session, shown},
    turns,
};

/// The number of processes that write at the same time.
const WRITERS: u64 = 8;
/// The number of times that they are killed over one store.
const ROUNDS: u64 = 5;
/// The longest life of a process.
const LONGEST: Duration = Duration::from_millis(250);
/// The session that they branch.
const SESSION: &str = "shared";

pub(super) fn run(kills: u64, seed: u64, findings: &mut Findings) -> Result<(), Box<dyn Error>> {
    let mut rng = Rng::with_seed(seed);
    for store in Store::ALL {
        let has_branches = store.open(Folder::new()?.path())?.at(Point::Start).is_some();
        if has_branches {
            one(store, kills, &mut rng, findings)?;
        }
    }
    Ok(())
}

/// The reports of the processes.
#[derive(Default)]
struct Acknowledged {
    turns: HashSet<TurnId>,
    forks: HashMap<String, TurnId>,
}

fn one(
    store: Store,
    kills: u64,
    rng: &mut Rng,
    findings: &mut Findings,
) -> Result<(), Box<dyn Error>> {
    let (mut killed, mut turns, mut forks, mut branches) = (0, 0, 0, 0);
    while killed < kills {
        let folder = Folder::new()?;
        let mut acknowledged = Acknowledged::default();
        for _ in 0..ROUNDS {
            if killed >= kills {
                break;
            }
            let count = WRITERS.min(kills - killed);
            round(store, &folder, killed, count, rng, &mut acknowledged)?;
            killed += count;
        }
        let history = store.open(folder.path())?;
        branches += check(store, &*history, &acknowledged, findings)?;
        turns += acknowledged.turns.len();
        forks += acknowledged.forks.len();
    }
    println!(
        "branches: {store}: {killed} of {WRITERS} writers at a time killed: {turns} turns and \
         {forks} forks acknowledged, {branches} ends of branches"
    );
    findings.expect(turns as u64 > kills, || "too few turns were acknowledged".to_owned());
    Ok(())
}

/// Starts writers, and kills each of them at a time of its own.
fn round(
    store: Store,
    folder: &Folder,
    first: u64,
    count: u64,
    rng: &mut Rng,
    acknowledged: &mut Acknowledged,
) -> Result<(), Box<dyn Error>> {
    let mut children = Vec::new();
    for writer in first..first + count {
        let mode = Mode::Branches;
        let task =
            Task { mode, store, folder: folder.path(), session: SESSION, writer, turns: u64::MAX };
        children.push(task.command()?.spawn()?);
    }
    let pause = LONGEST.div_f64(count as f64);
    for mut child in children {
        thread::sleep(pause.mul_f64(2.0 * rng.f64()));
        child.kill()?;
        for (word, what) in said(&mut child)? {
            match (word.as_str(), what.split_once(' ')) {
                ("done", _) => drop(acknowledged.turns.insert(what.parse()?)),
                ("fork", Some((turn, name))) => {
                    acknowledged.forks.insert(name.to_owned(), turn.parse()?);
                }
                ("error", _) => {
                    return Err(format!("a process failed before it was killed: {what}").into());
                }
                _ => {}
            }
        }
        child.wait()?;
    }
    Ok(())
}

/// Checks the tree of the session and the forks, and returns the number of ends of branches.
fn check(
    store: Store,
    history: &dyn ChatHistory,
    acknowledged: &Acknowledged,
    findings: &mut Findings,
) -> Result<usize, Box<dyn Error>> {
    let shared = session(SESSION)?;
    // All turns that can be reached from the start, the path to the tip, and the last turns.
    let (mut reached, mut path, mut ends) = (HashSet::new(), Vec::new(), Vec::new());
    let mut open = vec![Point::Start];
    while let Some(point) = open.pop() {
        let followers = block_on(history.alternatives(&shared, point))?;
        let current: Vec<_> = followers.iter().filter(|found| found.is_current).collect();
        findings
            .expect(current.len() <= 1, || format!("{store}: two turns after {point} are current"));
        path.extend(current.iter().map(|found| found.turn));
        if followers.is_empty() {
            ends.push(point);
        }
        for found in followers {
            findings.expect(reached.insert(found.turn), || {
                format!("{store}: turn {} follows two points", found.turn)
            });
            open.push(Point::After(found.turn));
        }
    }
    let lost = acknowledged.turns.difference(&reached).count();
    findings.expect(lost == 0, || format!("{store}: {lost} acknowledged turns cannot be reached"));
    let more = reached.difference(&acknowledged.turns).count() as u64;
    findings.expect(more <= WRITERS * ROUNDS, || {
        format!("{store}: {more} turns more than were acknowledged")
    });
    let shown: HashSet<_> = ids(&block_on(history.turns(&shared, Range::All))?).collect();
    findings.expect(shown == path.iter().copied().collect(), || {
        format!("{store}: the conversation has {} turns, and the path {}", shown.len(), path.len())
    });
    for end in &ends {
        let Some(view) = history.at(*end) else { return Err("there is no view".into()) };
        let turns = block_on(view.turns(&shared, Range::All))?;
        turns::check_whole(&turns, &format!("{store}, {end}"), findings);
        findings.expect(turns.last().map(Turn::id) == end.turn(), || {
            format!("{store}: the view at {end} ends at another turn")
        });
    }
    for (name, turn) in &acknowledged.forks {
        let turns = block_on(history.turns(&session(name)?, Range::All));
        match turns {
            Ok(turns) => {
                turns::check_whole(&turns, &format!("{store}, {name}"), findings);
                findings.expect(ids(&turns).any(|id| id == *turn), || {
                    format!("{store}: fork {name} does not have turn {turn}")
                });
            }
            Err(error) => findings.violation(&format!("{store}, {name}: {}", self::shown(&error))),
        }
    }
    Ok(ends.len())
}

fn ids(turns: &[Turn]) -> impl Iterator<Item = TurnId> {
    turns.iter().map(Turn::id)
}

//! Processes that branch one session and are killed, with their servers: every acknowledged turn
//! stays reachable, and each session has one newest turn.

use std::{
    collections::{HashMap, HashSet},
    error::Error,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use conversant_core::{ChatHistory, Point, Range, Turn, TurnId};
use conversant_testkit::block_on;
use fastrand::Rng;
use tokio::runtime::Runtime;

use super::{
    child::{Mode, Task, said},
    findings::Findings,
    store::{Folder, Served, Store, session, shown},
    turns,
};

/// The number of processes that write at the same time.
const WRITERS: u64 = 8;
/// The number of times that they are killed over one store.
const ROUNDS: u64 = 5;
/// The longest life of a process.
const LONGEST: Duration = Duration::from_millis(250);
/// The longest life of a process that connects to a server.
const LONGEST_SERVED: Duration = Duration::from_secs(2);
/// The session that they branch.
const SESSION: &str = "shared";

pub(super) fn run(kills: u64, seed: u64, findings: &mut Findings) -> Result<(), Box<dyn Error>> {
    // For the stores on a server.
    let runtime = Runtime::new()?;
    let _entered = runtime.enter();
    let mut rng = Rng::with_seed(seed);
    for store in Store::ALL.into_iter().chain(Store::SERVED) {
        one(store, kills, &mut rng, findings)?;
    }
    Ok(())
}

/// The place of a store.
enum Place {
    Folder(Folder),
    Server(Served),
}

impl Place {
    /// Returns a new place, or `None` if the server of the store is not installed.
    fn of(store: Store) -> Result<Option<Self>, Box<dyn Error>> {
        Ok(match store {
            Store::Sqlite | Store::Jsonl => Some(Self::Folder(Folder::new()?)),
            Store::Postgres | Store::Redis => store.serve()?.map(Self::Server),
        })
    }

    fn path(&self) -> PathBuf {
        match self {
            Self::Folder(folder) => folder.path().to_owned(),
            Self::Server(served) => PathBuf::from(&served.url),
        }
    }

    const fn longest(&self) -> Duration {
        match self {
            Self::Folder(_) => LONGEST,
            Self::Server(_) => LONGEST_SERVED,
        }
    }

    /// Kills the server and starts it again. Returns whether there is one.
    fn fail(&mut self) -> Result<bool, Box<dyn Error>> {
        let Self::Server(served) = self else { return Ok(false) };
        served.server.kill()?;
        served.server.restart()?;
        Ok(true)
    }
}

/// Returns the number of times that the processes over one store are killed. Redis reads all
/// branches of a session for the alternatives of each turn, so the check of many is quadratic.
const fn rounds(store: Store) -> u64 {
    match store {
        Store::Redis => 1,
        Store::Sqlite | Store::Jsonl | Store::Postgres => ROUNDS,
    }
}

/// The reports of the processes.
#[derive(Default)]
struct Acknowledged {
    turns: HashSet<TurnId>,
    forks: HashMap<String, TurnId>,
    /// Operations that failed with the server. Each may have stored a turn.
    failed: u64,
}

fn one(
    store: Store,
    kills: u64,
    rng: &mut Rng,
    findings: &mut Findings,
) -> Result<(), Box<dyn Error>> {
    let (mut killed, mut servers, mut turns, mut forks, mut branches) = (0, 0, 0, 0, 0);
    while killed < kills {
        let Some(mut place) = Place::of(store)? else {
            println!("branches: LEFT OUT: {store}, whose server is not installed");
            return Ok(());
        };
        let mut acknowledged = Acknowledged::default();
        for _ in 0..rounds(store) {
            if killed >= kills {
                break;
            }
            let count = WRITERS.min(kills - killed);
            servers += round(store, &mut place, killed, count, rng, &mut acknowledged)?;
            killed += count;
        }
        let history = store.open(place.path())?;
        branches += check(store, &*history, &acknowledged, findings)?;
        turns += acknowledged.turns.len();
        forks += acknowledged.forks.len();
    }
    let with_servers = match servers {
        0 => String::new(),
        servers => format!(", and the server {servers} times"),
    };
    println!(
        "branches: {store}: {killed} of {WRITERS} writers at a time killed{with_servers}: {turns} \
         turns and {forks} forks acknowledged, {branches} ends of branches"
    );
    findings.expect(turns as u64 > kills, || "too few turns were acknowledged".to_owned());
    Ok(())
}

/// Starts writers, and kills each of them at a time of its own, and their server in between.
/// Returns the number of times that a server was killed.
fn round(
    store: Store,
    place: &mut Place,
    first: u64,
    count: u64,
    rng: &mut Rng,
    acknowledged: &mut Acknowledged,
) -> Result<u64, Box<dyn Error>> {
    let folder = place.path();
    let mut children = Vec::new();
    for writer in first..first + count {
        let mode = Mode::Branches;
        let folder: &Path = &folder;
        let task = Task { mode, store, folder, session: SESSION, writer, turns: u64::MAX };
        children.push(task.command()?.spawn()?);
    }
    let pause = place.longest().div_f64(count as f64);
    let middle = children.len() / 2;
    let mut servers = 0;
    for (index, mut child) in children.into_iter().enumerate() {
        thread::sleep(pause.mul_f64(2.0 * rng.f64()));
        if index == middle {
            servers += u64::from(place.fail()?);
        }
        child.kill()?;
        for (word, what) in said(&mut child)? {
            match (word.as_str(), what.split_once(' ')) {
                ("done", _) => drop(acknowledged.turns.insert(what.parse()?)),
                ("fork", Some((turn, name))) => {
                    acknowledged.forks.insert(name.to_owned(), turn.parse()?);
                }
                ("error", _) if matches!(place, Place::Server(_)) => acknowledged.failed += 1,
                ("error", _) => {
                    return Err(format!("a process failed before it was killed: {what}").into());
                }
                _ => {}
            }
        }
        child.wait()?;
    }
    Ok(servers)
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
    findings.expect(more <= WRITERS * ROUNDS + acknowledged.failed, || {
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

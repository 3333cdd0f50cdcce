//! SQLite: calls of a chain, a cold load, bytes on disk, and many conversations on one file.

use std::{
    fs,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use bench::{
    measure::Running,
    workload::{message, runtime},
};
use conversant_chains::LlmChain;
use conversant_core::{BoxError, ChatHistory, Range, vars};
use conversant_history_sqlite::{SqliteHistory, Synchronous};
use futures_util::future::try_join_all;

use crate::{
    chain::{TURNS, View, WINDOW, calls, chain, fill, session},
    floor::{
        NewTurn,
        sqlite::{InLine, OnThread},
    },
    measured::{Effort, Measured},
};

/// The sessions of [`many`].
const SESSIONS: usize = 64;
/// The calls of each session in a round of [`many`].
const CALLS: usize = 30;
/// The loads of each side by [`cold`].
const COLD_LOADS: usize = 61;
/// The time that the model of [`many`] takes.
const MODEL: Duration = Duration::from_millis(20);

fn open(file: &Path) -> Result<SqliteHistory, BoxError> {
    Ok(SqliteHistory::builder(file).synchronous(Synchronous::Normal).open()?)
}

/// A chain's call with a window of 20 turns.
pub(crate) fn window(effort: Effort) -> Result<Vec<Measured>, BoxError> {
    call(effort, View::Window, View::Window)
}

/// A chain's call with a buffer, next to the hand-written call of [`window`].
pub(crate) fn buffer(effort: Effort) -> Result<Vec<Measured>, BoxError> {
    call(effort, View::Buffer, View::Window)
}

/// A chain's call with a buffer, next to a hand-written call that loads only what is new.
pub(crate) fn buffer_new(effort: Effort) -> Result<Vec<Measured>, BoxError> {
    call(effort, View::Buffer, View::Buffer)
}

fn call(effort: Effort, view: View, floor_view: View) -> Result<Vec<Measured>, BoxError> {
    let folder = tempfile::tempdir()?;
    let (ours, floor) = (folder.path().join("ours.db"), folder.path().join("floor.db"));
    let runtime = runtime()?;
    let id = session("a")?;
    runtime.block_on(async {
        let history = open(&ours)?;
        fill(&history, &id, TURNS).await?;
        history.close().await;
        Ok::<_, BoxError>(())
    })?;
    InLine::open(&floor)?.fill("session-a", TURNS)?;
    let group = |rounds| {
        let history = open(&ours)?;
        let shared: Arc<dyn ChatHistory> = Arc::new(history.clone());
        let chain = chain(&shared, id.clone(), view, Duration::ZERO)?;
        let store = OnThread::start(InLine::open(&floor)?);
        let mut held = TURNS as u64;
        let by_hand = || {
            runtime.block_on(async {
                let running = Running::start();
                for number in 0..effort.calls() {
                    let (from, limit) = match floor_view {
                        View::Window | View::LeasedWindow => (0, WINDOW),
                        View::Buffer => (held, usize::MAX >> 1),
                    };
                    let (messages, next) = store.load("session-a", from, limit).await?;
                    std::hint::black_box(messages);
                    store.append("session-a", next, NewTurn::of(number)?).await?;
                    held = next + 1;
                }
                Ok(running.stop(effort.calls()).cpu / 1e3)
            })
        };
        let call = || runtime.block_on(calls(&chain, effort.calls()));
        let measured = Measured::in_turns(TURNS, "us CPU", rounds, call, by_hand)?;
        runtime.block_on(history.close());
        Ok(measured)
    };
    Ok(vec![Measured::in_groups(effort, group)?])
}

/// The first load of the last 20 turns by a store that was just opened.
pub(crate) fn cold(effort: Effort) -> Result<Vec<Measured>, BoxError> {
    let sizes: &[usize] = match effort {
        Effort::Quick => &[10, TURNS],
        Effort::Full => &[10, TURNS, 100_000, 1_000_000],
    };
    sizes.iter().map(|&turns| cold_of(turns)).collect()
}

fn cold_of(turns: usize) -> Result<Measured, BoxError> {
    let folder = tempfile::tempdir()?;
    let (ours, floor) = (folder.path().join("ours.db"), folder.path().join("floor.db"));
    let runtime = runtime()?;
    let id = session("a")?;
    runtime.block_on(async {
        let history = open(&ours)?;
        fill(&history, &id, turns).await?;
        history.close().await;
        Ok::<_, BoxError>(())
    })?;
    InLine::open(&floor)?.fill("session-a", turns)?;
    let load = || {
        runtime.block_on(async {
            let history = open(&ours)?;
            let start = Instant::now();
            let slice = history.load(&id, Range::LastTurns(WINDOW)).await?;
            let time = start.elapsed();
            assert_eq!(slice.messages.len(), WINDOW.min(turns) * 2);
            history.close().await;
            Ok(time.as_secs_f64() * 1e6)
        })
    };
    let by_hand = || {
        let store = InLine::open(&floor)?;
        let start = Instant::now();
        let (messages, _) = store.load("session-a", 0, WINDOW)?;
        let time = start.elapsed();
        assert_eq!(messages.len(), WINDOW.min(turns) * 2);
        Ok(time.as_secs_f64() * 1e6)
    };
    Ok(Measured::in_turns(turns, "us", COLD_LOADS, load, by_hand)?.by_median())
}

/// The bytes on disk of a turn of 523 bytes of text.
pub(crate) fn bytes(_: Effort) -> Result<Vec<Measured>, BoxError> {
    const MANY: usize = 20_000;
    let folder = tempfile::tempdir()?;
    let (ours, floor) = (folder.path().join("ours.db"), folder.path().join("floor.db"));
    runtime()?.block_on(async {
        let history = open(&ours)?;
        fill(&history, &session("a")?, MANY).await?;
        history.close().await;
        Ok::<_, BoxError>(())
    })?;
    InLine::open(&floor)?.fill("session-a", MANY)?;
    let each = |file: &Path| Ok::<_, BoxError>(fs::metadata(file)?.len() as f64 / MANY as f64);
    Ok(vec![Measured::in_turns(MANY, "bytes", 1, || each(&ours), || each(&floor))?])
}

/// Conversations at once on one file: CPU of a call, and the 99th percentile of its time beyond
/// the model's.
pub(crate) fn many(effort: Effort) -> Result<Vec<Measured>, BoxError> {
    let folder = tempfile::tempdir()?;
    let runtime = runtime()?;
    let history: Arc<dyn ChatHistory> = Arc::new(open(&folder.path().join("ours.db"))?);
    let store = InLine::open(&folder.path().join("floor.db"))?;
    let mut chains = Vec::new();
    for number in 0..SESSIONS {
        let id = session(number)?;
        runtime.block_on(fill(&history, &id, 100))?;
        store.fill(id.as_str(), 100)?;
        chains.push(chain(&history, id, View::Window, MODEL)?);
    }
    let store = OnThread::start(store);
    let (ours_tail, floor_tail) = (Tail::default(), Tail::default());
    let ours = || {
        runtime.block_on(async {
            let running = Running::start();
            try_join_all(chains.iter().map(|chain| converse(chain, CALLS, &ours_tail))).await?;
            Ok(running.stop(CALLS * SESSIONS).cpu / 1e3)
        })
    };
    let by_hand = || {
        runtime.block_on(async {
            let running = Running::start();
            let names = (0..SESSIONS).map(|number| format!("session-{number}"));
            try_join_all(names.map(|name| converse_by_hand(&store, name, CALLS, &floor_tail)))
                .await?;
            Ok(running.stop(CALLS * SESSIONS).cpu / 1e3)
        })
    };
    let cpu = Measured::in_turns(SESSIONS, "us CPU", effort.long_rounds(), ours, by_hand)?;
    let tails = || Ok::<_, BoxError>(ours_tail.p99());
    let tail = Measured::in_turns(SESSIONS, "us p99", 1, tails, || Ok(floor_tail.p99()))?;
    Ok(vec![cpu, tail])
}

/// The times of calls beyond the model's.
#[derive(Default)]
struct Tail(Mutex<Vec<f64>>);

impl Tail {
    fn add(&self, time: Duration) {
        let mut times = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        times.push(time.saturating_sub(MODEL).as_secs_f64() * 1e6);
    }

    fn p99(&self) -> f64 {
        let mut times = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        times.sort_by(f64::total_cmp);
        times.get(times.len() * 99 / 100).copied().unwrap_or(f64::NAN)
    }
}

async fn converse(chain: &LlmChain, calls: usize, tail: &Tail) -> Result<(), BoxError> {
    for number in 0..calls {
        let start = Instant::now();
        chain.predict(vars! { "human_input" => message(number * 2) }).await?;
        tail.add(start.elapsed());
    }
    Ok(())
}

async fn converse_by_hand(
    store: &OnThread,
    session: String,
    calls: usize,
    tail: &Tail,
) -> Result<(), BoxError> {
    for number in 0..calls {
        let start = Instant::now();
        let (messages, next) = store.load(&session, 0, WINDOW).await?;
        std::hint::black_box(messages);
        tokio::time::sleep(MODEL).await;
        store.append(&session, next, NewTurn::of(number)?).await?;
        tail.add(start.elapsed());
    }
    Ok(())
}

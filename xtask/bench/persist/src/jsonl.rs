//! Files of lines: appends, loads, cold loads, and more sessions than are cached.

use std::{
    fs::File,
    io::{BufWriter, Write as _},
    sync::Arc,
    time::{Duration, Instant},
};

use bench::{
    measure::{Running, resident},
    workload::runtime,
};
use conversant_core::{BoxError, ChatHistory, Expect, Range, SessionId};
use conversant_history_jsonl::JsonlHistory;
use tokio::runtime::Runtime;

use crate::{
    chain::{TURNS, WINDOW, session, turn},
    floor::{NewTurn, jsonl::Lines},
    measured::{Effort, Measured},
};

/// Both stores with a session of some turns.
struct Stores {
    folder: tempfile::TempDir,
    runtime: Runtime,
    id: SessionId,
}

impl Stores {
    fn of(turns: usize) -> Result<Self, BoxError> {
        let stores = Self { folder: tempfile::tempdir()?, runtime: runtime()?, id: session("a")? };
        stores.runtime.block_on(fill(&stores.history()?, &stores.id, turns))?;
        stores.lines()?.fill(turns)?;
        Ok(stores)
    }

    fn history(&self) -> Result<JsonlHistory, BoxError> {
        Ok(JsonlHistory::open(self.folder.path().join("ours"))?)
    }

    fn lines(&self) -> Result<Lines, BoxError> {
        let folder = self.folder.path().join("floor");
        std::fs::create_dir_all(&folder)?;
        Lines::open(&folder, self.id.as_str())
    }
}

/// Fills a session. The first turn is appended, the others are written as the store would have, in
/// a thousandth of the time: each append waits for the disk.
async fn fill(history: &JsonlHistory, id: &SessionId, turns: usize) -> Result<(), BoxError> {
    history.append(id, &turn(0), Expect::Any).await?;
    let mut file = BufWriter::new(File::options().append(true).open(history.path(id))?);
    for number in 1..turns {
        file.write_all(line(number)?.as_bytes())?;
    }
    file.into_inner()?.sync_all()?;
    let slice = history.load(id, Range::LastTurns(1)).await?;
    match slice.version.messages {
        messages if messages == turns as u64 * 2 => Ok(()),
        messages => Err(format!("the store reads {messages} messages of {turns} turns").into()),
    }
}

/// Returns the line of a turn, as `log_record.rs` of the store has it.
fn line(number: usize) -> Result<String, BoxError> {
    const SUM_BYTES: usize = r#","sum":"00000000"}"#.len();
    let (turn, first) = (turn(number), number * 2);
    let (id, messages) = (turn.id(), turn.messages().to_compact_json(u64::MAX)?);
    let fields = format!(r#""id":"{id}","messages":{messages},"incomplete":false,"base":null"#);
    let body = format!(r#""first":{first},"turn":{{{fields}}}"#);
    let mut line = format!(r#"{{"line":{},"bytes":{}"#, number + 1, body.len() + SUM_BYTES + 1);
    let sum = crc32fast::hash(line.as_bytes());
    line.push_str(&format!(r#","bytes_sum":"{sum:08x}",{body}"#));
    let sum = crc32fast::hash(line.as_bytes());
    line.push_str(&format!("{}{sum:08x}\"}}\n", r#","sum":""#));
    Ok(line)
}

/// An append, durable. The hand-written one blocks its caller while the disk writes.
pub(crate) fn append(effort: Effort) -> Result<Vec<Measured>, BoxError> {
    appends(effort, |_, lines, calls| {
        for number in 0..calls {
            lines.append((TURNS + number) as u64, &NewTurn::of(number)?)?;
        }
        Ok(())
    })
}

/// The same, where the hand-written append blocks another thread, as an asynchronous program needs
/// it.
pub(crate) fn append_async(effort: Effort) -> Result<Vec<Measured>, BoxError> {
    appends(effort, on_a_thread)
}

/// The two hand-written appends: on another thread, and blocking the caller.
pub(crate) fn append_by_hand(effort: Effort) -> Result<Vec<Measured>, BoxError> {
    let calls = effort.calls() / 4;
    let stores = Stores::of(TURNS)?;
    let group = |rounds| {
        let lines = Arc::new(stores.lines()?);
        let on_a_thread = || {
            let running = Running::start();
            on_a_thread(&stores.runtime, &lines, calls)?;
            Ok(running.stop(calls).cpu / 1e3)
        };
        let blocking = || {
            let running = Running::start();
            for number in 0..calls {
                lines.append((TURNS + number) as u64, &NewTurn::of(number)?)?;
            }
            Ok(running.stop(calls).cpu / 1e3)
        };
        Measured::in_turns(TURNS, "us CPU", rounds, on_a_thread, blocking)
    };
    Ok(vec![Measured::in_groups(effort, group)?.by_hand_alone()])
}

fn on_a_thread(runtime: &Runtime, lines: &Arc<Lines>, calls: usize) -> Result<(), BoxError> {
    runtime.block_on(async {
        for number in 0..calls {
            let (lines, turn) = (Arc::clone(lines), NewTurn::of(number)?);
            let append = move || lines.append((TURNS + number) as u64, &turn);
            tokio::task::spawn_blocking(append).await??;
        }
        Ok(())
    })
}

fn appends(
    effort: Effort,
    by_hand: impl Fn(&Runtime, &Arc<Lines>, usize) -> Result<(), BoxError>,
) -> Result<Vec<Measured>, BoxError> {
    let calls = effort.calls() / 4;
    let stores = Stores::of(TURNS)?;
    let group = |rounds| {
        let history = stores.history()?;
        let lines = Arc::new(stores.lines()?);
        let ours = || {
            stores.runtime.block_on(async {
                let running = Running::start();
                for number in 0..calls {
                    history.append(&stores.id, &turn(number), Expect::Any).await?;
                }
                Ok(running.stop(calls).cpu / 1e3)
            })
        };
        let by_hand = || {
            let running = Running::start();
            by_hand(&stores.runtime, &lines, calls)?;
            Ok(running.stop(calls).cpu / 1e3)
        };
        Measured::in_turns(TURNS, "us CPU", rounds, ours, by_hand)
    };
    Ok(vec![Measured::in_groups(effort, group)?])
}

/// A load of the last 20 turns by an open store.
pub(crate) fn load(effort: Effort) -> Result<Vec<Measured>, BoxError> {
    let stores = Stores::of(TURNS)?;
    let history = stores.history()?;
    let mut lines = stores.lines()?;
    let ours = || {
        stores.runtime.block_on(load_each(
            &history,
            std::slice::from_ref(&stores.id),
            effort.calls(),
        ))
    };
    let by_hand = || {
        let running = Running::start();
        for _ in 0..effort.calls() {
            std::hint::black_box(lines.load(WINDOW)?);
        }
        Ok(running.stop(effort.calls()).cpu / 1e3)
    };
    Ok(vec![Measured::in_turns(TURNS, "us CPU", effort.rounds(), ours, by_hand)?])
}

/// Loads the last turns of sessions in turn, and returns the CPU of a load in microseconds.
async fn load_each(
    history: &JsonlHistory,
    sessions: &[SessionId],
    calls: usize,
) -> Result<f64, BoxError> {
    let running = Running::start();
    for session in sessions.iter().cycle().take(calls) {
        let slice = history.load(session, Range::LastTurns(WINDOW)).await?;
        std::hint::black_box(slice);
    }
    Ok(running.stop(calls).cpu / 1e3)
}

/// The first load of the last 20 turns by a store that was just opened: its time, and the resident
/// memory that it adds, in KB.
pub(crate) fn cold(effort: Effort) -> Result<Vec<Measured>, BoxError> {
    let sizes: &[usize] = match effort {
        Effort::Quick => &[TURNS],
        Effort::Full => &[TURNS, 1_000_000],
    };
    let mut rows = Vec::new();
    for &turns in sizes {
        let stores = Stores::of(turns)?;
        let mut added = Vec::new();
        let ours = || {
            stores.runtime.block_on(async {
                let history = stores.history()?;
                let before = resident();
                let start = Instant::now();
                let slice = history.load(&stores.id, Range::LastTurns(WINDOW)).await?;
                let time = start.elapsed();
                let grown =
                    Option::zip(resident(), before).map(|(now, before)| now.saturating_sub(before));
                added.extend(grown.map(|bytes| bytes as f64 / 1024.0));
                assert_eq!(slice.messages.len(), WINDOW * 2);
                Ok(microseconds(time))
            })
        };
        let by_hand = || {
            let start = Instant::now();
            let messages = stores.lines()?.load(WINDOW)?;
            let time = start.elapsed();
            assert_eq!(messages.len(), WINDOW * 2);
            Ok(microseconds(time))
        };
        rows.push(Measured::in_turns(turns, "us", 21, ours, by_hand)?.by_median());
        let most = added.into_iter().fold(0.0, f64::max);
        rows.push(Measured::alone(turns, "KB", vec![most]));
    }
    Ok(rows)
}

fn microseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// The sessions that are loaded in turn: more than are cached, and fewer.
const SESSIONS: usize = 320;
const FEW: usize = 64;

/// A load with more sessions in turn than are cached, over one with fewer.
pub(crate) fn many(effort: Effort) -> Result<Vec<Measured>, BoxError> {
    let folder = tempfile::tempdir()?;
    let runtime = runtime()?;
    let history = JsonlHistory::open(folder.path())?;
    let sessions = (0..SESSIONS).map(session).collect::<Result<Vec<_>, BoxError>>()?;
    for session in &sessions {
        runtime.block_on(fill(&history, session, TURNS))?;
    }
    let of = |sessions: &[SessionId]| {
        // Each session at least once before it counts.
        runtime.block_on(load_each(&history, sessions, sessions.len()))?;
        runtime.block_on(load_each(&history, sessions, SESSIONS))
    };
    let mut ratios = Vec::new();
    for _ in 0..effort.long_rounds() {
        ratios.push(of(&sessions)? / of(sessions.get(..FEW).unwrap_or_default())?);
    }
    Ok(vec![Measured::alone(SESSIONS, "times", ratios)])
}

/// The same with the hand-written store, which caches nothing and has each file open.
pub(crate) fn many_by_hand(effort: Effort) -> Result<Vec<Measured>, BoxError> {
    let folder = tempfile::tempdir()?;
    let mut files = Vec::with_capacity(SESSIONS);
    for number in 0..SESSIONS {
        let mut lines = Lines::open(folder.path(), session(number)?.as_str())?;
        lines.fill(TURNS)?;
        files.push(lines);
    }
    let of = |files: &mut [Lines]| {
        let each = |files: &mut [Lines], calls: usize| {
            let running = Running::start();
            let count = files.len();
            for call in 0..calls {
                if let Some(lines) = files.get_mut(call % count) {
                    std::hint::black_box(lines.load(WINDOW)?);
                }
            }
            Ok::<_, BoxError>(running.stop(calls).cpu / 1e3)
        };
        let count = files.len();
        each(files, count)?;
        each(files, SESSIONS)
    };
    let mut ratios = Vec::new();
    for _ in 0..effort.long_rounds() {
        ratios.push(of(&mut files)? / of(files.get_mut(..FEW).unwrap_or_default())?);
    }
    Ok(vec![Measured::alone(SESSIONS, "times", ratios).by_hand_alone()])
}

//! Redis: calls of a chain, at the client and at the server.

use std::{sync::Arc, time::Duration};

use bench::{measure::Running, workload::runtime};
use conversant_core::{BoxError, ChatHistory};
use conversant_history_redis::RedisHistory;
use conversant_testkit::servers::RedisServer;

use crate::{
    chain::{TURNS, View, WINDOW, calls, chain, fill, session},
    floor::{NewTurn, redis::Session},
    measured::{Effort, Measured, cpu_of},
};

/// A chain's call with a window of 20 turns: the CPU of this process, then that of the server. The
/// row is left out if Redis is not installed.
pub(crate) fn window(effort: Effort) -> Result<Vec<Measured>, BoxError> {
    call(effort, View::Window)
}

/// The same under a lease, so that a call is the append alone. The hand-written program has its
/// window in memory.
pub(crate) fn leased(effort: Effort) -> Result<Vec<Measured>, BoxError> {
    call(effort, View::LeasedWindow)
}

fn call(effort: Effort, view: View) -> Result<Vec<Measured>, BoxError> {
    // The disk takes no CPU.
    let Some(server) = RedisServer::start(&["--appendonly", "no"])? else {
        eprintln!("left out: redis_window, which needs an installed Redis");
        return Ok(Vec::new());
    };
    let (runtime, id) = (runtime()?, session("a")?);
    let (chain, floor, process) = runtime.block_on(async {
        let history = RedisHistory::builder(server.url()).connections(1).connect().await?;
        let history: Arc<dyn ChatHistory> = Arc::new(history);
        fill(&history, &id, TURNS).await?;
        let chain = chain(&history, id, view, Duration::ZERO)?;
        let floor = Session::open(&server.url(), "session-a").await?;
        for number in 0..TURNS {
            floor.append(number as u64, &NewTurn::of(number)?).await?;
        }
        Ok::<_, BoxError>((chain, floor, process_of(&server.url()).await?))
    })?;
    // The thread that runs the commands of both sides.
    let at_server =
        |before: f64| Ok::<_, BoxError>((cpu_of(process)? - before) / effort.calls() as f64);
    let ours = || {
        let before = cpu_of(process)?;
        let client = runtime.block_on(calls(&chain, effort.calls()))?;
        Ok([client, at_server(before)?])
    };
    let mut next = TURNS as u64;
    let by_hand = || {
        let before = cpu_of(process)?;
        let running = Running::start();
        runtime.block_on(async {
            for number in 0..effort.calls() {
                if matches!(view, View::Window) {
                    let (messages, loaded) = floor.load(WINDOW as isize).await?;
                    std::hint::black_box(messages);
                    next = loaded;
                }
                floor.append(next, &NewTurn::of(number)?).await?;
                next += 1;
            }
            Ok::<_, BoxError>(())
        })?;
        let client = running.stop(effort.calls()).cpu / 1e3;
        Ok([client, at_server(before)?])
    };
    let units = ["us CPU", "us server"];
    Ok(Measured::each_in_turns(TURNS, units, effort.rounds(), ours, by_hand)?.into())
}

/// Returns the process of a server.
async fn process_of(url: &str) -> Result<i32, BoxError> {
    let mut connection = ::redis::Client::open(url)?.get_multiplexed_async_connection().await?;
    let info: String = ::redis::cmd("INFO").arg("server").query_async(&mut connection).await?;
    let process = info.lines().find_map(|line| line.strip_prefix("process_id:"));
    Ok(process.ok_or("the server does not say its process")?.trim().parse()?)
}

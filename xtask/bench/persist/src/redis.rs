//! Redis: calls of a chain, at the client and at the server.

use std::{sync::Arc, time::Duration};

use ::redis::aio::MultiplexedConnection;
use bench::{measure::Running, workload::runtime};
use conversant_core::{BoxError, ChatHistory};
use conversant_history_redis::RedisHistory;
use conversant_testkit::servers::RedisServer;

use crate::{
    chain::{TURNS, View, WINDOW, calls, chain, fill, session},
    floor::{NewTurn, redis::Session},
    measured::{Effort, Measured},
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
    let (chain, floor, mut control) = runtime.block_on(async {
        let history = RedisHistory::builder(server.url()).connections(1).connect().await?;
        let history: Arc<dyn ChatHistory> = Arc::new(history);
        fill(&history, &id, TURNS).await?;
        let chain = chain(&history, id, view, Duration::ZERO)?;
        let floor = Session::open(&server.url(), "session-a").await?;
        for number in 0..TURNS {
            floor.append(number as u64, &NewTurn::of(number)?).await?;
        }
        let client = ::redis::Client::open(server.url())?;
        let control = client.get_multiplexed_async_connection().await?;
        Ok::<_, BoxError>((chain, floor, control))
    })?;
    let mut next = TURNS as u64;
    let (mut client, mut served) = (Vec::new(), Vec::new());
    let (mut client_floor, mut served_floor) = (Vec::new(), Vec::new());
    for round in 0..=effort.rounds() {
        let before = runtime.block_on(server_cpu(&mut control))?;
        let ours = runtime.block_on(calls(&chain, effort.calls()))?;
        let between = runtime.block_on(server_cpu(&mut control))?;
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
        let by_hand = running.stop(effort.calls()).cpu / 1e3;
        let after = runtime.block_on(server_cpu(&mut control))?;
        // The first round fills caches and loads scripts.
        if round > 0 {
            client.push(ours);
            client_floor.push(by_hand);
            served.push((between - before) / effort.calls() as f64);
            served_floor.push((after - between) / effort.calls() as f64);
        }
    }
    Ok(vec![
        Measured::of(TURNS, "us CPU", client, client_floor),
        Measured::of(TURNS, "us server", served, served_floor),
    ])
}

/// Returns the CPU of the server's thread that runs commands, in microseconds.
async fn server_cpu(control: &mut MultiplexedConnection) -> Result<f64, BoxError> {
    let info: String = ::redis::cmd("INFO").arg("cpu").query_async(control).await?;
    let times = info.lines().filter(|line| line.contains("_main_thread:"));
    let seconds = times.filter_map(|line| line.rsplit(':').next()?.trim().parse::<f64>().ok());
    Ok(seconds.sum::<f64>() * 1e6)
}

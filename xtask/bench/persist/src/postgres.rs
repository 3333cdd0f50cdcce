//! PostgreSQL: calls of a chain, at the client and at the server.

use std::{sync::Arc, time::Duration};

use bench::{measure::Running, workload::runtime};
use conversant_core::{BoxError, ChatHistory};
use conversant_history_postgres::PostgresHistory;
use conversant_testkit::servers::PostgresServer;

use crate::{
    chain::{TURNS, View, WINDOW, calls, chain, fill, session},
    floor::{NewTurn, postgres::Connection},
    measured::{Effort, Measured, cpu_of},
};

/// The name of our connections at the server.
const NAME: &str = "measured";
/// The time that the model of [`paced`] takes.
const MODEL: Duration = Duration::from_millis(1);

/// A chain's call with a window of 20 turns: the CPU of this process, then that of the server's
/// process of the connection. Without an installed PostgreSQL there is no row.
pub(crate) fn window(effort: Effort) -> Result<Vec<Measured>, BoxError> {
    call(effort, View::Window, Duration::ZERO)
}

/// The same with a model that takes a time, in which the processes of the server sleep, as they do
/// in a service. Without it, the hand-written program sends its append before they do.
pub(crate) fn paced(effort: Effort) -> Result<Vec<Measured>, BoxError> {
    call(effort, View::Window, MODEL)
}

/// The same under a lease, so that a call is the append alone. The hand-written program has its
/// window in memory.
pub(crate) fn leased(effort: Effort) -> Result<Vec<Measured>, BoxError> {
    call(effort, View::LeasedWindow, Duration::ZERO)
}

fn call(effort: Effort, view: View, model: Duration) -> Result<Vec<Measured>, BoxError> {
    // The disk takes no CPU.
    let Some(server) = PostgresServer::start(&["-c", "fsync=off"])? else {
        eprintln!("left out: postgres_window, which needs an installed PostgreSQL");
        return Ok(Vec::new());
    };
    let (runtime, id) = (runtime()?, session("a")?);
    let connect = async || {
        let url = format!("{}?application_name={NAME}&sslmode=disable", server.url());
        let history = PostgresHistory::builder(url).max_connections(1).connect().await?;
        let history: Arc<dyn ChatHistory> = Arc::new(history);
        Ok::<_, BoxError>((history, Connection::open(&server.url(), "session-a").await?))
    };
    runtime.block_on(async {
        let (history, store) = connect().await?;
        fill(&history, &id, TURNS).await?;
        store.fill("session-a", TURNS).await
    })?;
    let group = |rounds| {
        let (chain, store, ours_at_server) = runtime.block_on(async {
            let (history, store) = connect().await?;
            let chain = chain(&history, id.clone(), view, model)?;
            // The connection is made, and is the newest of its name.
            calls(&chain, 1).await?;
            let find = format!(
                "SELECT pid FROM pg_stat_activity WHERE application_name = '{NAME}'
                 ORDER BY backend_start DESC LIMIT 1"
            );
            let process = store.number(&find).await?;
            Ok::<_, BoxError>((chain, store, process))
        })?;
        let floor_at_server = runtime.block_on(store.process())?;

        let ours = || {
            let before = cpu_of(ours_at_server)?;
            let client = runtime.block_on(calls(&chain, effort.calls()))?;
            Ok([client, (cpu_of(ours_at_server)? - before) / effort.calls() as f64])
        };
        let by_hand = || {
            let before = cpu_of(floor_at_server)?;
            let running = Running::start();
            runtime.block_on(async {
                for number in 0..effort.calls() {
                    if matches!(view, View::Window) {
                        std::hint::black_box(store.load("session-a", WINDOW as i64).await?);
                    }
                    if !model.is_zero() {
                        tokio::time::sleep(model).await;
                    }
                    store.append("session-a", &NewTurn::of(number)?).await?;
                }
                Ok::<_, BoxError>(())
            })?;
            let client = running.stop(effort.calls()).cpu / 1e3;
            Ok([client, (cpu_of(floor_at_server)? - before) / effort.calls() as f64])
        };
        let units = ["us CPU", "us server"];
        Measured::each_in_turns(TURNS, units, rounds, ours, by_hand)
    };
    Ok(match view {
        // The lease outlives its connection.
        View::LeasedWindow => group(effort.rounds())?,
        View::Window | View::Buffer => Measured::each_in_groups(effort, group)?,
    }
    .into())
}

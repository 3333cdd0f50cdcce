//! Servers that are killed, restarted and restored while 32 writers append over two pools of
//! connections: one order, and no acknowledged turn is lost.

use std::error::Error;

use conversant_core::{ChatHistory, HistoryError};
use conversant_history_postgres::{LangChainPostgresHistory, PostgresHistory};
use conversant_history_redis::{LangChainRedisHistory, RedisHistory};
use conversant_testkit::{
    servers::{PostgresServer, RedisServer, Server},
    suite,
};
use tokio::runtime::Runtime;

use super::findings::Findings;

/// The number of kills in a run of the suite.
const KILLS: u64 = 2;

/// A kind of store.
#[derive(Clone, Copy, Debug)]
enum Store {
    Postgres,
    LangChainPostgres,
    Redis,
    LangChainRedis,
}

const STORES: [Store; 4] =
    [Store::Postgres, Store::LangChainPostgres, Store::Redis, Store::LangChainRedis];

pub(super) fn run(kills: u64, findings: &mut Findings) -> Result<(), Box<dyn Error>> {
    println!("networked: {kills} kills of each kind of server");
    let runtime = Runtime::new()?;
    for store in STORES {
        let mut runs = 0;
        for _ in 0..kills.div_ceil(KILLS) {
            let ran = match store {
                Store::Postgres | Store::LangChainPostgres => match PostgresServer::start(&[])? {
                    Some(server) => kill(&runtime, store, &server.url(), server, findings)?,
                    None => false,
                },
                Store::Redis | Store::LangChainRedis => match RedisServer::start(&[])? {
                    Some(server) => kill(&runtime, store, &server.url(), server, findings)?,
                    None => false,
                },
            };
            if !ran {
                println!("  LEFT OUT: {store:?}, whose server is not installed");
                break;
            }
            runs += 1;
        }
        println!("  {store:?}: killed {} times, restored {runs} times", KILLS * runs);
    }
    Ok(())
}

/// Runs the suite over two pools. Returns `true`.
fn kill(
    runtime: &Runtime,
    store: Store,
    url: &str,
    server: impl Server,
    findings: &mut Findings,
) -> Result<bool, Box<dyn Error>> {
    let outcome = runtime.block_on(async {
        let pools = [connect(store, url).await?, connect(store, url).await?];
        Ok::<_, HistoryError>(suite::killed_history(&pools, server).await)
    })?;
    if let Err(error) = outcome {
        findings.violation(&format!("{store:?}: {error}"));
    }
    Ok(true)
}

async fn connect(store: Store, url: &str) -> Result<Box<dyn ChatHistory>, HistoryError> {
    Ok(match store {
        Store::Postgres => Box::new(PostgresHistory::connect(url).await?),
        Store::LangChainPostgres => Box::new(LangChainPostgresHistory::connect(url).await?),
        Store::Redis => Box::new(RedisHistory::connect(url).await?),
        Store::LangChainRedis => Box::new(LangChainRedisHistory::connect(url).await?),
    })
}

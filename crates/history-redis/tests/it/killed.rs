//! A server of the tests' own that is killed, restored, slow or full.

use std::time::Duration;

use conversant_core::{ChatHistory, Expect, HistoryError, Range, SessionId, Turn};
use conversant_harness::{Missing, Tested};
use conversant_history_redis::{LangChainRedisHistory, RedisHistory};
use conversant_testkit::{servers::RedisServer, suite};

use crate::server::not_installed;

/// Starts a server, if Redis is installed.
fn start(settings: &[&str]) -> Result<RedisServer, Missing> {
    RedisServer::start(settings).unwrap().ok_or_else(not_installed)
}

pub(crate) async fn a_killed_server_loses_nothing_that_it_acknowledged() -> Tested {
    let server = start(&[])?;
    let url = server.url();
    let connect = || RedisHistory::builder(&url).connections(2).connect();
    let pools = [connect().await.unwrap(), connect().await.unwrap()];
    let report = suite::killed_history(&pools, server).await;
    let report = report.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(report.skipped().next(), None, "{report}");
    Ok(())
}

pub(crate) async fn a_killed_server_keeps_langchains_lists() -> Tested {
    let server = start(&[])?;
    let url = server.url();
    let connect = || LangChainRedisHistory::builder(&url).connections(2).connect();
    let pools = [connect().await.unwrap(), connect().await.unwrap()];
    suite::killed_history(&pools, server).await.unwrap_or_else(|error| panic!("{error}"));
    Ok(())
}

/// A server that writes only now and then, as with a disk that stalls.
pub(crate) async fn a_server_whose_writes_stall_is_waited_for_within_the_limit() -> Tested {
    let server = start(&[])?;
    // Far longer than the short pauses, and far shorter than the long one.
    let limit = Duration::from_secs(5);
    let history = RedisHistory::builder(server.url()).operation_timeout(limit).connect();
    let history = history.await.unwrap();
    let session = SessionId::new("slow").unwrap();
    let client = redis::Client::open(server.url()).unwrap();
    let mut control = client.get_multiplexed_async_connection().await.unwrap();
    let mut stored = Vec::new();
    for (pause, is_short) in [(100, true), (60_000, false), (50, true)] {
        let mut stall = redis::cmd("CLIENT");
        stall.arg("PAUSE").arg(pause).arg("WRITE");
        stall.query_async::<()>(&mut control).await.unwrap();
        let turn = Turn::exchange("question", "answer");
        let outcome = history.append(&session, &turn, Expect::Any).await;
        if is_short {
            outcome.unwrap();
            stored.push(turn);
        } else {
            assert!(matches!(outcome, Err(HistoryError::TimedOut { .. })), "{outcome:?}");
            redis::cmd("CLIENT").arg("UNPAUSE").query_async::<()>(&mut control).await.unwrap();
        }
        // What timed out takes no effect later.
        assert_eq!(history.turns(&session, Range::All).await.unwrap(), stored, "{pause} ms");
    }
    Ok(())
}

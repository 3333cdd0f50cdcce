//! Clusters, and masters that are killed and replaced by their replicas.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use conversant_core::{ChatHistory, Expect, HistoryError, Range, SessionId, Turn, TurnId, Version};
use conversant_harness::Tested;
use conversant_history_redis::{LangChainRedisHistory, RedisHistory};
use conversant_testkit::{
    servers::{RedisCluster, RedisSentinel},
    suite,
};
use tokio::task::{JoinHandle, spawn_blocking};

use crate::{
    migration::a_slot_moves_while_it_is_written,
    server::{Server, chain, not_installed},
};

fn session(name: impl std::fmt::Display) -> SessionId {
    SessionId::new(name.to_string()).unwrap()
}

/// A cluster takes seconds to form: one for all that is tested in it, at the end of which its first
/// master is killed.
pub(crate) async fn a_history_in_a_cluster_is_a_history() -> Tested {
    let started = spawn_blocking(|| RedisCluster::start(3, 1).unwrap()).await.unwrap();
    let cluster = started.ok_or_else(not_installed)?;
    let ((), adopted) =
        tokio::join!(the_suite_passes(&cluster), keys_of_a_single_server_are_adopted(&cluster));
    adopted?;
    a_right_that_lacks_is_told_at_once(&cluster).await;
    a_slot_moves_while_it_is_written(&cluster).await;
    a_master_is_replaced(cluster).await;
    Ok(())
}

async fn the_suite_passes(cluster: &RedisCluster) {
    let connect = || RedisHistory::cluster(cluster.urls()).connections(1).connect();
    let pools = [connect().await.unwrap(), connect().await.unwrap()];
    let report = suite::history(|| pools[0].clone()).await;
    let report = report.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(report.skipped().next(), None, "{report}");
    suite::shared_history(&pools).await.unwrap_or_else(|error| panic!("{error}"));
    let report = suite::branched_history(|| pools[0].clone()).await;
    let report = report.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(report.skipped().next(), None, "{report}");
    let report = suite::listed_history(|| pools[0].clone()).await;
    report.unwrap_or_else(|error| panic!("{error}"));

    // Sessions of all nodes are in one list, also after a name and also of another process.
    for number in 0..100 {
        let turn = Turn::exchange("hi", "hello");
        pools[0].append(&session(number), &turn, Expect::Any).await.unwrap();
    }
    let all = pools[1].sessions(None, usize::MAX).await.unwrap();
    let ours: Vec<_> = all.iter().filter(|id| id.as_str().parse::<u8>().is_ok()).collect();
    assert_eq!(ours.len(), 100);
    assert!(all.is_sorted());
    let (some, rest) = all.split_at(all.len() / 2);
    let found = pools[1].sessions(some.last(), 7).await.unwrap();
    assert_eq!(found, rest[..7]);

    let builder = LangChainRedisHistory::cluster(cluster.urls()).prefix("langchain:");
    let history = builder.connections(1).connect().await.unwrap();
    let mut expected = Vec::new();
    for number in 10..20 {
        let turn = Turn::exchange("hi", "hello");
        history.append(&session(number), &turn, Expect::Any).await.unwrap();
        assert_eq!(history.turns(&session(number), Range::All).await.unwrap(), [turn]);
        expected.push(session(number));
    }
    // The keys of all nodes are scanned.
    assert_eq!(history.sessions(None, 100).await.unwrap(), expected);
}

/// A missing right does not pass, as a failover does: a write does not wait for another server.
async fn a_right_that_lacks_is_told_at_once(cluster: &RedisCluster) {
    let rights = ["on", ">right", "allkeys", "allcommands", "-eval", "-evalsha", "-script"];
    let mut urls = Vec::new();
    for url in cluster.urls() {
        let client = redis::Client::open(url.as_str()).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        let mut limit = redis::cmd("ACL");
        limit.arg("SETUSER").arg("limited").arg(&rights);
        limit.query_async::<()>(&mut connection).await.unwrap();
        urls.push(url.replacen("://", "://limited:right@", 1));
    }
    let limited = RedisHistory::cluster(urls).connections(1).connect().await.unwrap();
    let error = limited.append(&session("s"), &Turn::exchange("a", "b"), Expect::Any).await;
    let error = error.unwrap_err();
    assert!(matches!(error, HistoryError::ReadOnly { .. }), "{error:?}");
    assert!(chain(&error).contains("the user does not have the right"), "{}", chain(&error));
}

/// Keys that a single server had are found in a cluster to which they are moved, and so is the list
/// of their sessions.
async fn keys_of_a_single_server_are_adopted(cluster: &RedisCluster) -> Tested {
    let server = Server::start().await?;
    let single = server.history().await;
    let names = ["s", "a {name} of 100%", "\u{e9}\u{1f600}"];
    for name in names {
        let turn = Turn::exchange(name, "hello").with_id(TurnId::from_u128(7));
        single.append(&session(name), &turn, Expect::Any).await.unwrap();
    }
    single.append(&session("gone"), &Turn::exchange("a", "b"), Expect::Any).await.unwrap();
    let gone = single.load(&session("gone"), Range::All).await.unwrap().version;
    single.delete(&session("gone")).await.unwrap();
    let client = redis::cluster::ClusterClient::new(cluster.urls()).unwrap();
    let mut to = client.get_async_connection().await.unwrap();
    for key in server.keys().await {
        let key = format!("{}{key}", server.prefix);
        if key.ends_with("sessions") {
            continue;
        }
        let dump: Vec<u8> =
            redis::cmd("DUMP").arg(&key).query_async(&mut server.connection.clone()).await.unwrap();
        let mut restore = redis::cmd("RESTORE");
        restore.arg(&key).arg(0).arg(dump).query_async::<()>(&mut to).await.unwrap();
    }
    let builder = RedisHistory::cluster(cluster.urls()).prefix(&server.prefix);
    let history = builder.connect().await.unwrap();
    let mut expected = names.map(session);
    expected.sort();
    assert_eq!(history.sessions(None, 10).await.unwrap(), expected);
    for name in names {
        let found = history.load(&session(name), Range::All).await.unwrap();
        assert_eq!(found, single.load(&session(name), Range::All).await.unwrap());
    }
    let turn = Turn::exchange("late", "no");
    let late = history.append(&session("gone"), &turn, Expect::SameEpoch(gone)).await;
    assert!(matches!(late, Err(HistoryError::Stale { .. })), "{late:?}");
    server.stop().await;
    Ok(())
}

/// The acknowledged turns of each session, in order.
type Acknowledged = BTreeMap<SessionId, Vec<(TurnId, Version)>>;

const SESSIONS: usize = 12;
const TURNS: usize = 30;

/// Writes to several sessions at once, and counts what is acknowledged.
fn write(history: &RedisHistory, count: &Arc<AtomicUsize>) -> JoinHandle<Acknowledged> {
    let writers: Vec<_> = (0..SESSIONS)
        .map(|number| {
            let (history, count) = (history.clone(), Arc::clone(count));
            tokio::spawn(async move {
                let (id, mut done) = (session(number), Vec::new());
                while done.len() < TURNS {
                    let turn = Turn::exchange("question", "answer");
                    let version = history.append(&id, &turn, Expect::Any).await.unwrap();
                    done.push((turn.id(), version));
                    count.fetch_add(1, Ordering::SeqCst);
                }
                (id, done)
            })
        })
        .collect();
    tokio::spawn(async move {
        let mut acknowledged = BTreeMap::new();
        for writer in writers {
            let (id, done) = writer.await.unwrap();
            acknowledged.insert(id, done);
        }
        acknowledged
    })
}

/// Compares what was acknowledged with what is stored: turns can be lost in a failover, but only
/// whole and from the end that the session had then. No turn is doubled, the order stays, and an
/// append that expects a lost turn is refused. Returns the number of lost turns of each session.
async fn compare(history: &RedisHistory, acknowledged: &Acknowledged) -> Vec<usize> {
    let mut lost_of_sessions = Vec::new();
    for (id, told) in acknowledged {
        let found: Vec<_> =
            history.turns(id, Range::All).await.unwrap().iter().map(Turn::id).collect();
        let is_kept = |(turn, _): &&(TurnId, Version)| found.contains(turn);
        let kept: Vec<_> = told.iter().filter(is_kept).map(|(turn, _)| *turn).collect();
        assert_eq!(found, kept, "{id}: turns that were not told, are doubled or in another order");
        let lost: Vec<usize> =
            (0..told.len()).filter(|&number| !found.contains(&told[number].0)).collect();
        assert!(lost.windows(2).all(|two| two[1] == two[0] + 1), "{id}: {lost:?}");
        if let Some(&number) = lost.last() {
            let turn = Turn::exchange("late", "no");
            let late = history.append(id, &turn, Expect::Exactly(told[number].1)).await;
            assert!(matches!(late, Err(HistoryError::Stale { .. })), "{id}: {late:?}");
        }
        lost_of_sessions.push(lost.len());
    }
    lost_of_sessions
}

async fn a_master_is_replaced(mut cluster: RedisCluster) {
    let builder = |urls| RedisHistory::cluster::<String>(urls).prefix("killed:").connections(1);
    let history = builder(cluster.urls()).connect().await.unwrap();
    let count = Arc::new(AtomicUsize::new(0));
    let writing = write(&history, &count);
    while count.load(Ordering::SeqCst) < SESSIONS * TURNS / 4 {
        tokio::task::yield_now().await;
    }
    let killed = spawn_blocking(move || {
        cluster.kill(0).unwrap();
        cluster.wait_for_failover().unwrap();
        cluster
    });
    let acknowledged = writing.await.unwrap();
    let cluster = killed.await.unwrap();
    let lost = compare(&history, &acknowledged).await;
    // The other masters lose nothing: most sessions are theirs.
    assert!(lost.iter().filter(|&&lost| lost > 0).count() < SESSIONS, "{lost:?}");
    // A program that connects later finds the new master, also by a list with the old one.
    let later = builder(cluster.urls()).connect().await.unwrap();
    assert_eq!(later.sessions(None, 100).await.unwrap().len(), SESSIONS);
}

pub(crate) async fn a_master_of_sentinels_is_replaced() -> Tested {
    let started = spawn_blocking(|| RedisSentinel::start().unwrap()).await.unwrap();
    let mut servers = started.ok_or_else(not_installed)?;
    let sentinel = servers.sentinel_url();
    let connect = || RedisHistory::sentinel("redis://mymaster/0", [&sentinel]).connect();
    let history = connect().await.unwrap();
    let count = Arc::new(AtomicUsize::new(0));
    let writing = write(&history, &count);
    while count.load(Ordering::SeqCst) < SESSIONS * TURNS / 4 {
        tokio::task::yield_now().await;
    }
    servers.kill_master().unwrap();
    let acknowledged = writing.await.unwrap();
    compare(&history, &acknowledged).await;
    let later = connect().await.unwrap();
    assert_eq!(later.sessions(None, 100).await.unwrap().len(), SESSIONS);
    Ok(())
}

//! A slot of a cluster that moves to another node while its sessions are written.

use conversant_core::{ChatHistory, Expect, Range, SessionId, Turn, Version};
use conversant_history_redis::RedisHistory;
use conversant_testkit::servers::RedisCluster;
use redis::aio::MultiplexedConnection;

const SESSION: &str = "moved";
const PREFIX: &str = "migrated:";

/// How often the slot moves.
const MOVES: usize = 4;

/// A master of a cluster.
struct Master {
    connection: MultiplexedConnection,
    id: String,
    port: u16,
}

impl Master {
    async fn connect(url: &str) -> Self {
        let port = url.trim_end_matches('/').rsplit(':').next().unwrap().parse().unwrap();
        let client = redis::Client::open(url).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        let id = redis::cmd("CLUSTER").arg("MYID").query_async(&mut connection).await.unwrap();
        Self { connection, id, port }
    }

    async fn set_slot(&mut self, slot: u16, state: &str, node: &str) {
        let mut set = redis::cmd("CLUSTER");
        set.arg("SETSLOT").arg(slot).arg(state).arg(node);
        set.query_async::<()>(&mut self.connection).await.unwrap();
    }

    async fn keys(&mut self, slot: u16) -> Vec<String> {
        let mut keys = redis::cmd("CLUSTER");
        keys.arg("GETKEYSINSLOT").arg(slot).arg(100);
        keys.query_async(&mut self.connection).await.unwrap()
    }
}

/// Moves a slot as `redis-cli --cluster reshard` does, a key at a time.
async fn move_slot(masters: &mut [Master], slot: u16, from: usize, to: usize) {
    let (source, target) = (masters[from].id.clone(), masters[to].id.clone());
    masters[to].set_slot(slot, "IMPORTING", &source).await;
    masters[from].set_slot(slot, "MIGRATING", &target).await;
    loop {
        let keys = masters[from].keys(slot).await;
        if keys.is_empty() {
            break;
        }
        for key in keys {
            let mut migrate = redis::cmd("MIGRATE");
            migrate.arg("127.0.0.1").arg(masters[to].port).arg(key).arg(0).arg(5_000);
            migrate.query_async::<String>(&mut masters[from].connection).await.unwrap();
            // The writer meets each state in between.
            tokio::task::yield_now().await;
        }
    }
    masters[to].set_slot(slot, "NODE", &target).await;
    for master in masters {
        master.set_slot(slot, "NODE", &target).await;
    }
}

/// Nothing acknowledged is lost or doubled, and the order stays, on two branches and for a reader.
pub(crate) async fn a_slot_moves_while_it_is_written(cluster: &RedisCluster) {
    let builder = RedisHistory::cluster(cluster.urls()).prefix(PREFIX);
    let history = builder.connections(2).connect().await.unwrap();
    let session = SessionId::new(SESSION).unwrap();
    let first = Turn::exchange("first", "answer");
    history.append(&session, &first, Expect::Any).await.unwrap();
    let left = Turn::exchange("left", "answer");
    history.append(&session, &left, Expect::Any).await.unwrap();
    history.set_tip(&session, first.id().into(), Expect::Any).await.unwrap();

    let (stop, stopped) = tokio::sync::watch::channel(false);
    let (writer, id) = (history.clone(), session.clone());
    let writing = tokio::spawn(async move {
        let (mut acknowledged, mut seen) = (Vec::new(), None::<Version>);
        while !*stopped.borrow() {
            let turn = Turn::exchange("question", "answer");
            let expect = seen.map_or(Expect::Any, Expect::Exactly);
            seen = Some(writer.append(&id, &turn, expect).await.unwrap());
            acknowledged.push(turn);
            let last = writer.load(&id, Range::LastTurns(1)).await.unwrap();
            assert_eq!(Some(last.version), seen);
        }
        acknowledged
    });
    let mut masters = Vec::new();
    for url in cluster.urls().iter().take(3) {
        masters.push(Master::connect(url).await);
    }
    let slot: u16 = redis::cmd("CLUSTER")
        .arg("KEYSLOT")
        .arg(format!("{PREFIX}{{{SESSION}}}:meta"))
        .query_async(&mut masters[0].connection)
        .await
        .unwrap();
    let mut from = 0;
    for (number, master) in masters.iter_mut().enumerate() {
        if !master.keys(slot).await.is_empty() {
            from = number;
        }
    }
    for _ in 0..MOVES {
        let to = (from + 1) % masters.len();
        move_slot(&mut masters, slot, from, to).await;
        from = to;
        // The writer goes on at the new node before the next move.
        let before = history.load(&session, Range::LastTurns(0)).await.unwrap().version;
        while history.load(&session, Range::LastTurns(0)).await.unwrap().version == before {
            tokio::task::yield_now().await;
        }
    }
    stop.send(true).unwrap();
    let mut expected = writing.await.unwrap();
    assert!(expected.len() > MOVES, "{} turns", expected.len());
    expected.insert(0, first);
    assert_eq!(history.turns(&session, Range::All).await.unwrap(), expected);
    let branch = history.set_tip(&session, left.id().into(), Expect::Any).await.unwrap();
    assert_eq!(branch.messages, 4);
}

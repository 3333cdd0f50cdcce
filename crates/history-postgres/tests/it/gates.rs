//! The cost of a call on the wire: counts that noise does not touch.

use conversant_core::{ChatHistory, Expect, Message, Point, Range, SessionId, Turn};
use conversant_harness::Tested;
use conversant_history_postgres::PostgresHistory;
use conversant_testkit::servers::CountingProxy;

use crate::server::Server;

/// The turns of a window.
const WINDOW: usize = 20;

/// The bytes that a load or an append may send in addition to the stored text.
const MAX_SENT: u64 = 800;

/// The bytes that a turn, and a load, may take in addition to the stored text.
const MAX_OF_TURN: u64 = 100;
const MAX_RECEIVED: u64 = 600;

/// The number of times that the server's counts are read until they are there, at most.
const MAX_READS_OF_COUNTS: usize = 500;

pub(crate) async fn an_operation_is_one_round_trip_and_little_more_than_its_text() -> Tested {
    let server = Server::start().await?;
    let (user, rest) = server.url.split_once('@').unwrap();
    let (address, rest) = rest.split_once('/').unwrap();
    let proxy = CountingProxy::start(address).await.unwrap();
    let url = format!("{user}@{}/{rest}", proxy.address());
    let history = PostgresHistory::builder(url).max_connections(1).connect().await.unwrap();
    let session = SessionId::new("session").unwrap();
    let turn = || Turn::exchange("q".repeat(123), "a".repeat(400));
    let stored = |turn: &Turn| {
        let bytes = |message: &Message| message.to_stored().to_string().len() as u64;
        turn.messages().iter().map(bytes).sum::<u64>()
    };
    let mut seen = history.append(&session, &turn(), Expect::Any).await.unwrap();
    let window = (stored(&turn()) + MAX_OF_TURN) * WINDOW as u64;
    // The connection prepares its statements.
    seen = history.append(&session, &turn(), Expect::Exactly(seen)).await.unwrap();
    for range in [Range::LastTurns(WINDOW), Range::LastMessages(1), Range::After(seen)] {
        history.load(&session, range).await.unwrap();
    }
    for _ in 0..2 * WINDOW {
        let next = turn();
        let before = proxy.traffic();
        seen = history.append(&session, &next, Expect::Exactly(seen)).await.unwrap();
        let after = proxy.traffic();
        assert_eq!(after.round_trips - before.round_trips, 1);
        assert!(after.sent - before.sent < stored(&next) + MAX_SENT, "{before:?} {after:?}");
        assert!(after.received - before.received < MAX_RECEIVED, "{before:?} {after:?}");
    }
    for (range, received) in [
        (Range::LastTurns(WINDOW), window),
        (Range::LastMessages(2 * WINDOW), window),
        (Range::After(seen), 0),
        (Range::LastTurns(0), 0),
    ] {
        let before = proxy.traffic();
        history.load(&session, range).await.unwrap();
        let after = proxy.traffic();
        assert_eq!(after.round_trips - before.round_trips, 1, "{range:?}");
        assert!(after.sent - before.sent < MAX_SENT, "{range:?} {before:?} {after:?}");
        let read = after.received - before.received;
        assert!(read < received + MAX_RECEIVED, "{range:?} {read}");
    }
    // The first load of a session with branches finds them.
    history.at(Point::Start).unwrap().append(&session, &turn(), Expect::Any).await.unwrap();
    let last = Range::LastTurns(WINDOW);
    history.load(&session, last).await.unwrap();
    let before = proxy.traffic();
    let found = history.load(&session, last).await.unwrap();
    assert_eq!(proxy.traffic().round_trips - before.round_trips, 1);
    assert_eq!(found.messages.len(), 2);
    server.stop().await;
    Ok(())
}

/// The turns that the server fetches for a call whose window is held, at most.
const MAX_FETCHED: i64 = 4;

/// In a long session, a call fetches few turns, and changes no index of the sessions.
pub(crate) async fn a_call_reads_and_changes_little() -> Tested {
    let server = Server::start().await?;
    let builder = PostgresHistory::builder(&server.url).max_connections(1);
    let history = builder.clone().connect().await.unwrap();
    let session = SessionId::new("session").unwrap();
    let turn = || Turn::exchange("q", "a");
    history.append(&session, &turn(), Expect::Any).await.unwrap();
    // What the planner knows of the tables: one session, with all turns.
    let fill = "INSERT INTO conversant_turns (session, first, count, id, bytes, incomplete, messages) \
        SELECT t.session, 2 * n, 2, gen_random_uuid(), t.bytes, false, t.messages \
        FROM conversant_turns t, generate_series(1, 999) n; \
        UPDATE conversant_sessions SET messages = 2000; ANALYZE";
    server.client.batch_execute(fill).await.unwrap();
    let mut seen = history.append(&session, &turn(), Expect::Any).await.unwrap();
    // The counts of a connection are written when it ends.
    drop(history);
    let (fetched, _, _) = counts(&server, 3).await;
    let history = builder.connect().await.unwrap();
    for _ in 0..WINDOW {
        let found = history.load(&session, Range::After(seen)).await.unwrap();
        // A window that holds its turns needs to know where they begin.
        assert_eq!((found.messages.len(), found.turns.as_deref()), (0, Some(&[][..])));
        seen = history.append(&session, &turn(), Expect::SameEpoch(seen)).await.unwrap();
    }
    drop(history);
    let calls = WINDOW as i64;
    let (after, updated, in_place) = counts(&server, calls + 3).await;
    assert!(after - fetched <= calls * MAX_FETCHED, "{} turns", after - fetched);
    // One of them may be of another hour.
    assert!(in_place >= updated - 2, "{in_place} of {updated}");
    server.stop().await;
    Ok(())
}

/// Returns the counts of the server once it has counted the updates of sessions: fetched turns,
/// updated sessions, and those of them that changed no index.
async fn counts(server: &Server, updates: i64) -> (i64, i64, i64) {
    let counts = "SELECT \
        (SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_user_tables \
            WHERE relname = 'conversant_turns' AND schemaname = current_schema()), \
        n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables \
        WHERE relname = 'conversant_sessions' AND schemaname = current_schema()";
    for _ in 0..MAX_READS_OF_COUNTS {
        let row = server.client.query_one(counts, &[]).await.unwrap();
        let found: (i64, i64, i64) = (row.get(0), row.get(1), row.get(2));
        if found.1 >= updates {
            return found;
        }
        server.client.batch_execute("SELECT pg_sleep(0.02)").await.unwrap();
    }
    panic!("the server did not count {updates} updates");
}

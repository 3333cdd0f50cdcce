//! Broken and stalled connections, locked rows, and time limits.

use std::time::{Duration, Instant};

use conversant_core::{ChatHistory, Expect, HistoryError, Note, Range, SessionId, Turn};
use conversant_harness::Tested;
use conversant_history_postgres::{LangChainPostgresHistory, PostgresHistory};
use conversant_testkit::suite;

use crate::server::{Server, client};

/// Returns the address in a URL, and the URL with another one.
fn address(url: &str) -> (&str, impl Fn(std::net::SocketAddr) -> String) {
    let (user, rest) = url.split_once('@').unwrap();
    let (address, rest) = rest.split_once('/').unwrap();
    (address, move |other| format!("{user}@{other}/{rest}"))
}

const LIMIT: Duration = Duration::from_millis(1500);

pub(crate) async fn a_history_in_postgres_is_a_networked_history() -> Tested {
    let server = Server::start().await?;
    let url = server.url.clone();
    let (address, through) = address(&url);
    let open = |proxy| PostgresHistory::builder(through(proxy)).operation_timeout(LIMIT).connect();
    let report = suite::networked_history(address, open).await;
    let report = report.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(report.skipped().next(), None);
    server.stop().await;
    Ok(())
}

pub(crate) async fn a_history_in_langchains_table_is_a_networked_history() -> Tested {
    let server = Server::start().await?;
    let url = server.url.clone();
    let (address, through) = address(&url);
    let open = |proxy| {
        LangChainPostgresHistory::builder(through(proxy)).operation_timeout(LIMIT).connect()
    };
    suite::networked_history(address, open).await.unwrap_or_else(|error| panic!("{error}"));
    server.stop().await;
    Ok(())
}

pub(crate) async fn a_locked_row_is_waited_for_within_the_limit() -> Tested {
    let server = Server::start().await?;
    let limit = Duration::from_secs(1);
    let builder = PostgresHistory::builder(&server.url).operation_timeout(limit);
    let history = builder.max_connections(2).connect().await.unwrap();
    let session = SessionId::new("locked").unwrap();
    let first = Turn::exchange("first", "answer");
    history.append(&session, &first, Expect::Any).await.unwrap();
    let locker = client(&server.url).await;
    let lock = "BEGIN; SELECT FROM conversant_sessions WHERE id = 'locked' FOR UPDATE";
    locker.batch_execute(lock).await.unwrap();

    let started = Instant::now();
    let turn = Turn::exchange("second", "answer");
    let error = history.append(&session, &turn, Expect::Any).await.unwrap_err();
    assert!(matches!(error, HistoryError::TimedOut { .. }), "{error:?}");
    insta::assert_snapshot!(error, @"cannot complete the operation within 1s");
    // The session cannot be settled yet, so nothing is served that could change later.
    let error = history.load(&session, Range::All).await.unwrap_err();
    assert!(matches!(error, HistoryError::TimedOut { .. }), "{error:?}");
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
    // Other sessions are served: the statements that wait were cancelled.
    let other = SessionId::new("other").unwrap();
    history.append(&other, &Turn::exchange("hi", "hello"), Expect::Any).await.unwrap();

    locker.batch_execute("COMMIT").await.unwrap();
    assert_eq!(history.load(&session, Range::All).await.unwrap().messages.len(), 2);
    history.append(&session, &turn, Expect::Any).await.unwrap();
    assert_eq!(history.turns(&session, Range::All).await.unwrap(), [first, turn]);
    server.stop().await;
    Ok(())
}

pub(crate) async fn any_duration_is_a_time_limit() -> Tested {
    let server = Server::start().await?;
    let session = SessionId::new("limits").unwrap();
    let builder = |timeout| {
        PostgresHistory::builder(&server.url)
            .connect_timeout(timeout)
            .acquire_timeout(timeout)
            .operation_timeout(timeout)
            .time_to_live(timeout)
    };
    let history = builder(Duration::MAX).connect().await.unwrap();
    history.append(&session, &Turn::exchange("hi", "hello"), Expect::Any).await.unwrap();
    assert!(history.lease(&session, Duration::MAX).await.unwrap().is_some());
    assert_eq!(history.load(&session, Range::All).await.unwrap().messages.len(), 2);
    builder(Duration::ZERO).connect().await.unwrap_err();
    server.stop().await;
    Ok(())
}

/// The only connection of the pool is taken: every operation ends in time, and the store serves
/// again afterwards.
pub(crate) async fn an_exhausted_pool_is_an_error_of_every_operation() -> Tested {
    let server = Server::start().await?;
    let patience = Duration::from_millis(300);
    let builder = PostgresHistory::builder(&server.url).max_connections(1);
    let history = builder.acquire_timeout(patience).connect().await.unwrap();
    let [taken, other] = ["taken", "other"].map(|name| SessionId::new(name).unwrap());
    let turn = Turn::exchange("hi", "hello");
    let seen = history.append(&taken, &turn, Expect::Any).await.unwrap();
    let lease = history.lease(&other, patience).await.unwrap().unwrap();
    let locker = client(&server.url).await;
    let lock = "BEGIN; SELECT FROM conversant_sessions WHERE id = 'taken' FOR UPDATE";
    locker.batch_execute(lock).await.unwrap();
    let waiting = tokio::spawn({
        let (history, taken) = (history.clone(), taken.clone());
        async move { history.append(&taken, &Turn::exchange("a", "b"), Expect::Any).await }
    });
    // Until the append has the connection.
    let waits = "SELECT count(*) FROM pg_stat_activity \
        WHERE datname = current_database() AND wait_event_type = 'Lock' \
        AND query LIKE '%conversant_write_turn%'";
    while server.number(waits).await == 0 {}
    let note = Note::new("brief", seen);
    // Each on a session of its own, so that they wait at the same time.
    let ids: Vec<SessionId> =
        (0..9).map(|number| SessionId::new(format!("other {number}")).unwrap()).collect();
    let outcomes = tokio::join!(
        async { history.load(&ids[0], Range::All).await.map(drop) },
        async { history.turns(&ids[1], Range::All).await.map(drop) },
        async { history.first(&ids[2], 1).await.map(drop) },
        async { history.append(&ids[3], &turn, Expect::Any).await.map(drop) },
        async { history.note(&ids[4], "summary").await.map(drop) },
        history.put_note(&ids[5], "summary", &note),
        async { history.lease(&ids[6], patience).await.map(drop) },
        history.release(&lease),
        history.clear(&ids[7]),
        history.delete(&ids[8]),
        async { history.sessions(None, 1).await.map(drop) },
        async { history.sweep(1).await.map(drop) },
    );
    let (load, turns, first, append, get, put, acquire, release, clear, delete, list, sweep) =
        outcomes;
    let reads = [load, turns, first, get, list];
    let writes = [append, put, acquire, release, clear, delete, sweep];
    for (number, outcome) in reads.into_iter().chain(writes).enumerate() {
        let limit = match outcome {
            Err(HistoryError::TimedOut { limit }) => limit,
            outcome => panic!("{number}: {outcome:?}"),
        };
        assert_eq!(limit, patience, "{number}");
    }
    locker.batch_execute("COMMIT").await.unwrap();
    waiting.await.unwrap().unwrap();
    history.append(&other, &turn, Expect::Any).await.unwrap();
    assert_eq!(history.load(&taken, Range::All).await.unwrap().messages.len(), 4);
    server.stop().await;
    Ok(())
}

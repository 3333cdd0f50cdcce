//! A server of the tests' own that is killed, restored or slow.

use std::time::Duration;

use conversant_core::{ChatHistory, Expect, HistoryError, Range, SessionId, Turn};
use conversant_harness::{Missing, Need, Tested};
use conversant_history_postgres::{LangChainPostgresHistory, PostgresHistory};
use conversant_testkit::{servers::PostgresServer, suite};
use tokio::task::spawn_blocking;

/// Starts a server, if PostgreSQL is installed.
fn start(settings: &[&str]) -> Result<PostgresServer, Missing> {
    let server = PostgresServer::start(settings).unwrap();
    server.ok_or_else(|| Need::Services.missing("an installed PostgreSQL"))
}

pub(crate) async fn a_killed_server_loses_nothing_that_it_acknowledged() -> Tested {
    let server = start(&[])?;
    let url = server.url();
    let pools = [
        PostgresHistory::connect(&url).await.unwrap(),
        PostgresHistory::connect(&url).await.unwrap(),
    ];
    let report = suite::killed_history(&pools, server).await;
    let report = report.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(report.skipped().next(), None, "{report}");
    Ok(())
}

pub(crate) async fn a_killed_server_keeps_langchains_table() -> Tested {
    let server = start(&[])?;
    let url = server.url();
    let pools = [
        LangChainPostgresHistory::connect(&url).await.unwrap(),
        LangChainPostgresHistory::connect(&url).await.unwrap(),
    ];
    suite::killed_history(&pools, server).await.unwrap_or_else(|error| panic!("{error}"));
    Ok(())
}

/// Operations that begin while the server is away wait for it.
pub(crate) async fn a_server_that_restarts_is_waited_for_within_the_limit() -> Tested {
    let mut server = start(&["-c", "fsync=off"])?;
    let history =
        PostgresHistory::builder(server.url()).max_connections(2).connect().await.unwrap();
    let hasty = PostgresHistory::builder(server.url()).operation_timeout(Duration::from_millis(20));
    let hasty = loop {
        // A loaded machine may take longer to connect.
        if let Ok(history) = hasty.clone().connect().await {
            break history;
        }
    };
    let [first, new] = ["first", "new"].map(|name| SessionId::new(name).unwrap());
    let turn = Turn::exchange("hi", "hello");
    history.append(&first, &turn, Expect::Any).await.unwrap();
    let second = Turn::exchange("again", "hello");
    server.kill().unwrap();
    // Once the time is over, the error says why.
    let error = loop {
        // A process of the server's may outlive it for a moment, and answer.
        if let Err(error) = hasty.load(&first, Range::All).await {
            break error;
        }
    };
    assert!(
        matches!(error, HistoryError::Backend { .. } | HistoryError::TimedOut { .. }),
        "{error:?}"
    );
    let restarted = spawn_blocking(move || {
        server.restart().unwrap();
        server
    });
    // On the connections that broke, and on more than there are.
    let (loaded, appended, listed, again, restarted) = tokio::join!(
        history.load(&first, Range::All),
        history.append(&new, &turn, Expect::Any),
        history.sessions(None, 9),
        history.append(&first, &second, Expect::Any),
        restarted,
    );
    assert_eq!(loaded.unwrap().messages.len(), 2);
    assert_eq!(appended.unwrap().messages, 2);
    assert!(listed.unwrap().contains(&first));
    assert_eq!(again.unwrap().messages, 4);
    drop(restarted.unwrap());
    Ok(())
}

/// A server that waits for 100 ms at each commit, as with a slow disk.
pub(crate) async fn a_server_with_a_slow_disk_is_waited_for_within_the_limit() -> Tested {
    let settings = ["-c", "commit_delay=100000", "-c", "commit_siblings=0"];
    let server = start(&settings)?;
    let connect = |limit| PostgresHistory::builder(server.url()).operation_timeout(limit).connect();
    let patient = connect(Duration::from_secs(30)).await.unwrap();
    let session = SessionId::new("slow").unwrap();
    let turns: Vec<Turn> =
        (0..3).map(|number| Turn::exchange(number.to_string(), "answer")).collect();
    for turn in &turns {
        patient.append(&session, turn, Expect::Any).await.unwrap();
    }
    assert_eq!(patient.turns(&session, Range::All).await.unwrap(), turns);
    // The commit takes longer than the limit: the turn is there as a whole or not at all, and
    // repeating it does not double it.
    let hasty = loop {
        // A loaded machine may take longer to connect.
        if let Ok(history) = connect(Duration::from_millis(50)).await {
            break history;
        }
    };
    let late = Turn::exchange("late", "answer");
    let outcome = hasty.append(&session, &late, Expect::Any).await;
    assert!(matches!(outcome, Err(HistoryError::TimedOut { .. })), "{outcome:?}");
    patient.append(&session, &late, Expect::Any).await.unwrap();
    let found = patient.turns(&session, Range::All).await.unwrap();
    assert_eq!(found[..3], turns[..]);
    assert_eq!(found[3..], [late]);
    Ok(())
}

/// The primary waits for its standby, is killed, and the standby takes over: the pool finds it
/// among its addresses, and every acknowledged turn is there, once, in order.
pub(crate) async fn a_synchronous_standby_that_takes_over_has_every_turn() -> Tested {
    // The primary answers writes only once the standby follows.
    let settings = ["-c", "synchronous_standby_names=*"];
    let start = move || {
        let primary = start(&settings)?;
        let standby = primary.standby().unwrap();
        Ok((primary, standby))
    };
    let (mut primary, standby) = spawn_blocking(start).await.unwrap()?;
    let (old, new) = (primary.port(), standby.port());
    let url = format!(
        "postgres://conversant@127.0.0.1:{old},127.0.0.1:{new}/postgres?target_session_attrs=read-write"
    );
    let history = PostgresHistory::builder(&url).connect().await.unwrap();
    let session = SessionId::new("s").unwrap();
    let mut acknowledged = Vec::new();
    for number in 0..20 {
        if number == 10 {
            primary.kill().unwrap();
            standby.promote().unwrap();
        }
        let turn = Turn::exchange(number.to_string(), "answer");
        // Until the standby takes over, new connections are refused.
        while history.append(&session, &turn, Expect::Any).await.is_err() {}
        acknowledged.push(turn);
    }
    assert_eq!(history.turns(&session, Range::All).await.unwrap(), acknowledged);
    assert_eq!(history.sessions(None, 2).await.unwrap(), [session]);
    Ok(())
}

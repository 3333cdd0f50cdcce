//! Connecting: what is made, what is refused, and that errors contain no password.

use std::time::Duration;

use conversant_core::{ChatHistory, Expect, HistoryError, Range, SessionId, Turn, TurnId};
use conversant_harness::Tested;
use conversant_history_postgres::PostgresHistory;

use crate::server::{Server, chain, with_options};

pub(crate) async fn faults_are_told_without_the_password() {
    let urls = [
        "postgres://user:hunter2@127.0.0.1:1/db",
        "postgres://user:hunter2@127.0.0.1:notaport/db",
        "postgres:/user:hunter2@127.0.0.1/db",
        "password=hunter2 hunter2",
        "host=127.0.0.1 port=1 user=u password=hunter2",
        "",
    ];
    let mut told = String::new();
    for url in urls {
        let builder = PostgresHistory::builder(url).connect_timeout(Duration::from_secs(5));
        assert!(!format!("{builder:?}").contains("hunter2"));
        let error = builder.connect().await.unwrap_err();
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
        told.push_str(&format!("{url}\n    {}\n", chain(&error)));
    }
    insta::assert_snapshot!(told);
}

pub(crate) fn a_runtime_is_needed_to_connect() {
    let connecting = PostgresHistory::connect("postgres://127.0.0.1:1/db");
    let error = conversant_testkit::block_on(connecting).unwrap_err();
    insta::assert_snapshot!(
        chain(&error),
        @"cannot reach the history: cannot create a history in PostgreSQL outside a Tokio runtime"
    );
}

pub(crate) async fn what_the_server_refuses_is_told() -> Tested {
    let server = Server::start().await?;
    let read_only = with_options(&server.url, "-cdefault_transaction_read_only=on");
    let error = PostgresHistory::connect(&read_only).await.unwrap_err();
    assert!(matches!(error, HistoryError::ReadOnly { .. }), "{error:?}");

    let (before, rest) = server.url.split_once("://").unwrap();
    let (_, rest) = rest.split_once('@').unwrap();
    let stranger = format!("{before}://conversant:wrong@{rest}");
    let error = PostgresHistory::connect(&stranger).await.unwrap_err();
    insta::assert_snapshot!(
        chain(&error),
        @r#"cannot reach the history: password authentication failed for user "conversant" (SQLSTATE 28P01)"#
    );

    let history = server.history().await;
    let session = SessionId::new("user-7").unwrap();
    history.append(&session, &Turn::exchange("hi", "hello"), Expect::Any).await.unwrap();
    server.client.batch_execute("UPDATE conversant_schema SET version = 99").await.unwrap();
    let error = PostgresHistory::connect(&server.url).await.unwrap_err();
    assert!(matches!(error, HistoryError::SchemaTooNew { found: 99, known: 7 }), "{error:?}");
    server.client.batch_execute("DROP TABLE conversant_turns CASCADE").await.unwrap();
    let error = history.load(&session, Range::All).await.unwrap_err();
    insta::assert_snapshot!(
        chain(&error),
        @r#"cannot use the history: the tables do not have the expected form: relation "conversant_turns" does not exist (SQLSTATE 42P01)"#
    );
    server.stop().await;
    Ok(())
}

/// A user without the right to read: it cannot be said whether the history can be written.
pub(crate) async fn a_right_that_lacks_is_told() -> Tested {
    let server = Server::start().await?;
    let history = server.history().await;
    let session = SessionId::new("user-7").unwrap();
    history.append(&session, &Turn::exchange("hi", "hello"), Expect::Any).await.unwrap();
    // The rights of the user who connects are those of a role that has none to the tables.
    let role = format!("role_{}", TurnId::random()).replace('-', "_");
    let grant = format!(
        "CREATE ROLE {role}; DO $$ BEGIN EXECUTE format('GRANT USAGE ON SCHEMA %I TO {role}', \
        current_schema()); END $$; GRANT SELECT ON conversant_schema TO {role}"
    );
    server.client.batch_execute(&grant).await.unwrap();
    let limited = PostgresHistory::connect(with_options(&server.url, &format!("-crole={role}")));
    let limited = limited.await.unwrap();
    let reads = [
        limited.load(&session, Range::All).await.map(drop),
        limited.load(&session, Range::LastTurns(1)).await.map(drop),
        limited.sessions(None, 1).await.map(drop),
    ];
    for read in reads {
        let error = read.unwrap_err();
        assert!(matches!(error, HistoryError::Backend { .. }), "{error:?}");
        assert!(chain(&error).contains("permission denied"), "{}", chain(&error));
    }
    let writes = [
        limited.append(&session, &Turn::exchange("hi", "hello"), Expect::Any).await.map(drop),
        limited.sweep(1).await.map(drop),
    ];
    for write in writes {
        assert!(matches!(write, Err(HistoryError::ReadOnly { .. })), "{write:?}");
    }
    drop(limited);
    let remove = format!("DROP OWNED BY {role}; DROP ROLE {role}");
    server.client.batch_execute(&remove).await.unwrap();
    server.stop().await;
    Ok(())
}

pub(crate) async fn many_may_make_the_tables_at_once() -> Tested {
    for level in ["read\\ committed", "serializable"] {
        let server = Server::start().await?;
        let url = with_options(&server.url, &format!("-cdefault_transaction_isolation={level}"));
        let mut connecting = Vec::new();
        for _ in 0..12 {
            connecting.push(tokio::spawn(PostgresHistory::connect(url.clone())));
        }
        for connected in connecting {
            connected.await.unwrap().unwrap();
        }
        assert_eq!(server.number("SELECT version FROM conversant_schema").await, 7);
        server.stop().await;
    }
    Ok(())
}

pub(crate) async fn a_history_is_awaited_on_any_executor() -> Tested {
    let server = Server::start().await?;
    let history = server.history().await;
    let elsewhere = std::thread::spawn(move || {
        conversant_testkit::block_on(async {
            let session = SessionId::new("elsewhere").unwrap();
            history.append(&session, &Turn::exchange("hi", "hello"), Expect::Any).await.unwrap();
            history.load(&session, Range::All).await.unwrap().messages.len()
        })
    });
    let found = tokio::task::spawn_blocking(move || elsewhere.join().unwrap()).await.unwrap();
    assert_eq!(found, 2);
    server.stop().await;
    Ok(())
}

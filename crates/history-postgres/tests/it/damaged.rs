//! Tables that are emptied, dropped, changed, locked or refilled under a running service.

use std::time::{Duration, Instant};

use conversant_core::{
    ChatHistory, Expect, HistoryError, Note, Range, SessionId, Turn, TurnId, Version,
};
use conversant_harness::Tested;
use conversant_history_postgres::{LangChainPostgresHistory, PostgresHistory};
use conversant_testkit::suite::{MALFORMED_MESSAGES, MALFORMED_SECRET};

use crate::server::{Server, chain, client};

fn session(name: &str) -> SessionId {
    SessionId::new(name).unwrap()
}

fn turn(number: u128) -> Turn {
    Turn::exchange("question", "answer").with_id(TurnId::from_u128(number))
}

/// Runs every operation on a session, and returns the outcomes with their names.
async fn operate(
    history: &dyn ChatHistory,
    id: &SessionId,
    seen: Version,
) -> Vec<(&'static str, Result<(), HistoryError>)> {
    let minute = Duration::from_secs(60);
    vec![
        ("load", history.load(id, Range::All).await.map(drop)),
        ("load the last turn", history.load(id, Range::LastTurns(1)).await.map(drop)),
        ("load what is new", history.load(id, Range::After(seen)).await.map(drop)),
        ("turns", history.turns(id, Range::All).await.map(drop)),
        ("first", history.first(id, 2).await.map(drop)),
        (
            "append what follows",
            history.append(id, &turn(8), Expect::Exactly(seen)).await.map(drop),
        ),
        ("append", history.append(id, &turn(9), Expect::Any).await.map(drop)),
        ("note", history.note(id, "summary").await.map(drop)),
        ("put_note", history.put_note(id, "summary", &Note::new("brief", seen)).await),
        ("sessions", history.sessions(None, 10).await.map(drop)),
        ("lease", history.lease(id, minute).await.map(drop)),
        ("clear", history.clear(id).await),
        ("delete", history.delete(id).await),
    ]
}

/// After each damage, the outcome of each operation: none is a shortened conversation.
pub(crate) async fn damaged_tables_are_reported() -> Tested {
    let damages = [
        "TRUNCATE conversant_schema",
        "TRUNCATE conversant_turns",
        "TRUNCATE conversant_sessions CASCADE",
        "DELETE FROM conversant_turns WHERE first = 0",
        "DELETE FROM conversant_turns WHERE first = 2",
        "DROP TABLE conversant_turns CASCADE",
        "DROP TABLE conversant_sessions CASCADE",
        "DROP TABLE conversant_notes",
        "DROP TABLE conversant_leases",
        "DROP TABLE conversant_schema",
        "DROP FUNCTION conversant_write_turn",
        "ALTER TABLE conversant_turns RENAME messages TO parts",
    ];
    let mut told = String::new();
    for damage in damages {
        let server = Server::start().await?;
        let history = server.history().await;
        let id = session("s");
        history.append(&id, &turn(1), Expect::Any).await.unwrap();
        let seen = history.append(&id, &turn(2), Expect::Any).await.unwrap();
        history.put_note(&id, "summary", &Note::new("brief", seen)).await.unwrap();
        server.client.batch_execute(damage).await.unwrap();
        told.push_str(&format!("{damage}\n"));
        for (name, outcome) in operate(&history, &id, seen).await {
            match outcome {
                Ok(()) => {}
                Err(error @ (HistoryError::Corrupt { .. } | HistoryError::Stale { .. })) => {
                    told.push_str(&format!("    {name}: {}\n", chain(&error)));
                }
                Err(error) => panic!("{damage}: {name}: {error:?}"),
            }
        }
        server.stop().await;
    }
    insta::assert_snapshot!(told);
    Ok(())
}

/// A transaction of another client locks a table: every operation ends within its limit, and the
/// store serves again afterwards.
pub(crate) async fn locked_tables_are_waited_for_within_the_limit() -> Tested {
    let [schema, sessions, turns, notes, leases] =
        ["schema", "sessions", "turns", "notes", "leases"].map(a_locked_table);
    tokio::try_join!(schema, sessions, turns, notes, leases)?;
    Ok(())
}

async fn a_locked_table(table: &str) -> Tested {
    let limit = Duration::from_millis(1_500);
    let server = Server::start().await?;
    let patient = server.history().await;
    let connect = || PostgresHistory::builder(&server.url).operation_timeout(limit).connect();
    let hasty = loop {
        if let Ok(history) = connect().await {
            break history;
        }
    };
    let ids: Vec<SessionId> = (0..9).map(|number| session(&format!("{table} {number}"))).collect();
    let mut seen = Version::default();
    for id in &ids {
        seen = patient.append(id, &turn(1), Expect::Any).await.unwrap();
    }
    let locker = client(&server.url).await;
    let lock = format!("BEGIN; LOCK conversant_{table} IN ACCESS EXCLUSIVE MODE");
    locker.batch_execute(&lock).await.unwrap();
    let started = Instant::now();
    let (next, note) = (turn(2), Note::new("brief", seen));
    let outcomes = tokio::join!(
        async { hasty.load(&ids[0], Range::All).await.map(drop) },
        async { hasty.turns(&ids[1], Range::All).await.map(drop) },
        async { hasty.first(&ids[2], 2).await.map(drop) },
        async { hasty.append(&ids[3], &next, Expect::Any).await.map(drop) },
        async { hasty.note(&ids[4], "summary").await.map(drop) },
        hasty.put_note(&ids[5], "summary", &note),
        async { hasty.lease(&ids[6], limit).await.map(drop) },
        hasty.clear(&ids[7]),
        hasty.delete(&ids[8]),
        async { hasty.sessions(None, 10).await.map(drop) },
    );
    assert!(started.elapsed() < 10 * limit, "{table}: {:?}", started.elapsed());
    let (load, turns, first, append, get, put, lease, clear, delete, sessions) = outcomes;
    let outcomes = [load, turns, first, append, get, put, lease, clear, delete, sessions];
    for (number, outcome) in outcomes.into_iter().enumerate() {
        let is_ended = matches!(outcome, Ok(()) | Err(HistoryError::TimedOut { .. }));
        assert!(is_ended, "{table}: {number}: {outcome:?}");
    }
    locker.batch_execute("COMMIT").await.unwrap();
    // The store serves again, also the sessions whose operations were under way.
    for id in &ids {
        while hasty.append(id, &turn(3), Expect::Any).await.is_err() {}
        let found = patient.turns(id, Range::All).await.unwrap();
        assert!(found.iter().filter(|found| found.id() == turn(3).id()).count() == 1);
    }
    server.stop().await;
    Ok(())
}

/// LangChain's table is emptied and refilled with as many rows of the same numbers.
pub(crate) async fn a_langchain_table_that_was_refilled_is_noticed() -> Tested {
    for as_text in [false, true] {
        let server = Server::start().await?;
        let builder = LangChainPostgresHistory::builder(&server.url);
        let builder = if as_text { builder.messages_as_text() } else { builder };
        let history = builder.connect().await.unwrap();
        let id = session("s");
        let insert = |text: &str| {
            format!(
                "INSERT INTO message_store (session_id, message) VALUES \
                 ('s', '{{\"type\":\"human\",\"data\":{{\"content\":\"Hi\"}}}}'), \
                 ('s', '{{\"type\":\"ai\",\"data\":{{\"content\":\"{text}\"}}}}')"
            )
        };
        server.client.batch_execute(&insert("old")).await.unwrap();
        let seen = history.load(&id, Range::All).await.unwrap().version;
        let refill = format!("TRUNCATE message_store RESTART IDENTITY; {}", insert("new"));
        server.client.batch_execute(&refill).await.unwrap();
        let found = history.load(&id, Range::After(seen)).await.unwrap();
        assert_eq!(found.messages.to_string(), "Human: Hi\nAI: new");
        for expect in [Expect::Exactly(seen), Expect::SameEpoch(seen)] {
            let late = history.append(&id, &turn(1), expect).await;
            assert!(matches!(late, Err(HistoryError::Stale { .. })), "{late:?}");
        }
        server.client.batch_execute("DROP TABLE message_store").await.unwrap();
        let error = history.load(&id, Range::All).await.unwrap_err();
        assert!(matches!(error, HistoryError::Corrupt { .. }), "{error:?}");
        server.stop().await;
    }
    Ok(())
}

/// Any number is a number of connections.
pub(crate) async fn any_number_of_connections_is_taken() -> Tested {
    let server = Server::start().await?;
    for connections in [0, 1, usize::MAX] {
        let builder = PostgresHistory::builder(&server.url).max_connections(connections);
        let history = builder.connect().await.unwrap();
        history.append(&session("s"), &turn(1), Expect::Any).await.unwrap();
    }
    server.stop().await;
    Ok(())
}

/// Every text that the database keeps is replaced by ones that are none of the kind.
pub(crate) async fn errors_quote_nothing_that_is_stored() -> Tested {
    let server = Server::start().await?;
    let history = server.history().await;
    let mut faults = 0;
    for (number, text) in MALFORMED_MESSAGES.iter().enumerate() {
        let id = session(&format!("s{number}"));
        let seen = history.append(&id, &turn(1), Expect::Any).await.unwrap();
        history.put_note(&id, "summary", &Note::new("brief", seen)).await.unwrap();
        for damage in [
            "UPDATE conversant_turns SET messages[1] = $1",
            "UPDATE conversant_notes SET body = $1",
        ] {
            server.client.execute(damage, &[text]).await.unwrap();
        }
        let outcomes = [
            history.turns(&id, Range::All).await.map(drop),
            history.load(&id, Range::All).await.map(drop),
            history.first(&id, 5).await.map(drop),
            history.note(&id, "summary").await.map(drop),
        ];
        for error in outcomes.into_iter().filter_map(Result::err) {
            faults += 1;
            let told = chain(&error) + &format!("{error:?}");
            assert!(!told.contains(MALFORMED_SECRET), "{text}: {told}");
        }
    }
    assert!(faults > 40, "{faults} errors");
    server.stop().await;
    Ok(())
}

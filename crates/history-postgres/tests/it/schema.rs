//! Tables of earlier versions, functions, and partitions.

use conversant_core::{ChatHistory, Expect, HistoryError, Range, SessionId, Turn, TurnId};
use conversant_history_postgres::PostgresHistory;
use conversant_testkit::suite;

use crate::server::{Server, chain};

fn turn(number: u128) -> Turn {
    Turn::exchange("question", "answer").with_id(TurnId::from_u128(number))
}

/// The tables and functions of version 3, before there were functions that keep their plans.
const VERSION_3: [&str; 3] = [
    include_str!("../../src/schema/1.sql"),
    include_str!("../../src/schema/2.sql"),
    include_str!("../../src/schema/3.sql"),
];

/// The append of programs of version 3, which may still run.
const APPEND_3: &str = "SELECT messages FROM conversant_append_turn('s', gen_random_uuid(), \
    0::smallint, 0, 0, 0, ARRAY['{\"type\":\"human\",\"data\":{\"content\":\"old\"}}'], 50, false, \
    NULL, NULL, NULL, NULL, 9223372036854775807)";

/// Programs of the version before write on after an upgrade, both see all turns, and the version of
/// the tables stays one that the program before accepts.
#[tokio::test]
async fn programs_of_the_version_before_go_on() {
    let Some(server) = Server::start("tables of the version before").await else { return };
    for part in VERSION_3 {
        server.client.batch_execute(part).await.unwrap();
    }
    server.client.batch_execute("UPDATE conversant_schema SET version = 3").await.unwrap();
    server.number(APPEND_3).await;
    let history = server.history().await;
    let session = SessionId::new("s").unwrap();
    let seen = history.load(&session, Range::All).await.unwrap();
    assert_eq!(seen.messages.to_string(), "Human: old");
    let seen = history.append(&session, &turn(1), Expect::Exactly(seen.version)).await.unwrap();
    assert_eq!(server.number(APPEND_3).await, 4);
    let found = history.load(&session, Range::After(seen)).await.unwrap();
    assert_eq!(found.messages.to_string(), "Human: old");
    assert_eq!(server.number("SELECT version FROM conversant_schema").await, 3);
    let tip = "SELECT conversant_tip(key, 4) FROM conversant_sessions";
    assert_eq!(server.number(tip).await.cast_unsigned(), found.version.tip);
    // A program that knows more functions has been here.
    server.client.batch_execute("UPDATE conversant_schema SET functions = 99").await.unwrap();
    assert_eq!(server.history().await.load(&session, Range::All).await.unwrap().messages.len(), 4);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_history_in_partitioned_tables_is_a_history() {
    let Some(server) = Server::start("partitioned tables").await else { return };
    let connect = |partitions| PostgresHistory::builder(&server.url).partitions(partitions);
    let history = connect(3).connect().await.unwrap();
    let report = suite::history(|| history.clone()).await.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(report.skipped().next(), None, "{report}");
    let pools = [history.clone(), server.history().await];
    suite::shared_history(&pools).await.unwrap_or_else(|error| panic!("{error}"));
    let used = "SELECT count(DISTINCT tableoid) FROM conversant_turns";
    assert_eq!(server.number(used).await, 3);
    // What is deleted is gone from all of them.
    for session in history.sessions(None, usize::MAX).await.unwrap() {
        history.delete(&session).await.unwrap();
    }
    assert_eq!(server.number("SELECT count(*) FROM conversant_turns").await, 0);

    connect(3).connect().await.unwrap();
    let error = connect(4).connect().await.unwrap_err();
    assert!(matches!(error, HistoryError::Backend { .. }));
    insta::assert_snapshot!(chain(&error), @"cannot reach the history: cannot use 4 partitions: the tables were created with 3; leave `partitions` out, or move the conversations to new tables in another schema");
    server.stop().await;
}

#[tokio::test]
async fn tables_without_partitions_are_not_taken_for_partitioned_ones() {
    let Some(server) = Server::start("tables without partitions").await else { return };
    server.history().await;
    let error = PostgresHistory::builder(&server.url).partitions(2).connect().await.unwrap_err();
    insta::assert_snapshot!(chain(&error), @"cannot reach the history: cannot use 2 partitions: the tables were created with 0; leave `partitions` out, or move the conversations to new tables in another schema");
    server.stop().await;
}

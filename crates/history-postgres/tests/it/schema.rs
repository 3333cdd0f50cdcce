//! Tables of earlier versions, functions, and partitions.

use std::time::UNIX_EPOCH;

use conversant_core::{ChatHistory, Expect, HistoryError, Point, Range, SessionId, Turn, TurnId};
use conversant_harness::Tested;
use conversant_history_postgres::PostgresHistory;
use conversant_testkit::suite;

use crate::server::{Server, chain};

fn turn(number: u128) -> Turn {
    Turn::exchange("question", "answer").with_id(TurnId::from_u128(number))
}

/// The tables of version 3, with the functions that programs of that version call.
const VERSION_3: [&str; 4] = [
    include_str!("../../src/schema/1.sql"),
    include_str!("../../src/schema/2.sql"),
    include_str!("../../src/schema/3.sql"),
    include_str!("../../src/schema/functions_1.sql"),
];

/// Replaces the tables of version 3 by partitioned ones, as that version did.
const PARTITION_3: [&str; 2] = [
    include_str!("../../src/schema/partition.sql"),
    "ALTER TABLE conversant_turns
        ADD FOREIGN KEY (session) REFERENCES conversant_sessions ON DELETE CASCADE;
    CREATE TABLE conversant_turns_0 PARTITION OF conversant_turns
        FOR VALUES WITH (MODULUS 2, REMAINDER 0);
    CREATE TABLE conversant_turns_1 PARTITION OF conversant_turns
        FOR VALUES WITH (MODULUS 2, REMAINDER 1);
    CREATE TABLE conversant_notes_0 PARTITION OF conversant_notes
        FOR VALUES WITH (MODULUS 1, REMAINDER 0);",
];

/// Replaces the tables of version 4 by partitioned ones, as that version did.
const PARTITION_4: [&str; 2] = [
    include_str!("../../src/schema/partition.sql"),
    "CREATE TABLE conversant_turns_0 PARTITION OF conversant_turns
        FOR VALUES WITH (MODULUS 1, REMAINDER 0);
    CREATE TABLE conversant_notes_0 PARTITION OF conversant_notes
        FOR VALUES WITH (MODULUS 1, REMAINDER 0);",
];

/// The appends of programs of version 3, before and after there were functions that keep their
/// plans. They may still run.
const APPENDS_3: [&str; 2] = [
    "SELECT messages FROM conversant_append_turn('s', gen_random_uuid(), 0::smallint, 0, 0, 0, \
        ARRAY['{\"type\":\"human\",\"data\":{\"content\":\"old\"}}'], 50, false, NULL, NULL, NULL, NULL, \
        9223372036854775807)",
    "SELECT (conversant_add_turn('s', '00000000-0000-0000-0000-000000000009', 9, 0::smallint, 0, 0, 0, \
        ARRAY['{\"type\":\"human\",\"data\":{\"content\":\"old\"}}'], 50, false, NULL, NULL, NULL, NULL, \
        9223372036854775807))[3]",
];

/// The tables of the version before are migrated, with partitions or without, and what they hold
/// can branch. Programs of the version before that run write on, and both see all turns.
pub(crate) async fn programs_of_the_version_before_go_on() -> Tested {
    for is_partitioned in [false, true] {
        let server = Server::start().await?;
        let partition = if is_partitioned { &PARTITION_3[..] } else { &[] };
        for part in VERSION_3.iter().chain(partition) {
            server.client.batch_execute(part).await.unwrap();
        }
        let done = "ALTER TABLE conversant_schema ADD COLUMN functions bigint NOT NULL DEFAULT 1; \
            UPDATE conversant_schema SET version = 3";
        server.client.batch_execute(done).await.unwrap();
        for (number, append) in (1..).zip(APPENDS_3) {
            assert_eq!(server.number(append).await, number);
        }
        let history = server.history().await;
        let session = SessionId::new("s").unwrap();
        let seen = history.load(&session, Range::All).await.unwrap();
        assert_eq!(seen.messages.to_string(), "Human: old\nHuman: old");
        let info = history.session_info(&session).await.unwrap().unwrap();
        assert_eq!((info.turns, info.bytes, info.created_at), (2, 100, None));
        assert!(info.last_used_at > UNIX_EPOCH && info.totals.is_empty(), "{info:?}");
        let seen = history.append(&session, &turn(1), Expect::Exactly(seen.version)).await.unwrap();
        assert_eq!(server.number(APPENDS_3[0]).await, 5);
        let found = history.load(&session, Range::After(seen)).await.unwrap();
        assert_eq!(found.messages.to_string(), "Human: old");
        let tip = "SELECT conversant_tip(key, 5) FROM conversant_sessions";
        assert_eq!(server.number(tip).await.cast_unsigned(), found.version.tip);

        // On another branch, too.
        let view = history.at(Point::After(TurnId::from_u128(9))).unwrap();
        view.append(&session, &turn(2), Expect::Any).await.unwrap();
        assert_eq!(server.number(APPENDS_3[0]).await, 5);
        assert_eq!(server.number(APPENDS_3[1]).await, 2);
        let loaded = "SELECT count(*) FROM conversant_load('s', 1::smallint, 0, 0, 0, 0)";
        assert_eq!(server.number(loaded).await, 1 + 4);
        let info = history.session_info(&session).await.unwrap().unwrap();
        assert_eq!((info.turns, info.created_at), (4, None));
        let left = history.alternatives(&session, Point::After(TurnId::from_u128(9))).await;
        assert_eq!(left.unwrap().len(), 2);

        assert_eq!(server.number("SELECT version FROM conversant_schema").await, 5);
        // A program that knows more functions has been here.
        let more = "UPDATE conversant_schema SET functions = 99";
        server.client.batch_execute(more).await.unwrap();
        let found = server.history().await.load(&session, Range::All).await.unwrap();
        assert_eq!(found.messages.len(), 5);
        history.delete(&session).await.unwrap();
        assert_eq!(server.number("SELECT count(*) FROM conversant_turns").await, 0);
        server.stop().await;
    }
    Ok(())
}

/// The tables of version 4, with its functions.
const VERSION_4: [&str; 10] = [
    include_str!("../../src/schema/1.sql"),
    include_str!("../../src/schema/2.sql"),
    include_str!("../../src/schema/3.sql"),
    include_str!("../../src/schema/4.sql"),
    include_str!("../../src/schema/functions_1.sql"),
    include_str!("../../src/schema/functions_2/tree.sql"),
    include_str!("../../src/schema/functions_2/load.sql"),
    include_str!("../data/append_of_version_4.sql"),
    include_str!("../../src/schema/functions_2/branch.sql"),
    include_str!("../../src/schema/functions_2/list.sql"),
];

/// The append of programs of version 4. They may still run.
const APPEND_4: &str = "SELECT (conversant_write_turn('s', 0::smallint, NULL, gen_random_uuid(), \
    conversant_fingerprint(gen_random_uuid()), 0::smallint, 0, 0, 0, \
    ARRAY['{\"type\":\"human\",\"data\":{\"content\":\"old\"}}'], 50, false, NULL, NULL, NULL, NULL, \
    9223372036854775807, 1790000000000, NULL, NULL))[3]";

/// Turns of version 4, which have no fingerprint, are continued by new ones.
pub(crate) async fn turns_of_version_4_are_continued() -> Tested {
    for is_partitioned in [false, true] {
        let server = Server::start().await?;
        let partition = if is_partitioned { &PARTITION_4[..] } else { &[] };
        let (tables, functions) = VERSION_4.split_at(4);
        for part in tables.iter().chain(partition).chain(functions) {
            server.client.batch_execute(part).await.unwrap();
        }
        let done = "ALTER TABLE conversant_schema ADD COLUMN functions bigint NOT NULL DEFAULT 2; \
            UPDATE conversant_schema SET version = 4";
        server.client.batch_execute(done).await.unwrap();
        for messages in 1..=2 {
            assert_eq!(server.number(APPEND_4).await, messages);
        }
        let history = server.history().await;
        let session = SessionId::new("s").unwrap();
        let mut seen = history.load(&session, Range::All).await.unwrap().version;
        assert_eq!(seen.messages, 2);
        for number in 1..=3 {
            let found = history.load(&session, Range::After(seen)).await.unwrap();
            assert_eq!((found.messages.len(), found.version), (0, seen));
            let expect = Expect::SameEpoch(seen);
            seen = history.append(&session, &turn(number), expect).await.unwrap();
        }
        assert_eq!(server.number(APPEND_4).await, 9);
        let found = history.load(&session, Range::After(seen)).await.unwrap();
        assert_eq!(found.messages.to_string(), "Human: old");
        let exactly = Expect::Exactly(found.version);
        let last = history.append(&session, &turn(4), exactly).await.unwrap();
        assert_eq!(last.messages, 11);
        // A turn that is stored already is not stored again.
        let again = history.append(&session, &turn(1), Expect::SameEpoch(last)).await;
        assert_eq!(again.unwrap().messages, 4);
        let info = history.session_info(&session).await.unwrap().unwrap();
        assert_eq!(info.turns, 7);
        server.stop().await;
    }
    Ok(())
}

pub(crate) async fn a_history_in_partitioned_tables_is_a_history() -> Tested {
    let server = Server::start().await?;
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
    Ok(())
}

pub(crate) async fn tables_without_partitions_are_not_taken_for_partitioned_ones() -> Tested {
    let server = Server::start().await?;
    server.history().await;
    let error = PostgresHistory::builder(&server.url).partitions(2).connect().await.unwrap_err();
    insta::assert_snapshot!(chain(&error), @"cannot reach the history: cannot use 2 partitions: the tables were created with 0; leave `partitions` out, or move the conversations to new tables in another schema");
    server.stop().await;
    Ok(())
}

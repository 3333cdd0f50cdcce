//! Tables of earlier versions, functions, and partitions.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use conversant_core::{
    ChatHistory, Expect, HistoryError, Point, Range, SessionFilter, SessionId, Turn, TurnId,
};
use conversant_harness::Tested;
use conversant_history_postgres::PostgresHistory;
use conversant_testkit::suite;
use tokio_postgres::error::SqlState;

use crate::server::{Server, chain, client};

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

        assert_eq!(server.number("SELECT version FROM conversant_schema").await, 7);
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

/// The tables of version 4, and its functions.
const TABLES_4: [&str; 4] = [
    include_str!("../../src/schema/1.sql"),
    include_str!("../../src/schema/2.sql"),
    include_str!("../../src/schema/3.sql"),
    include_str!("../../src/schema/4.sql"),
];
const FUNCTIONS_4: [&str; 7] = [
    include_str!("../../src/schema/functions_1.sql"),
    include_str!("../../src/schema/functions_2/tree.sql"),
    include_str!("../../src/schema/functions_2/load.sql"),
    include_str!("../../src/schema/functions_2/branch.sql"),
    include_str!("../../src/schema/functions_2/list.sql"),
    include_str!("../data/functions_of_version_5.sql"),
    include_str!("../data/append_of_version_4.sql"),
];

/// The additions of version 5.
const TABLES_5: &str = include_str!("../../src/schema/5.sql");
const FUNCTIONS_5: [&str; 2] = [
    include_str!("../../src/schema/functions_3/append.sql"),
    include_str!("../data/functions_of_version_5.sql"),
];

/// The append of programs of version 4, which may still run.
const APPEND_4: &str = "SELECT (conversant_write_turn('s', 0::smallint, NULL, gen_random_uuid(), \
    conversant_fingerprint(gen_random_uuid()), 0::smallint, 0, 0, 0, \
    ARRAY['{\"type\":\"human\",\"data\":{\"content\":\"old\"}}'], 50, false, NULL, NULL, NULL, NULL, \
    9223372036854775807, 1790000000000, NULL, NULL))[3]";

/// The append of programs of version 5 to a session that they have seen.
const APPEND_5: &str = "SELECT (conversant_write_next('s', u.id, conversant_fingerprint(u.id), \
    1::smallint, s.epoch, s.messages, conversant_tip(s.key, s.messages), \
    ARRAY['{\"type\":\"human\",\"data\":{\"content\":\"old\"}}'], 50, false, NULL, NULL, NULL, NULL, \
    9223372036854775807, 1790000000000, NULL, NULL, 1, s.messages + 1, 'infinity', \
    to_timestamp(1790000000)))[3] \
    FROM (SELECT gen_random_uuid() AS id OFFSET 0) u, conversant_sessions s WHERE s.id = 's'";

/// Turns of versions 4 and 5 are continued by new ones, and by programs of these versions.
pub(crate) async fn turns_of_versions_4_and_5_are_continued() -> Tested {
    for (version, is_partitioned) in [(4, false), (4, true), (5, false), (5, true)] {
        let server = Server::start().await?;
        let partition = if is_partitioned { &PARTITION_4[..] } else { &[] };
        let mut parts = [&TABLES_4[..], partition, &FUNCTIONS_4[..]].concat();
        let mut append = APPEND_4;
        if version == 5 {
            parts.insert(TABLES_4.len(), TABLES_5);
            parts.extend(FUNCTIONS_5);
            append = APPEND_5;
        }
        for part in parts {
            server.client.batch_execute(part).await.unwrap();
        }
        let done = format!(
            "ALTER TABLE conversant_schema ADD COLUMN functions bigint NOT NULL DEFAULT {}; \
            UPDATE conversant_schema SET version = {version}",
            version - 2
        );
        server.client.batch_execute(&done).await.unwrap();
        assert_eq!(server.number(APPEND_4).await, 1);
        assert_eq!(server.number(append).await, 2);
        let history = server.history().await;
        let session = SessionId::new("s").unwrap();
        let mut seen = history.load(&session, Range::All).await.unwrap().version;
        assert_eq!(seen.messages, 2);
        for number in 1..=3 {
            let found = history.load(&session, Range::After(seen)).await.unwrap();
            assert_eq!((found.messages.len(), found.version), (0, seen));
            let expect = Expect::SameEpoch(seen);
            seen = history.append(&session, &turn(number), expect).await.unwrap();
            let last = history.load(&session, Range::LastTurns(1)).await.unwrap();
            assert_eq!((last.messages.len(), last.version), (2, seen));
        }
        assert_eq!(server.number(append).await, 9);
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
        // The list finds it by the hour of its last use, which was the server's until now.
        let since = SystemTime::now() - Duration::from_secs(60);
        let filter = SessionFilter::new().with_used_since(since);
        let found = history.list_sessions(&filter, None, 9).await.unwrap();
        assert_eq!(found.sessions.len(), 1, "{found:?}");
        server.stop().await;
    }
    Ok(())
}

/// The functions of version 6 of the tables.
const FUNCTIONS_6: [&str; 9] = [
    include_str!("../../src/schema/functions_1.sql"),
    include_str!("../../src/schema/functions_2/tree.sql"),
    include_str!("../../src/schema/functions_2/load.sql"),
    include_str!("../../src/schema/functions_2/branch.sql"),
    include_str!("../../src/schema/functions_2/list.sql"),
    include_str!("../../src/schema/functions_3/append.sql"),
    include_str!("../../src/schema/functions_4/sessions.sql"),
    include_str!("../../src/schema/functions_4/append.sql"),
    include_str!("../../src/schema/functions_5.sql"),
];

/// Turns of branches that version 6 stored are found by their ids, and an append that the migration
/// interrupted begins again.
pub(crate) async fn branches_of_version_6_are_found() -> Tested {
    let server = Server::start().await?;
    let tables = [TABLES_5, include_str!("../../src/schema/6.sql")];
    for part in TABLES_4.iter().chain(&tables).chain(&FUNCTIONS_6) {
        server.client.batch_execute(part).await.unwrap();
    }
    let done = "ALTER TABLE conversant_schema ADD COLUMN functions bigint NOT NULL DEFAULT 5; \
        UPDATE conversant_schema SET version = 6";
    server.client.batch_execute(done).await.unwrap();
    // Turns 2 and 3 follow turn 1, and turn 4 follows turn 3.
    for (number, after) in [(1, None), (2, Some(1)), (3, Some(1)), (4, Some(3))] {
        let [id, after] = [Some(number), after].map(|turn| TurnId::from_u128(turn.unwrap_or(0)));
        let append = format!(
            "SELECT (conversant_write_turn('s', {}::smallint, '{after}', '{id}', \
                conversant_fingerprint('{id}'), 0::smallint, 0, 0, 0, \
                ARRAY['{{\"type\":\"human\",\"data\":{{\"content\":\"{number}\"}}}}'], 50, false, NULL, \
                NULL, NULL, NULL, 9223372036854775807, NULL, NULL, NULL))[3]",
            if number > 1 { 2 } else { 0 },
        );
        server.number(&append).await;
    }
    let history = server.history().await;
    let session = SessionId::new("s").unwrap();
    for (point, expected) in [(4, "Human: 1\nHuman: 3\nHuman: 4"), (2, "Human: 1\nHuman: 2")] {
        let view = history.at(Point::After(TurnId::from_u128(point))).unwrap();
        let found = view.load(&session, Range::All).await.unwrap();
        assert_eq!(found.messages.to_string(), expected);
    }
    let other = history.append(&session, &turn(4), Expect::Any).await;
    assert!(matches!(other, Err(HistoryError::TurnIdInUse { .. })), "{other:?}");
    let left = history.alternatives(&session, Point::After(TurnId::from_u128(1))).await.unwrap();
    let left: Vec<_> = left.iter().map(|found| (found.turn, found.newest)).collect();
    assert_eq!(left, [(2, 2), (3, 4)].map(|(a, b)| (TurnId::from_u128(a), TurnId::from_u128(b))));
    let interrupted = "SELECT conversant_branch_for(s, s.key, 0) FROM conversant_sessions s";
    let error = server.client.execute(interrupted, &[]).await.unwrap_err();
    assert_eq!(error.code(), Some(&SqlState::T_R_SERIALIZATION_FAILURE));
    history.delete(&session).await.unwrap();
    assert_eq!(server.number("SELECT count(*) FROM conversant_branch_turns").await, 0);
    server.stop().await;
    Ok(())
}

/// The functions of versions 6 to 8, after those of version 6 of the tables.
const FUNCTIONS_8: [&str; 4] = [
    include_str!("../../src/schema/functions_4/next.sql"),
    include_str!("../../src/schema/functions_6.sql"),
    include_str!("../../src/schema/functions_7.sql"),
    include_str!("../../src/schema/functions_8.sql"),
];

/// A fork at the start, as programs of each version of the functions make it.
const FORK: &str =
    "SELECT (conversant_fork('s', 1::smallint, NULL, 'fork', 32, NULL, 9223372036854775807))[3]";

/// With the functions of version 9, a fork at the start has labels, also that of a program which
/// knew the functions of version 8.
pub(crate) async fn forks_have_labels_since_version_9() -> Tested {
    let server = Server::start().await?;
    let tables =
        [TABLES_5, include_str!("../../src/schema/6.sql"), include_str!("../../src/schema/7.sql")];
    for part in TABLES_4.iter().chain(&tables).chain(&FUNCTIONS_6).chain(&FUNCTIONS_8) {
        server.client.batch_execute(part).await.unwrap();
    }
    let done = "ALTER TABLE conversant_schema ADD COLUMN functions bigint NOT NULL DEFAULT 8; \
        UPDATE conversant_schema SET version = 7";
    server.client.batch_execute(done).await.unwrap();
    let label = "SELECT conversant_hold_listed('s', false, NULL, 9223372036854775807); \
        UPDATE conversant_sessions SET labels = '{\"user\": \"ada\"}'";
    server.client.batch_execute(label).await.unwrap();
    assert_eq!(server.number(FORK).await, 0);
    let forks = "SELECT count(*) FROM conversant_sessions \
        WHERE id = 'fork' AND labels = '{\"user\": \"ada\"}' AND used_ms > 0";
    assert_eq!(server.number(forks).await, 0);
    let history = server.history().await;
    assert_eq!(server.number("SELECT functions FROM conversant_schema").await, 10);
    assert_eq!(server.number(FORK).await, 0);
    assert_eq!(server.number(forks).await, 1);
    let filter = SessionFilter::new().with_label("user", "ada");
    assert_eq!(history.list_sessions(&filter, None, 9).await.unwrap().sessions.len(), 2);
    server.stop().await;
    Ok(())
}

/// The functions of version 9, after those of versions 6 to 8.
const FUNCTIONS_9: &str = include_str!("../../src/schema/functions_9.sql");

/// With the functions of version 10, no session is deleted by a part of what is searched, also by a
/// program which knew the functions of version 9.
pub(crate) async fn deletions_know_stop_words_since_version_10() -> Tested {
    let server = Server::start().await?;
    let tables =
        [TABLES_5, include_str!("../../src/schema/6.sql"), include_str!("../../src/schema/7.sql")];
    let functions = FUNCTIONS_6.iter().chain(&FUNCTIONS_8).chain([&FUNCTIONS_9]);
    for part in TABLES_4.iter().chain(&tables).chain(functions) {
        server.client.batch_execute(part).await.unwrap();
    }
    let done = "ALTER TABLE conversant_schema ADD COLUMN functions bigint NOT NULL DEFAULT 9; \
        UPDATE conversant_schema SET version = 7, search = 'english'";
    server.client.batch_execute(include_str!("../../src/schema/search.sql")).await.unwrap();
    server.client.batch_execute(done).await.unwrap();
    let history = server.history().await;
    let session = SessionId::new("s").unwrap();
    history.append(&session, &Turn::exchange("Kyoto", "Nara"), Expect::Any).await.unwrap();
    let delete = "SELECT conversant_delete_sessions('{}', 0, 9223372036854775807, $1, 9, $2)";
    let words = ["will", "kyoto"].map(str::to_owned).to_vec();
    let refused = server.client.query(delete, &[&words, &i64::MAX]).await.unwrap_err();
    assert_eq!(refused.code(), Some(&SqlState::from_code("CV005")));
    assert_eq!(server.number("SELECT count(*) FROM conversant_sessions").await, 1);
    server.stop().await;
    Ok(())
}

/// A migration is not given up at the limit of operations.
pub(crate) async fn a_migration_takes_as_long_as_it_needs() -> Tested {
    let server = Server::start_alone().await?;
    let before = server.history().await;
    let session = SessionId::new("s").unwrap();
    before.set_title(&session, Some("A trip to Kyoto")).await.unwrap();
    let lock = "BEGIN; LOCK TABLE conversant_sessions IN EXCLUSIVE MODE";
    server.client.batch_execute(lock).await.unwrap();
    let limit = Duration::from_secs(3);
    // A transaction sees the activity of one moment.
    let control = client(&server.url).await;
    let url = format!("{}application_name=slow", server.url);
    let builder = PostgresHistory::builder(url).search("simple").operation_timeout(limit);
    let connecting = tokio::spawn(builder.connect());
    let has_waited = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'slow' \
        AND wait_event_type = 'Lock' AND query_start < clock_timestamp() - interval '3.1 s'";
    while control.query_one(has_waited, &[]).await.unwrap().get::<_, i64>(0) == 0 {
        assert!(!connecting.is_finished());
    }
    server.client.batch_execute("COMMIT").await.unwrap();
    let history = connecting.await.unwrap().unwrap();
    let filter = SessionFilter::new().with_text("kyoto");
    assert_eq!(history.list_sessions(&filter, None, 9).await.unwrap().sessions.len(), 1);
    server.stop().await;
    Ok(())
}

/// A migration that is ended, as by an administrator, begins again only within the limit.
pub(crate) async fn a_migration_that_is_ended_late_does_not_begin_again() -> Tested {
    let server = Server::start_alone().await?;
    server.history().await;
    let lock = "BEGIN; LOCK TABLE conversant_sessions IN EXCLUSIVE MODE";
    server.client.batch_execute(lock).await.unwrap();
    // A transaction sees the activity of one moment.
    let control = client(&server.url).await;
    let url = format!("{}application_name=ended", server.url);
    let limit = Duration::from_secs(3);
    let builder = PostgresHistory::builder(url).search("simple").operation_timeout(limit);
    let mut connecting = tokio::spawn(builder.clone().connect());
    let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
        WHERE datname = current_database() AND application_name = 'ended' \
        AND wait_event_type = 'Lock' AND query_start < clock_timestamp() - interval '3.1 s'";
    while control.query_one(end, &[]).await.unwrap().get::<_, i64>(0) == 0 {
        if connecting.is_finished() {
            // A loaded machine may take longer to connect.
            connecting = tokio::spawn(builder.clone().connect());
        }
    }
    server.client.batch_execute("COMMIT").await.unwrap();
    let error = connecting.await.unwrap().unwrap_err();
    assert!(chain(&error).contains("administrator"), "{}", chain(&error));
    server.stop().await;
    Ok(())
}

/// The program that created the search ended before it had added the titles.
pub(crate) async fn titles_of_an_interrupted_search_are_added_later() -> Tested {
    let server = Server::start().await?;
    let history = server.history().await;
    let session = SessionId::new("s").unwrap();
    history.set_title(&session, Some("A trip to Kyoto")).await.unwrap();
    let done = "UPDATE conversant_schema SET search = 'simple'";
    for part in [include_str!("../../src/schema/search.sql"), done] {
        server.client.batch_execute(part).await.unwrap();
    }
    let history = server.history().await;
    let filter = SessionFilter::new().with_text("kyoto");
    for expected in [0, 1] {
        let found = history.list_sessions(&filter, None, 9).await.unwrap();
        assert_eq!(found.sessions.len(), expected);
        assert_eq!(history.index_for_search(9).await.unwrap(), 1 - expected);
    }
    server.stop().await;
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

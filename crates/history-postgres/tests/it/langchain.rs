//! The history in LangChain's table: rows of Python's and of ours, and what can't be promised
//! there.

use std::collections::BTreeSet;

use conversant_core::{
    ChatHistory, Expect, HistoryError, Message, Range, Role, SessionId, Turn, TurnId, Version,
};
use conversant_history_postgres::LangChainPostgresHistory;
use conversant_testkit::suite::{self, SuiteError};
use serde_json::{Value as Json, json};

use crate::server::{Server, chain};

/// Rows as langchain-community 0.0.38 (langchain-core 0.1.53) wrote them with
/// `SQLChatMessageHistory`, one a line.
const ROWS: &str = include_str!("langchain_rows.jsonl");

impl Server {
    async fn langchain(&self, as_text: bool) -> LangChainPostgresHistory {
        let builder = LangChainPostgresHistory::builder(&self.url);
        let builder = if as_text { builder.messages_as_text() } else { builder };
        builder.connect().await.unwrap()
    }

    /// Writes a row as Python does.
    async fn python(&self, session: &str, row: &str) {
        let insert = "INSERT INTO message_store (session_id, message) SELECT $1, $2::text::jsonb";
        let insert_text = "INSERT INTO message_store (session_id, message) SELECT $1, $2::text";
        if self.client.execute(insert, &[&session, &row]).await.is_err() {
            self.client.execute(insert_text, &[&session, &row]).await.unwrap();
        }
    }
}

fn session() -> SessionId {
    SessionId::new("user-7").unwrap()
}

#[tokio::test]
async fn a_conversation_of_pythons_goes_on() {
    for as_text in [false, true] {
        let Some(server) = Server::start("a conversation of Python's").await else { return };
        let history = server.langchain(as_text).await;
        for row in ROWS.lines() {
            server.python("user-7", row).await;
        }
        let slice = history.load(&session(), Range::All).await.unwrap();
        let expected = ROWS.lines().map(|row| serde_json::from_str::<Message>(row).unwrap());
        assert!(slice.messages.iter().eq(&expected.collect::<Vec<_>>()));
        assert_eq!((slice.version.epoch, slice.version.messages), (1, 10));
        for count in [0, 1, 3, 10, 11] {
            let first = history.first(&session(), count).await.unwrap().unwrap();
            assert_eq!(first, slice.messages.slice(..count), "{count}");
        }
        // A turn is from one human message to the next; the last one is half a turn.
        let turns = history.turns(&session(), Range::All).await.unwrap();
        let sizes: Vec<usize> = turns.iter().map(|turn| turn.messages().len()).collect();
        assert_eq!(sizes, [3, 6, 1]);
        assert_eq!(turns, history.turns(&session(), Range::All).await.unwrap());

        let turn =
            Turn::exchange("Rust here", "Hello!").with_base(slice.version).with_incomplete(true);
        let expect = Expect::Exactly(slice.version);
        let version = history.append(&session(), &turn, expect).await.unwrap();
        assert_eq!(version, Version::new(1, 12).with_tip(turn.id().fingerprint()));
        assert_eq!(history.append(&session(), &turn, expect).await.unwrap(), version);
        server.python("user-7", r#"{"type":"human","data":{"content":"Python again"}}"#).await;
        assert_eq!(history.append(&session(), &turn, expect).await.unwrap(), version);

        let turns = history.turns(&session(), Range::LastTurns(2)).await.unwrap();
        assert_eq!(turns[0], turn);
        assert_eq!(turns[1].messages().to_string(), "Human: Python again");
        for (range, expected) in [
            (Range::LastTurns(1), 1),
            (Range::LastTurns(2), 3),
            (Range::LastTurns(3), 4),
            (Range::LastTurns(4), 10),
            (Range::LastTurns(5), 13),
            (Range::LastTurns(6), 13),
            (Range::LastMessages(2), 2),
            (Range::After(version), 1),
            (Range::After(Version::new(0, 0)), 13),
            (Range::LastBytes(u64::MAX), 13),
        ] {
            let found = history.load(&session(), range).await.unwrap();
            assert_eq!(found.messages.len(), expected, "{range:?}");
            assert_eq!(found.version.messages, 13);
        }
        server.stop().await;
    }
}

#[tokio::test]
async fn rows_of_ours_are_langchains() {
    let Some(server) = Server::start("rows of ours").await else { return };
    let history = server.langchain(true).await;
    let question = Message::human("hi").with_extra("additional_kwargs", json!({"theirs": 1}));
    let turn = Turn::new(vec![question, Message::ai("hello")])
        .with_id(TurnId::from_u128(7))
        .with_base(Version::new(3, 4))
        .with_incomplete(true);
    history.append(&session(), &turn, Expect::Any).await.unwrap();
    assert_eq!(history.turns(&session(), Range::All).await.unwrap(), [turn]);
    let rows =
        server.client.query("SELECT message FROM message_store ORDER BY id", &[]).await.unwrap();
    let rows: Vec<Json> =
        rows.iter().map(|row| serde_json::from_str(row.get(0)).unwrap()).collect();
    insta::assert_snapshot!(serde_json::to_string_pretty(&rows).unwrap(), @r#"
    [
      {
        "type": "human",
        "data": {
          "content": "hi",
          "additional_kwargs": {
            "theirs": 1,
            "conversant_turn_id": "00000000-0000-0000-0000-000000000007",
            "conversant_incomplete": true,
            "conversant_base": "3.4"
          },
          "response_metadata": {},
          "type": "human",
          "name": null,
          "id": null,
          "example": false
        }
      },
      {
        "type": "ai",
        "data": {
          "content": "hello",
          "additional_kwargs": {
            "conversant_turn_id": "00000000-0000-0000-0000-000000000007",
            "conversant_incomplete": true,
            "conversant_base": "3.4"
          },
          "response_metadata": {},
          "type": "ai",
          "name": null,
          "id": null,
          "example": false,
          "tool_calls": [],
          "invalid_tool_calls": []
        }
      }
    ]
    "#);
    server.stop().await;
}

#[tokio::test]
async fn conversations_move_to_our_own_tables() {
    let Some(server) = Server::start("a move to our own tables").await else { return };
    let (old, new) = (server.langchain(true).await, server.history().await);
    for row in ROWS.lines() {
        server.python("user-7", row).await;
        server.python("user-8", row).await;
    }
    // Once, and again: nothing is there twice.
    for _ in 0..2 {
        for session in old.sessions(None, 10).await.unwrap() {
            for turn in old.turns(&session, Range::All).await.unwrap() {
                new.append(&session, &turn, Expect::Any).await.unwrap();
            }
            let [old, new] = [
                old.load(&session, Range::All).await.unwrap(),
                new.load(&session, Range::All).await.unwrap(),
            ];
            assert_eq!(old.messages, new.messages);
        }
    }
    assert_eq!(new.sessions(None, 10).await.unwrap().len(), 2);
    server.stop().await;
}

#[tokio::test]
async fn what_python_does_meanwhile_is_seen() {
    let Some(server) = Server::start("what Python does meanwhile").await else { return };
    let history = server.langchain(false).await;
    let turn = |text| Turn::exchange(text, "answer");
    let empty = history.load(&session(), Range::All).await.unwrap().version;
    assert_eq!(empty, Version::default());
    server.python("user-7", r#"{"type":"human","data":{"content":"first"}}"#).await;
    let late = history.append(&session(), &turn("late"), Expect::Exactly(empty)).await;
    assert!(matches!(late, Err(HistoryError::Stale { .. })), "{late:?}");
    let seen = history.append(&session(), &turn("kept"), Expect::SameEpoch(empty)).await.unwrap();
    assert_eq!(seen.messages, 3);
    // Python clears the session, and another client begins anew.
    server.client.batch_execute("DELETE FROM message_store").await.unwrap();
    for _ in 0..4 {
        for expect in [Expect::SameEpoch(seen), Expect::Exactly(seen)] {
            let late = history.append(&session(), &turn("late"), expect).await;
            assert!(matches!(late, Err(HistoryError::Stale { .. })), "{late:?}");
        }
        server.python("user-7", r#"{"type":"human","data":{"content":"anew"}}"#).await;
    }
    // Python drops the last rows.
    let seen = history.load(&session(), Range::All).await.unwrap().version;
    server
        .client
        .batch_execute("DELETE FROM message_store WHERE id = (SELECT max(id) FROM message_store)")
        .await
        .unwrap();
    let late = history.append(&session(), &turn("late"), Expect::SameEpoch(seen)).await;
    assert!(matches!(late, Err(HistoryError::Stale { .. })), "{late:?}");
    server.stop().await;
}

#[tokio::test]
async fn what_a_table_does_not_take_is_told() {
    let Some(server) = Server::start("what LangChain's table does not take").await else { return };
    let history = server.langchain(false).await;
    let mut told = String::new();
    for message in [
        Message::human("nul \0 inside"),
        Message::new(Role::Tool, "no id"),
        Message::human("odd").with_extra("additional_kwargs", "text"),
    ] {
        let turn = Turn::new(vec![Message::human("first"), message]);
        let error = history.append(&session(), &turn, Expect::Any).await.unwrap_err();
        told.push_str(&format!("{}\n", chain(&error)));
    }
    assert_eq!(server.number("SELECT count(*) FROM message_store").await, 0);
    server.python("user-7", r#"{"type":"pickle","data":{}}"#).await;
    let error = history.load(&session(), Range::All).await.unwrap_err();
    told.push_str(&format!("{}\n", chain(&error)));
    for table in ["", "a.b.c", "messages; DROP TABLE messages", "\"quoted\"", "1st", "caf\u{e9}"] {
        let builder = LangChainPostgresHistory::builder(&server.url).table(table);
        let error = builder.connect().await.unwrap_err();
        told.push_str(&format!("{table}: {}\n", chain(&error)));
    }
    server.client.batch_execute("CREATE TABLE other (id int, message int)").await.unwrap();
    let other = LangChainPostgresHistory::builder(&server.url).table("other").connect().await;
    told.push_str(&format!("{}\n", chain(&other.unwrap_err())));
    insta::assert_snapshot!(told, @r#"
    cannot use NUL characters in a LangChain table whose messages are jsonb: the history does not support it
    cannot use a tool or function message without the id or name of what it answers: the history does not support it
    cannot use messages whose `additional_kwargs` are not an object: the history does not support it
    the history is corrupt: cannot decode row 2: unknown type `pickle` of a stored message
    : cannot reach the history: invalid table name; use letters, digits and underscores
    a.b.c: cannot reach the history: invalid table name; use letters, digits and underscores
    messages; DROP TABLE messages: cannot reach the history: invalid table name; use letters, digits and underscores
    "quoted": cannot reach the history: invalid table name; use letters, digits and underscores
    1st: cannot reach the history: invalid table name; use letters, digits and underscores
    café: cannot reach the history: invalid table name; use letters, digits and underscores
    cannot reach the history: cannot use the table: its column `message` is neither `jsonb` nor `text`
    "#);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_suite_says_what_is_missing() {
    for as_text in [false, true] {
        let Some(server) = Server::start("the suite on LangChain's table").await else { return };
        let history = server.langchain(as_text).await;
        let error: SuiteError = suite::history(|| history.clone()).await.unwrap_err();
        let failed: BTreeSet<&str> = error.failed().map(|(check, _)| check).collect();
        // The epoch begins with the first row, and jsonb takes no NUL.
        let mut expected = BTreeSet::from([
            "a_turn_is_loaded_as_it_was_appended",
            "clearing_empties_and_starts_an_epoch",
            "one_turn_appended_by_many_is_there_once",
        ]);
        if !as_text {
            expected.insert("odd_texts_come_back_as_they_were");
        }
        assert_eq!(failed, expected, "{error}");
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn turns_of_two_pools_are_whole() {
    let Some(server) = Server::start("writers to LangChain's table").await else { return };
    let pools = [server.langchain(false).await, server.langchain(false).await];
    let mut writers = Vec::new();
    for task in 0..16 {
        let history = pools[task % 2].clone();
        writers.push(tokio::spawn(async move {
            for number in 0..10 {
                let turn = Turn::exchange(format!("{task}.{number}"), "answer");
                history.append(&session(), &turn, Expect::Any).await.unwrap();
            }
        }));
    }
    for writer in writers {
        writer.await.unwrap();
    }
    let turns = pools[0].turns(&session(), Range::All).await.unwrap();
    assert_eq!(turns.len(), 160);
    assert!(turns.iter().all(|turn| turn.messages().len() == 2));
    server.stop().await;
}

//! The history in LangChain's table: rows of Python's and of ours, and what can't be promised
//! there.

use std::collections::BTreeSet;

use conversant_core::{
    BoxError, ChatHistory, Expect, Message, Range, Role, SessionId, Turn, TurnId, Version,
    async_trait,
};
use conversant_harness::Tested;
use conversant_history_postgres::LangChainPostgresHistory;
use conversant_testkit::suite::{self, LangChainRows, SuiteError};
use serde_json::{Value as Json, json};

use crate::server::{Server, chain};

impl Server {
    async fn langchain(&self, as_text: bool) -> LangChainPostgresHistory {
        let builder = LangChainPostgresHistory::builder(&self.url);
        let builder = if as_text { builder.messages_as_text() } else { builder };
        builder.connect().await.unwrap()
    }
}

fn session() -> SessionId {
    SessionId::new("user-7").unwrap()
}

#[async_trait]
impl LangChainRows for Server {
    async fn add(&self, session: &SessionId, row: &str) -> Result<(), BoxError> {
        let session = session.as_str();
        let insert = "INSERT INTO message_store (session_id, message) SELECT $1, $2::text::jsonb";
        let insert_text = "INSERT INTO message_store (session_id, message) SELECT $1, $2::text";
        if self.client.execute(insert, &[&session, &row]).await.is_err() {
            self.client.execute(insert_text, &[&session, &row]).await?;
        }
        Ok(())
    }

    async fn clear(&self, session: &SessionId) -> Result<(), BoxError> {
        let session = session.as_str();
        self.client.execute("DELETE FROM message_store WHERE session_id = $1", &[&session]).await?;
        let restart = "SELECT setval(pg_get_serial_sequence('message_store', 'id'), \
            (SELECT coalesce(max(id), 0) + 1 FROM message_store), false)";
        self.client.query(restart, &[]).await?;
        Ok(())
    }

    async fn remove_last(&self, session: &SessionId) -> Result<(), BoxError> {
        let session = session.as_str();
        let last = "DELETE FROM message_store \
            WHERE id = (SELECT max(id) FROM message_store WHERE session_id = $1)";
        self.client.execute(last, &[&session]).await?;
        Ok(())
    }
}

pub(crate) async fn conversations_are_shared_with_python() -> Tested {
    for as_text in [false, true] {
        let server = Server::start().await?;
        let (history, own) = (server.langchain(as_text).await, server.history().await);
        let report = suite::langchain_history(&history, &own, &server).await;
        let report = report.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(report.skipped().next(), None, "{report}");
        server.stop().await;
    }
    Ok(())
}

pub(crate) async fn rows_of_ours_are_langchains() -> Tested {
    let server = Server::start().await?;
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
    Ok(())
}

pub(crate) async fn what_a_table_does_not_take_is_told() -> Tested {
    let server = Server::start().await?;
    let history = server.langchain(false).await;
    let mut told = String::new();
    for message in [
        Message::human("nul \0 inside"),
        Message::new(Role::Tool, "no id"),
        Message::human("odd").with_extra("additional_kwargs", "text"),
    ] {
        let turn = Turn::new(vec![Message::human("first"), message.clone()]);
        // It is refused before a model is paid.
        assert!(history.check(&session(), &[message]).is_err());
        let error = history.append(&session(), &turn, Expect::Any).await.unwrap_err();
        told.push_str(&format!("{}\n", chain(&error)));
    }
    assert_eq!(server.number("SELECT count(*) FROM message_store").await, 0);
    server.add(&session(), r#"{"type":"pickle","data":{}}"#).await.unwrap();
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
    cannot use the history: cannot decode row 1: unknown type `pickle` of a stored message
    : cannot reach the history: cannot use the table name ``: it is not one of SQL without quotes; use letters, digits and underscores, at most 63
    a.b.c: cannot reach the history: cannot use the table name `a.b.c`: it is not one of SQL without quotes; use letters, digits and underscores, at most 63
    messages; DROP TABLE messages: cannot reach the history: cannot use the table name `messages; DROP TABLE messages`: it is not one of SQL without quotes; use letters, digits and underscores, at most 63
    "quoted": cannot reach the history: cannot use the table name `"quoted"`: it is not one of SQL without quotes; use letters, digits and underscores, at most 63
    1st: cannot reach the history: cannot use the table name `1st`: it is not one of SQL without quotes; use letters, digits and underscores, at most 63
    café: cannot reach the history: cannot use the table name `café`: it is not one of SQL without quotes; use letters, digits and underscores, at most 63
    cannot reach the history: cannot use the table: its column `message` is neither `jsonb` nor `text`
    "#);
    server.stop().await;
    Ok(())
}

pub(crate) async fn the_suite_says_what_is_missing() -> Tested {
    tokio::try_join!(what_is_missing(false), what_is_missing(true))?;
    Ok(())
}

async fn what_is_missing(as_text: bool) -> Tested {
    let server = Server::start().await?;
    let history = server.langchain(as_text).await;
    let error: SuiteError = suite::history(|| history.clone()).await.unwrap_err();
    let failed: BTreeSet<&str> = error.failed().map(|(check, _)| check).collect();
    // The epoch begins with the first row, and jsonb takes no NUL.
    let mut expected = BTreeSet::from([
        "a_turn_is_loaded_as_it_was_appended",
        "clearing_an_empty_session_starts_an_epoch",
        "clearing_empties_and_starts_an_epoch",
        "one_turn_appended_by_many_is_there_once",
    ]);
    if !as_text {
        expected.insert("odd_texts_come_back_as_they_were");
    }
    assert_eq!(failed, expected, "{error}");
    server.stop().await;
    Ok(())
}

pub(crate) async fn writers_of_two_pools_have_one_order() -> Tested {
    let server = Server::start().await?;
    let pools = [server.langchain(false).await, server.langchain(false).await];
    let report = suite::shared_history(&pools).await.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(report.skipped().next(), None, "{report}");
    server.stop().await;
    Ok(())
}

/// Another process appends to the old conversation once `clear` has seen it.
pub(crate) async fn what_is_appended_while_a_session_is_cleared_is_gone() -> Tested {
    let server = Server::start().await?;
    let history = server.langchain(false).await;
    history.append(&session(), &Turn::exchange("hi", "hello"), Expect::Any).await.unwrap();
    let lock = "BEGIN; LOCK TABLE message_store IN EXCLUSIVE MODE";
    server.client.batch_execute(lock).await.unwrap();
    let clearing = tokio::spawn({
        let history = history.clone();
        async move { history.clear(&session()).await }
    });
    let waits = "SELECT count(*) FROM pg_locks \
        WHERE relation = 'message_store'::regclass AND NOT granted";
    while server.number(waits).await == 0 {}
    let late = "INSERT INTO message_store (session_id, message) \
        SELECT session_id, message FROM message_store; COMMIT";
    server.client.batch_execute(late).await.unwrap();
    clearing.await.unwrap().unwrap();
    assert_eq!(server.number("SELECT count(*) FROM message_store").await, 0);
    server.stop().await;
    Ok(())
}

/// A program that moves conversations must not take a table that is not there for an empty one.
pub(crate) async fn a_missing_table_is_created_unless_it_is_forbidden() -> Tested {
    let server = Server::start_alone().await?;
    let open = |table: &str| {
        LangChainPostgresHistory::builder(&server.url).table(table).create(false).connect()
    };
    let missing = chain(&open("message_store").await.unwrap_err());
    let what = "cannot find LangChain's columns in the table `message_store`; no other table has";
    assert!(missing.contains(what), "{missing}");
    LangChainPostgresHistory::builder(&server.url).table("chats").connect().await.unwrap();
    let bills =
        "CREATE SCHEMA shop; CREATE TABLE shop.talks (id int, session_id text, message text);
        CREATE TABLE bills (id int, session_id text)";
    server.client.batch_execute(bills).await.unwrap();
    let missing = chain(&open("message_store").await.unwrap_err());
    assert!(missing.ends_with("columns are in `chats`, `shop.talks`"), "{missing}");
    open("chats").await.unwrap();
    open("shop.talks").await.unwrap();
    server.stop().await;
    Ok(())
}

pub(crate) async fn an_index_is_known_by_its_first_column() -> Tested {
    let server = Server::start().await?;
    let history = server.langchain(false).await;
    assert!(!history.has_index().await.unwrap());
    let others = "CREATE INDEX ON message_store (id, session_id);
        CREATE INDEX ON message_store (session_id) WHERE id > 7";
    server.client.batch_execute(others).await.unwrap();
    assert!(!history.has_index().await.unwrap());
    for _ in 0..2 {
        history.add_index().await.unwrap();
        assert!(history.has_index().await.unwrap());
    }
    let indexes = "SELECT count(*) FROM pg_indexes \
        WHERE schemaname = current_schema() AND tablename = 'message_store'";
    assert_eq!(server.number(indexes).await, 4);
    server.stop().await;
    Ok(())
}

//! The history in LangChain's lists: rows of Python's and of ours, and what can't be promised
//! there.

use std::{collections::BTreeSet, time::Duration};

use conversant_core::{
    BoxError, ChatHistory, Expect, Message, Range, Role, SessionId, Turn, TurnId, Version,
    async_trait,
};
use conversant_harness::Tested;
use conversant_history_redis::LangChainRedisHistory;
use conversant_testkit::suite::{self, LangChainRows, SuiteError};
use serde_json::{Value as Json, json};

use crate::server::{Server, chain};

impl Server {
    async fn langchain(&self) -> LangChainRedisHistory {
        let builder = LangChainRedisHistory::builder(&self.url);
        builder.prefix(format!("{}message_store:", self.prefix)).connect().await.unwrap()
    }
}

fn session() -> SessionId {
    SessionId::new("user-7").unwrap()
}

#[async_trait]
impl LangChainRows for Server {
    async fn add(&self, session: &SessionId, row: &str) -> Result<(), BoxError> {
        let mut push = redis::cmd("LPUSH");
        push.arg(format!("{}message_store:{session}", self.prefix)).arg(row);
        push.query_async::<()>(&mut self.connection.clone()).await?;
        Ok(())
    }

    async fn clear(&self, session: &SessionId) -> Result<(), BoxError> {
        let mut delete = redis::cmd("DEL");
        delete.arg(format!("{}message_store:{session}", self.prefix));
        delete.query_async::<()>(&mut self.connection.clone()).await?;
        Ok(())
    }

    async fn remove_last(&self, session: &SessionId) -> Result<(), BoxError> {
        let mut pop = redis::cmd("LPOP");
        pop.arg(format!("{}message_store:{session}", self.prefix));
        pop.query_async::<String>(&mut self.connection.clone()).await?;
        Ok(())
    }
}

pub(crate) async fn conversations_are_shared_with_python() -> Tested {
    let server = Server::start().await?;
    let (history, own) = (server.langchain().await, server.history().await);
    let report = suite::langchain_history(&history, &own, &server).await;
    let report = report.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(report.skipped().next(), None, "{report}");
    server.stop().await;
    Ok(())
}

pub(crate) async fn rows_of_ours_are_langchains() -> Tested {
    let server = Server::start().await?;
    let history = server.langchain().await;
    let question = Message::human("hi").with_extra("additional_kwargs", json!({"theirs": 1}));
    let turn = Turn::new(vec![question, Message::ai("hello")])
        .with_id(TurnId::from_u128(7))
        .with_base(Version::new(3, 4))
        .with_incomplete(true);
    history.append(&session(), &turn, Expect::Any).await.unwrap();
    assert_eq!(history.turns(&session(), Range::All).await.unwrap(), [turn]);
    // The newest is the first.
    let mut rows: Vec<String> = server.run("LRANGE @message_store:user-7 0 -1").await;
    rows.reverse();
    let rows: Vec<Json> = rows.iter().map(|row| serde_json::from_str(row).unwrap()).collect();
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

pub(crate) async fn what_a_list_does_not_take_is_told() -> Tested {
    let server = Server::start().await?;
    let history = server.langchain().await;
    let mut told = String::new();
    for message in [
        Message::new(Role::Tool, "no id"),
        Message::human("odd").with_extra("additional_kwargs", "text"),
    ] {
        let turn = Turn::new(vec![Message::human("first"), message]);
        let error = history.append(&session(), &turn, Expect::Any).await.unwrap_err();
        told.push_str(&format!("{}\n", chain(&error)));
    }
    server.add(&session(), r#"{"type":"human","data":{"content":"first"}}"#).await.unwrap();
    let rows = [
        r#"{"type":"pickle","data":{}}"#,
        "not JSON",
        r#"{"type":"ai","data":{"content":"\ud800"}}"#,
    ];
    for row in rows {
        server.add(&session(), row).await.unwrap();
        let error = history.load(&session(), Range::LastMessages(1)).await.unwrap_err();
        told.push_str(&format!("{}\n", chain(&error)));
    }
    insta::assert_snapshot!(told, @"
    cannot use a tool or function message without the id or name of what it answers: the history does not support it
    cannot use messages whose `additional_kwargs` are not an object: the history does not support it
    cannot use the history: cannot decode row 1: unknown type `pickle` of a stored message
    cannot use the history: cannot decode row 2: expected ident at line 1 column 2
    cannot use the history: cannot decode row 3: unexpected end of hex escape at line 1 column 39
    ");
    server.stop().await;
    Ok(())
}

pub(crate) async fn time_to_live_is_pythons() -> Tested {
    let server = Server::start().await?;
    let builder = LangChainRedisHistory::builder(&server.url);
    let builder = builder.prefix(format!("{}message_store:", server.prefix));
    let history = builder.time_to_live(Duration::from_secs(100)).connect().await.unwrap();
    history.append(&session(), &Turn::exchange("hi", "hello"), Expect::Any).await.unwrap();
    let left: i64 = server.run("PTTL @message_store:user-7").await;
    assert!((90_000..=100_000).contains(&left), "{left} ms left");
    server.stop().await;
    Ok(())
}

pub(crate) async fn the_suite_says_what_is_missing() -> Tested {
    let server = Server::start().await?;
    let history = server.langchain().await;
    let error: SuiteError = suite::history(|| history.clone()).await.unwrap_err();
    let failed: BTreeSet<&str> = error.failed().map(|(check, _)| check).collect();
    // The epoch begins with the first row.
    let expected = BTreeSet::from([
        "a_turn_is_loaded_as_it_was_appended",
        "clearing_an_empty_session_starts_an_epoch",
        "clearing_empties_and_starts_an_epoch",
        "one_turn_appended_by_many_is_there_once",
    ]);
    assert_eq!(failed, expected, "{error}");
    server.stop().await;
    Ok(())
}

pub(crate) async fn writers_of_two_pools_have_one_order() -> Tested {
    let server = Server::start().await?;
    let pools = [server.langchain().await, server.langchain().await];
    let report = suite::shared_history(&pools).await.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(report.skipped().next(), None, "{report}");
    server.stop().await;
    Ok(())
}

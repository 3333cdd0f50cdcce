//! LangChain's tables: where they are, and what a copy from them leaves alone.

use std::fs;

use conversant_core::{ChatHistory, Expect, Message, SessionId, Turn};
use conversant_history_sqlite::{LangChainSqliteHistory, SqliteHistory};
use rusqlite::Connection;

use crate::{done, run, run_with, stderr};

/// Makes a file one of the version before.
const VERSION_5: &str = "DROP INDEX branches_by_touch;
    CREATE INDEX branches_by_session ON branches (session);
    PRAGMA user_version = 5;";

async fn say(history: &dyn ChatHistory, session: &str) {
    let session = SessionId::new(session).unwrap();
    history.append(&session, &Turn::exchange("Hi", "Hello!"), Expect::Any).await.unwrap();
}

/// A move of a table of another name does not succeed with nothing.
#[tokio::test]
async fn a_table_of_another_name_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("app.db");
    let chats = LangChainSqliteHistory::builder(&file).table("chats").open().unwrap();
    say(&chats, "ada").await;
    chats.close().await;
    let before = fs::read(&file).unwrap();
    let from = format!("langchain-sqlite:{}", file.display());
    let to = format!("sqlite:{}", folder.path().join("ours.db").display());
    let output = run(&from, &to);
    assert_eq!(output.status.code(), Some(1));
    let shown = stderr(&output);
    assert!(shown.contains("the table `message_store` does not exist; "), "{shown}");
    assert!(shown.contains("columns are in `chats`"), "{shown}");
    assert_eq!(fs::read(&file).unwrap(), before);
    assert_eq!(done(&run_with(&from, &to, &["--table", "chats"])), "1 turns of 1 sessions\n");
    assert_eq!(fs::read(&file).unwrap(), before);
    // The other way round it is the table to copy to.
    let back = format!("langchain-sqlite:{}", folder.path().join("back.db").display());
    done(&run_with(&to, &back, &["--table", "talks"]));
    assert_eq!(done(&run_with(&back, &to, &["--table", "talks"])), "1 turns of 1 sessions\n");
}

#[tokio::test]
async fn a_table_without_conversations_is_no_success() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("app.db");
    LangChainSqliteHistory::open(&file).unwrap().close().await;
    let to = format!("sqlite:{}", folder.path().join("ours.db").display());
    let output = run(&format!("langchain-sqlite:{}", file.display()), &to);
    assert_eq!(output.status.code(), Some(3));
    let shown = stderr(&output);
    assert!(shown.contains("`message_store` has no conversations; another table: "), "{shown}");
}

/// Conversations without an answer are left out of the lines, and the table has them.
#[tokio::test]
async fn a_table_of_which_nothing_is_written_has_conversations() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("app.db");
    let theirs = LangChainSqliteHistory::open(&file).unwrap();
    let (session, turn) = (SessionId::new("ada").unwrap(), Turn::new(vec![Message::human("Hi")]));
    theirs.append(&session, &turn, Expect::Any).await.unwrap();
    theirs.close().await;
    let to = format!("finetuning:{}", folder.path().join("lines.jsonl").display());
    let output = run(&format!("langchain-sqlite:{}", file.display()), &to);
    assert_eq!(output.status.code(), Some(3));
    let shown = stderr(&output);
    assert!(shown.contains("0 turns of 0 sessions"), "{shown}");
    assert!(!shown.contains("has no conversations"), "{shown}");
}

/// Without an index, the copy of each session reads the rows of all.
#[tokio::test]
async fn many_sessions_without_an_index_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("app.db");
    let theirs = LangChainSqliteHistory::open(&file).unwrap();
    for number in 0..200 {
        say(&theirs, &format!("user-{number}")).await;
    }
    let from = format!("langchain-sqlite:{}", file.display());
    let to = format!("sqlite:{}", folder.path().join("ours.db").display());
    let shown = done(&run(&from, &to));
    assert!(shown.contains("--add-index adds one\n200 turns of 200 sessions\n"), "{shown}");
    assert!(!theirs.has_index().await.unwrap());
    assert_eq!(done(&run_with(&from, &to, &["--add-index"])), "200 turns of 200 sessions\n");
    assert!(theirs.has_index().await.unwrap());
    assert_eq!(done(&run(&from, &to)), "200 turns of 200 sessions\n");
}

/// A file of an earlier version is still one of that version: other programs may use it.
#[tokio::test]
async fn a_file_to_copy_from_is_not_changed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ours.db");
    let ours = SqliteHistory::open(&file).unwrap();
    say(&ours, "ada").await;
    ours.close().await;
    let old = Connection::open(&file).unwrap();
    old.execute_batch(VERSION_5).unwrap();
    let to = format!("sqlite:{}", folder.path().join("to.db").display());
    assert_eq!(done(&run(&format!("sqlite:{}", file.display()), &to)), "1 turns of 1 sessions\n");
    let version = old.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0));
    assert_eq!(version.unwrap(), 5);
}

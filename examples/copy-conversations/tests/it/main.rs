//! From LangChain's table to ours, to lines, and back.
#![allow(clippy::unwrap_used, missing_docs)]

use std::{
    path::Path,
    process::{Command, Output},
};

use conversant_core::{ChatHistory, Expect, Range, SessionId, Turn};
use conversant_history_sqlite::{LangChainSqliteHistory, SqliteHistory};

fn run(from: &str, to: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_copy-conversations")).args([from, to]).output().unwrap()
}

fn done(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stderr.clone()).unwrap()
}

async fn transcript(file: &Path) -> String {
    let history = SqliteHistory::open(file).unwrap();
    history.load(&SessionId::new("ada").unwrap(), Range::All).await.unwrap().messages.to_string()
}

#[tokio::test]
async fn conversations_are_copied_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let named = |kind: &str, name: &str| format!("{kind}:{}", path(name).display());
    let theirs = LangChainSqliteHistory::open(path("theirs.db")).unwrap();
    let session = SessionId::new("ada").unwrap();
    for (question, answer) in [("Hi", "Hello!"), ("How are you?", "Fine.")] {
        theirs.append(&session, &Turn::exchange(question, answer), Expect::Any).await.unwrap();
    }
    let expected = "Human: Hi\nAI: Hello!\nHuman: How are you?\nAI: Fine.";

    let (theirs, ours) = (named("langchain-sqlite", "theirs.db"), named("sqlite", "ours.db"));
    for _ in 0..2 {
        assert_eq!(done(&run(&theirs, &ours)), "2 turns of 1 sessions\n");
        assert_eq!(transcript(&path("ours.db")).await, expected);
    }
    done(&run(&ours, &named("lines", "all.jsonl")));
    done(&run(&named("lines", "all.jsonl"), &named("sqlite", "again.db")));
    assert_eq!(transcript(&path("again.db")).await, expected);
}

#[test]
fn what_is_no_store_is_wrong_usage() {
    for (from, to) in [("nowhere", "sqlite:x"), ("mongo:x", "sqlite:x")] {
        assert_eq!(run(from, to).status.code(), Some(2));
    }
}

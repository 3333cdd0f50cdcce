//! From LangChain's table and from files to ours, to files, and back.
#![allow(clippy::unwrap_used, missing_docs)]

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use conversant_core::{ChatHistory, Expect, Range, SessionId, Turn};
use conversant_history_sqlite::{LangChainSqliteHistory, SqliteHistory};

mod langchain;

fn run(from: &str, to: &str) -> Output {
    run_with(from, to, &[])
}

fn run_with(from: &str, to: &str, more: &[&str]) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_copy-conversations"));
    program.args([from, to]).args(more).output().unwrap()
}

fn done(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    stderr(output)
}

fn stderr(output: &Output) -> String {
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

#[tokio::test]
async fn files_of_each_format_are_copied_in_and_out() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let named = |kind: &str, name: &str| format!("{kind}:{}", path(name).display());
    let message = |role: &str, words: &str| {
        format!(
            r#""message":{{"author":{{"role":"{role}"}},"content":{{"content_type":"text","parts":["{words}"]}}}}"#
        )
    };
    let (question, answer) = (message("user", "Hi"), message("assistant", "Hello!"));
    let other = message("assistant", "Go away.");
    let export = format!(
        r#"[{{"id":"ada","current_node":"b","mapping":{{"a":{{{question}}},"x":{{"parent":"a",{other}}},"b":{{"parent":"a",{answer}}}}}}},{{"id":"bob","mapping":{{}}}}]"#
    );
    fs::write(path("conversations.json"), export).unwrap();
    let ours = named("sqlite", "ours.db");
    // The other answer is a branch. The empty conversation is left out, and the exit code says so.
    for _ in 0..2 {
        let output = run(&named("chatgpt", "conversations.json"), &ours);
        assert_eq!(output.status.code(), Some(3));
        assert_eq!(
            stderr(&output),
            "left out: conversation 2 (`bob`): no messages to transfer\n\
             left out: 1 × no messages to transfer\n2 turns of 1 sessions\n"
        );
    }
    let expected = "Human: Hi\nAI: Hello!";
    assert_eq!(transcript(&path("ours.db")).await, expected);
    // Lines have the branches too.
    for (kind, keeps_session, turns) in [
        ("sharegpt", true, 1),
        ("finetuning", false, 1),
        ("langchain-file", true, 1),
        ("lines", true, 2),
    ] {
        fs::create_dir(path(kind)).unwrap();
        let file = format!("{kind}/ada.json");
        done(&run(&ours, &named(kind, &file)));
        let again = format!("{kind}/again.db");
        assert_eq!(
            done(&run(&named(kind, &file), &named("sqlite", &again))),
            format!("{turns} turns of 1 sessions\n")
        );
        if keeps_session {
            assert_eq!(transcript(&path(&again)).await, expected, "{kind}");
        }
        // A file that exists is not overwritten.
        assert_eq!(run(&ours, &named(kind, &file)).status.code(), Some(1));
    }
}

/// Between stores too, what is left out is shown with its session and reason.
#[tokio::test]
async fn what_a_store_has_no_place_for_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let named = |kind: &str, name: &str| format!("{kind}:{}", folder.path().join(name).display());
    let ours = SqliteHistory::open(folder.path().join("ours.db")).unwrap();
    let session = SessionId::new("ada").unwrap();
    ours.append(&session, &Turn::exchange("Hi", "Hello!"), Expect::Any).await.unwrap();
    ours.set_title(&session, Some("Greetings")).await.unwrap();
    let output = run(&named("sqlite", "ours.db"), &named("langchain-sqlite", "theirs.db"));
    assert_eq!(output.status.code(), Some(3));
    let reason = "the history cannot store the title or the labels";
    assert_eq!(
        stderr(&output),
        format!(
            "left out: conversation 1 (`ada`): {reason}\nleft out: 1 × {reason}\n\
             1 turns of 1 sessions\n"
        )
    );
}

#[test]
fn a_file_that_is_cut_off_can_be_continued() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("set.json");
    let entry = |id| format!(r#"{{"id":"{id}","conversations":[{{"from":"human","value":"x"}}]}}"#);
    fs::write(&file, format!("[{},{},", entry("a"), entry("b"))).unwrap();
    let from = format!("sharegpt:{}", file.display());
    let output = run(&from, &format!("sqlite:{}", folder.path().join("a.db").display()));
    assert_eq!(output.status.code(), Some(1));
    let shown = stderr(&output);
    assert!(shown.starts_with("copy-conversations: cannot read conversation 3 at byte"), "{shown}");
    assert!(shown.ends_with("2 conversations were copied; go on with `--start 2`\n"), "{shown}");
}

#[test]
fn what_is_no_store_is_wrong_usage() {
    for (from, to) in [("nowhere", "sqlite:x"), ("mongo:x", "sqlite:x")] {
        assert_eq!(run(from, to).status.code(), Some(2));
    }
    for (from, flags) in [
        ("langchain-redis://127.0.0.1:1", &["--table", "chats"][..]),
        ("langchain-sqlite:x", &["--key-prefix", "chats:"]),
        ("sqlite:x", &["--add-index"]),
        ("lines:x", &["--add-index"]),
    ] {
        let output = run_with(from, "sqlite:y", flags);
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    }
    assert_eq!(run_with("sqlite:x", "langchain-sqlite:y", &["--add-index"]).status.code(), Some(2));
    // A password is not shown.
    let shown = stderr(&run("postgre://u:sekret@127.0.0.1:1/db", "sqlite:x"));
    assert!(shown.contains("`postgre`") && !shown.contains("sekret"), "{shown}");
    for (from, to) in [("sqlite:x", "chatgpt:y"), ("lines:x", "sharegpt:y")] {
        let output = run(from, to);
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).starts_with("copy-conversations: cannot "), "{}", stderr(&output));
    }
}

#[test]
fn a_store_that_is_not_there_is_not_created() {
    let folder = tempfile::tempdir().unwrap();
    let named = |kind: &str, name: &str| format!("{kind}:{}", folder.path().join(name).display());
    for kind in ["sqlite", "jsonl", "langchain-sqlite"] {
        for to in [named("sqlite", "to.db"), named("lines", "to.jsonl")] {
            let output = run(&named(kind, "from"), &to);
            assert_eq!(output.status.code(), Some(1));
            assert!(stderr(&output).contains("nothing at"), "{}", stderr(&output));
        }
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_file_that_cannot_be_used_is_named_and_leaves_no_part() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    drop(SqliteHistory::open(path("ours.db")).unwrap());
    fs::create_dir(path("folder")).unwrap();
    fs::write(path("there.jsonl"), "").unwrap();
    for (from, to, named) in [
        ("lines:none.jsonl", "sqlite:to.db", "cannot read `none.jsonl`"),
        ("lines:folder", "sqlite:to.db", "cannot read `folder`"),
        ("sqlite:ours.db", "lines:there.jsonl", "cannot write `there.jsonl`"),
        ("sqlite:ours.db", "lines:none/all.jsonl", "cannot write `none/all.jsonl`"),
        ("sqlite:ours.db", "sqlite:none/to.db", "cannot open `none/to.db`"),
        ("sqlite:there.jsonl/x", "sqlite:to.db", "nothing at `there.jsonl/x`"),
    ] {
        let absolute = |place: &str| place.replacen(':', &format!(":{}/", path("")), 1);
        let output = run(&absolute(from), &absolute(to));
        assert_eq!(output.status.code(), Some(1), "{from} {to}");
        let shown = stderr(&output).replace(&format!("{}/", path("")), "");
        assert!(shown.contains(named), "{shown}");
    }
    let mut files: Vec<_> =
        fs::read_dir(folder.path()).unwrap().map(|f| f.unwrap().file_name()).collect();
    files.retain(|name| name.to_string_lossy().ends_with(".part"));
    assert_eq!(files, Vec::<std::ffi::OsString>::new());
}

//! `--db` and `--session`: conversations that go on in the next run.

use conversant_testkit::{OpenAiServer, ServerAnswer};

use crate::run::{Ran, run, type_in};

pub(crate) fn a_conversation_goes_on_in_the_next_run() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("chat.db");
    let file = file.to_str().unwrap();
    let server = OpenAiServer::start(["Hi Ada!", "You are Ada.", "Hi Grace!"]).unwrap();
    let base_url = server.base_url();
    let base = ["--base-url", &base_url, "--model", "m", "--db", file, "--no-stream"];
    let ask = |more: &[&str]| -> Ran { run(&[&base, more].concat()) };

    assert_eq!(ask(&["--session", "ada", "--message", "I am Ada."]).stdout, "Hi Ada!\n");
    assert_eq!(ask(&["--session", "ada", "--message", "Who am I?"]).stdout, "You are Ada.\n");
    assert_eq!(ask(&["--session", "grace", "--message", "I am Grace."]).stdout, "Hi Grace!\n");
    let lengths: Vec<_> = server
        .requests()
        .iter()
        .map(|request| request.json()["messages"].as_array().unwrap().len())
        .collect();
    assert_eq!(lengths, [1, 3, 1]);

    let script = [&base[..], &["--session", "ada", "--script"]].concat();
    let ran = type_in(&script, "/sessions\n/history\n");
    assert_eq!(
        ran.stdout,
        "* ada\n  grace\nHuman: I am Ada.\nAI: Hi Ada!\nHuman: Who am I?\nAI: You are Ada.\n"
    );
}

pub(crate) fn a_file_that_is_no_database_is_told_before_any_call_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("notes.txt");
    let text = "these are my notes, and they are long enough to look like something\n".repeat(100);
    std::fs::write(&file, &text).unwrap();
    let server = OpenAiServer::start(["never"]).unwrap();
    let base_url = server.base_url();
    let path = file.to_str().unwrap();
    let ran = run(&["--base-url", &base_url, "--model", "m", "--db", path, "--message", "Hi"]);
    assert_eq!(
        (ran.code, ran.stdout.as_str(), ran.stderr.lines().count()),
        (Some(1), "", 1),
        "{}",
        ran.stderr
    );
    assert!(server.requests().is_empty());
    assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
}

/// It is paid for, and nowhere else.
pub(crate) fn an_answer_that_cannot_be_saved_is_printed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("chat.db");
    // More than the store takes for a message.
    let pieces = vec!["x".repeat(1 << 20); 17];
    let text = pieces.concat();
    let server = OpenAiServer::builder().reply(ServerAnswer::pieces(pieces)).repeat_last();
    let server = server.start().unwrap();
    let base_url = server.base_url();
    let base = ["--base-url", &base_url, "--model", "m", "--db", file.to_str().unwrap()];
    for (how, before, after) in [
        ("--no-stream", "", "\n"),
        ("--stream", "", "\n"),
        ("--json", "{\"answer\":\"", "\",\"finish_reason\":\"stop\","),
    ] {
        let ran = run(&[&base[..], &["--message", "Hi", how]].concat());
        assert_eq!((ran.code, ran.stderr.lines().count()), (Some(1), 1), "{how}: {}", ran.stderr);
        let rest = ran.stdout.strip_prefix(before).and_then(|rest| rest.strip_prefix(&text));
        assert!(rest.is_some_and(|rest| rest.starts_with(after)), "{how}");
    }
}

pub(crate) fn a_session_that_is_none_is_wrong_usage() {
    let ran = run(&["--model", "m", "--session", ""]);
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
}

//! `--message`: one turn, the answer alone, and an exit code that says how it went.

use std::{io::Read, process::Command};

use conversant_testkit::{Gate, OpenAiServer, ServerAnswer, block_on};

use crate::run::{Ran, chat, run, type_in};

fn ask(server: &OpenAiServer, more: &[&str]) -> Ran {
    let base_url = server.base_url();
    let arguments = [&["--base-url", &base_url, "--model", "m", "--message", "Hi"], more].concat();
    run(&arguments)
}

pub(crate) fn the_answer_alone_is_on_standard_output() {
    for more in
        [&[][..], &["--stream"], &["--no-stream"], &["--completion"], &["--completion", "--stream"]]
    {
        let server = OpenAiServer::start(["Hello!\n"]).unwrap();
        let ran = ask(&server, more);
        assert_eq!(
            (ran.code, ran.stdout.as_str(), ran.stderr.as_str()),
            (Some(0), "Hello!\n\n", ""),
            "{more:?}"
        );
    }
}

pub(crate) fn what_is_asked_for_is_sent_and_nothing_else() {
    let cases: &[&[&str]] = &[
        &[],
        &["--system", "Be {brief}.", "--temperature", "0.5", "--max-tokens", "9"],
        &["--completion", "--system", "Be {brief}."],
    ];
    let sent: Vec<_> = cases
        .iter()
        .map(|more| {
            let server = OpenAiServer::start(["Hello!"]).unwrap();
            ask(&server, more);
            let requests = server.requests();
            let [request] = requests.as_slice() else {
                panic!("{more:?}: {} requests", requests.len())
            };
            format!("{}\n{} {}", more.join(" "), request.path(), request.json())
        })
        .collect();
    insta::assert_snapshot!(sent.join("\n\n"));
}

pub(crate) fn the_transcript_is_on_standard_error() {
    let server = OpenAiServer::start(["Hello!"]).unwrap();
    let ran = ask(&server, &["--verbose", "--no-stream"]);
    assert_eq!(ran.stdout, "Hello!\n");
    assert!(
        ran.stderr
            .contains("Prompt after formatting:\n\u{1b}[32;1m\u{1b}[1;3mHuman: Hi\u{1b}[0m\n")
    );
}

pub(crate) fn a_failure_is_one_clear_line_and_exit_code_1() {
    let key = "sk-canary-0123456789";
    let refused =
        ServerAnswer::error(401, "invalid_api_key", &format!("Incorrect API key provided: {key}"));
    let cases = [
        ("a wrong key", refused),
        ("no such model", ServerAnswer::error(404, "model_not_found", "there is no m")),
        ("no answer at all", ServerAnswer::json(&"nothing".into())),
    ];
    let mut told = Vec::new();
    for (name, answer) in cases {
        for streaming in ["--stream", "--no-stream"] {
            let server =
                OpenAiServer::builder().reply(answer.clone()).repeat_last().start().unwrap();
            let base_url = server.base_url();
            let mut command: Command = chat(&[
                "--base-url",
                &base_url,
                "--model",
                "m",
                "--message",
                "Hi",
                "--max-retries",
                "0",
                streaming,
            ]);
            let ran: Ran = command.env("OPENAI_API_KEY", key).output().unwrap().into();
            assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""), "{name}: {}", ran.stderr);
            assert!(!ran.stderr.contains(key), "{name}: {}", ran.stderr);
            told.push(format!("{name} {streaming}: {}", ran.stderr));
        }
    }
    let no_server = run(&[
        "--base-url",
        "http://127.0.0.1:1/v1",
        "--model",
        "m",
        "--message",
        "Hi",
        "--max-retries",
        "0",
    ]);
    assert_eq!(
        (no_server.code, no_server.stderr.lines().count()),
        (Some(1), 1),
        "{}",
        no_server.stderr
    );
    let no_key = run(&["--model", "m", "--message", "Hi"]);
    assert_eq!((no_key.code, no_key.stdout.as_str()), (Some(1), ""));
    told.push(format!("no key: {}", no_key.stderr));
    insta::assert_snapshot!(told.concat());
}

pub(crate) fn a_turn_ends_within_its_timeout() {
    for streaming in ["--stream", "--no-stream"] {
        let server =
            OpenAiServer::builder().reply(ServerAnswer::hang()).repeat_last().start().unwrap();
        let ran = ask(&server, &["--timeout", "0.2", streaming]);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""));
        assert_eq!(ran.stderr.lines().count(), 1, "{}", ran.stderr);
        // The adapter, which has what is left of the time, or the chain notices first.
        let left = ran
            .stderr
            .split_once("took longer than ")
            .and_then(|(_, told)| told.split_once(" s in all"));
        let is_deadline = match left {
            Some((seconds, _)) => seconds.parse::<f64>().unwrap() <= 0.2,
            None => ran.stderr.contains("its deadline passed"),
        };
        assert!(is_deadline, "{}", ran.stderr);
    }
}

pub(crate) fn wrong_usage_is_exit_code_2() {
    for arguments in [
        &["--no-such-flag"][..],
        &["--base-url", "http://127.0.0.1:1/v1", "--message", "Hi"],
        &["--message", "Hi", "Hi"],
        &["--script", "Hi"],
        &["--script", "--message", "Hi"],
        &["--model-file", "a.gguf", "--base-url", "http://127.0.0.1:1/v1"],
        &["--model", "m", "--timeout", "0"],
        &["--model", "m", "--timeout", "soon"],
        &["--model", "m", "--temperature", "warm"],
    ] {
        let ran = run(arguments);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{arguments:?}: {}", ran.stderr);
        assert!(!ran.stderr.is_empty());
    }
}

pub(crate) fn tokens_appear_as_they_come_and_ctrl_c_ends_with_130() {
    let gate = Gate::new();
    let server =
        OpenAiServer::start([ServerAnswer::pieces(["Hel", "lo"]).held_after(2, &gate)]).unwrap();
    let base_url = server.base_url();
    let mut child = chat(&["--base-url", &base_url, "--model", "m", "--message", "Hi", "--stream"])
        .spawn()
        .unwrap();
    let mut first = [0; 3];
    child.stdout.as_mut().unwrap().read_exact(&mut first).unwrap();
    assert_eq!(&first, b"Hel", "the first token is there while the server holds the second");

    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let ran: Ran = child.wait_with_output().unwrap().into();
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(130), ""), "{}", ran.stderr);
    block_on(server.disconnected(1));
}

pub(crate) fn standard_input_is_part_of_the_question() {
    for (arguments, input, expected) in [
        (&["What is missing?"][..], "one\ntwo\n", "one\ntwo\n\nWhat is missing?"),
        (&["--message", "Hi"], "notes", "notes\n\nHi"),
        (&[], "Two lines\nare one question\n", "Two lines\nare one question"),
        (&["Hi"], "\n", "Hi"),
    ] {
        let server = OpenAiServer::start(["Hello!"]).unwrap();
        let base_url = server.base_url();
        let base = ["--base-url", &base_url, "--model", "m"];
        let ran = type_in(&[&base, arguments].concat(), input);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), "Hello!\n"), "{}", ran.stderr);
        let requests = server.requests();
        assert_eq!(requests[0].json()["messages"][0]["content"], expected);
    }
}

/// It is a text that was written by others: a log, a page, the help of this program.
pub(crate) fn commands_in_standard_input_are_not_executed() {
    let folder = tempfile::tempdir().unwrap();
    let db = folder.path().join("chat.db");
    let server = OpenAiServer::builder().reply("Hello!").repeat_last().start().unwrap();
    let base_url = server.base_url();
    let base = ["--base-url", &base_url, "--model", "m", "--db", db.to_str().unwrap()];
    let text = "Our notes:\n/clear\n/export notes.md\n\"\"\"\n/undo\n";
    for arguments in [&[][..], &["What is missing?"]] {
        let ran = type_in(&[&base, arguments].concat(), text);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), "Hello!\n"), "{}", ran.stderr);
        let asked = server.requests().pop().unwrap();
        let asked = asked.json()["messages"].as_array().unwrap().last().unwrap().clone();
        assert!(asked["content"].as_str().unwrap().starts_with(text.trim_end()), "{asked}");
    }
    // One that begins with a command may be meant as a script, or not.
    let ran = type_in(&base, "\n/clear\nHi\n");
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{}", ran.stderr);
    assert!(ran.stderr.contains("`/clear`; --script executes it"), "{}", ran.stderr);
    assert_eq!(server.requests().len(), 2);
    let ran = type_in(&[&base[..], &["--script"]].concat(), "/history\n");
    assert!(ran.stdout.contains("Human: Our notes:\n/clear\n"), "{}", ran.stdout);
}

pub(crate) fn json_has_the_answer_and_what_belongs_to_it() {
    let server = OpenAiServer::start(["Hello!"]).unwrap();
    let ran = ask(&server, &["--json"]);
    let line: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((line["answer"].as_str(), line["session"].as_str()), (Some("Hello!"), Some("chat")));
    assert!(line["usage"]["input_tokens"].is_u64(), "{line}");
}

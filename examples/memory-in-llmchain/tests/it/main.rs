//! The example prints what the page shows, and, escape codes included, what the reference system
//! printed.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

use std::process::{Command, Output};

use conversant_testkit::OpenAiServer;

const PAGE: &str = include_str!("../data/page.txt");
const CASES: &str = include_str!("../data/chain-doc.jsonl");

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_memory-in-llmchain"))
        .args(arguments)
        .env_remove("OPENAI_API_KEY")
        .env_remove("OPENAI_BASE_URL")
        .env_remove("OPENAI_MODEL")
        .output()
        .unwrap()
}

#[test]
fn the_transcript_is_the_pages_and_the_reference_systems() {
    let output = run(&[]);
    let stdout = String::from_utf8(output.stdout).unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{stderr}");
    assert_eq!(
        stderr,
        "no OPENAI_API_KEY and no --base-url: a loopback server gives the page's answers\n"
    );

    let plain = ["\u{1b}[1m", "\u{1b}[32;1m", "\u{1b}[1;3m", "\u{1b}[0m"]
        .iter()
        .fold(stdout.clone(), |text, code| text.replace(code, ""));
    assert_eq!(plain, PAGE);
    assert_eq!(stdout, expected_with_escape_codes());
}

/// Puts each answer after the transcript of its call.
fn expected_with_escape_codes() -> String {
    let mut expected = String::new();
    for case in CASES.lines() {
        let case: serde_json::Value = serde_json::from_str(case).unwrap();
        let end = "> Finished chain.\u{1b}[0m\n";
        let transcripts: Vec<_> = case["stdout"].as_str().unwrap().split_inclusive(end).collect();
        let answers = case["outputs"].as_array().unwrap();
        assert_eq!((transcripts.len(), answers.len()), (2, 2));
        for (transcript, answer) in transcripts.iter().zip(answers) {
            expected.push_str(transcript);
            expected.push_str(answer.as_str().unwrap());
            expected.push('\n');
        }
    }
    expected
}

#[test]
fn another_server_is_asked_for_the_models_that_are_named() {
    let cases: [(&[&str], [&str; 2]); 3] = [
        (&[], ["gpt-3.5-turbo-instruct", "gpt-3.5-turbo"]),
        (&["--model", "m"], ["m", "m"]),
        (&["--model", "m", "--completion-model", "c"], ["c", "m"]),
    ];
    for (named, expected) in cases {
        let server = OpenAiServer::start(["a", "b", "c", "d"]).unwrap();
        let base_url = server.base_url();
        let output = run(&[&["--base-url", &base_url], named].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(output.stderr.is_empty());
        let requests = server.requests();
        let models: Vec<_> =
            requests.iter().map(|request| request.json()["model"].as_str().unwrap()).collect();
        assert_eq!(models, [expected[0], expected[0], expected[1], expected[1]]);
    }
}

#[test]
fn a_failure_is_one_line() {
    let output = run(&["--base-url", "ftp://127.0.0.1"]);
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(stderr.starts_with("memory-in-llmchain: "), "{stderr}");
}

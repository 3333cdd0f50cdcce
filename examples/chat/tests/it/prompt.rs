//! The prompt: a conversation, and the commands.

use conversant_testkit::{OpenAiServer, ServerAnswer};

use crate::run::type_in;

fn talk(server: &OpenAiServer, lines: &str) -> String {
    let base_url = server.base_url();
    let ran = type_in(
        &["--base-url", &base_url, "--model", "m", "--no-stream", "--max-retries", "0", "--script"],
        lines,
    );
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    format!("{}{}", ran.stdout, ran.stderr)
}

pub(crate) fn a_conversation_with_commands() {
    let server = OpenAiServer::start(["Hello!", "Fine.", "Who are you?"]).unwrap();
    let said = talk(
        &server,
        "Hi\n\nHow are you?\n/history\n/clear\n/history\nAgain\n/halp\n/quit\nnever sent\n",
    );
    insta::assert_snapshot!(said);
    let lengths: Vec<_> = server
        .requests()
        .iter()
        .map(|request| request.json()["messages"].as_array().unwrap().len())
        .collect();
    assert_eq!(lengths, [1, 3, 1]);
}

pub(crate) fn a_failed_turn_leaves_no_trace_and_the_chat_goes_on() {
    let answers = [
        ServerAnswer::text("Hello!"),
        ServerAnswer::error(400, "bad", "no"),
        ServerAnswer::text("Fine."),
    ];
    let server = OpenAiServer::start(answers).unwrap();
    let said = talk(&server, "Hi\nbroken\nHow are you?\n/history\n");
    assert!(said.contains("Human: Hi\nAI: Hello!\nHuman: How are you?\nAI: Fine.\n"), "{said}");
    assert!(said.contains("status 400"), "{said}");
}

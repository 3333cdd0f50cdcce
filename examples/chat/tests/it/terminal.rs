//! The chat at a terminal: what it shows, and what it does with keys.

use std::{path::Path, process::Stdio};

use conversant_testkit::{Gate, OpenAiServer, ServerAnswer, block_on};
use rexpect::session::PtySession;

use crate::run::chat;

/// The longest wait for an output, in milliseconds. A busy machine is slow.
const WAIT: u64 = 60_000;

const CTRL_C: &str = "\x03";
const CTRL_D: &str = "\x04";
const UP: &str = "\x1b[A";

/// A chat at a terminal, whose user folders are in `folder`.
struct Terminal(PtySession);

impl Terminal {
    fn start(server: &OpenAiServer, folder: &Path, more: &[&str]) -> Self {
        Self::with_env(server, folder, more, &[])
    }

    fn with_env(server: &OpenAiServer, folder: &Path, more: &[&str], env: &[(&str, &str)]) -> Self {
        let base_url = server.base_url();
        let mut command = chat(&[&["--base-url", &base_url, "--model", "m"], more].concat());
        command.stdin(Stdio::inherit()).stdout(Stdio::inherit()).stderr(Stdio::inherit());
        command.env("XDG_DATA_HOME", folder.join("data")).env("TERM", "xterm-256color");
        command.env_remove("NO_COLOR").envs(env.iter().copied());
        Self(rexpect::session::spawn_command(command, Some(WAIT)).unwrap())
    }

    /// Waits for a text, and returns what came before it.
    fn expect(&mut self, text: &str) -> String {
        self.0.exp_string(text).unwrap_or_else(|error| panic!("{error}"))
    }

    fn expect_match(&mut self, regex: &str) {
        self.0.exp_regex(regex).unwrap_or_else(|error| panic!("{error}"));
    }

    fn press(&mut self, keys: &str) {
        self.0.send(keys).unwrap();
        self.0.flush().unwrap();
    }

    /// Enters a line, and waits for a part of what it brings, and for the next prompt.
    fn say(&mut self, line: &str, expected: &str) {
        self.press(line);
        self.press("\r");
        self.expect(expected);
        self.expect("> ");
    }

    /// Ends the chat at its prompt. Before the prompt is there, Ctrl-D is for another reader.
    fn end(mut self) {
        self.press(CTRL_D);
        self.0.exp_eof().unwrap();
        let status = format!("{:?}", self.0.process().wait().unwrap());
        assert!(status.starts_with("Exited(") && status.ends_with(", 0)"), "{status}");
    }
}

/// The questions that a server was asked: the last message of each request for an answer.
fn questions(server: &OpenAiServer) -> Vec<String> {
    let requests = server.requests();
    let messages = requests.iter().filter_map(|request| request.json()["messages"].as_array());
    messages.map(|all| all.last().unwrap()["content"].as_str().unwrap().to_owned()).collect()
}

pub(crate) fn the_first_line_says_which_model_which_session_and_where() {
    let folder = tempfile::tempdir().unwrap();
    let server = OpenAiServer::start(["Hello!"]).unwrap();
    let mut terminal = Terminal::start(&server, folder.path(), &[]);
    terminal.expect_match("m [^ ]+ session `chat`, kept in [^ ]*/data/conversant/chat.db ");
    terminal.expect("> ");
    terminal.say("Hi", "Hello!");
    terminal.end();
    let mut terminal = Terminal::start(&server, folder.path(), &[]);
    terminal.expect("session `chat` (2 messages), kept in ");
    terminal.expect("> ");
    terminal.end();
    let mut terminal = Terminal::start(&server, folder.path(), &["--no-db"]);
    terminal.expect("session `chat`, not kept");
    terminal.expect("> ");
    terminal.end();
}

pub(crate) fn an_answer_is_shown_as_it_comes_and_ctrl_c_stops_it_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (Gate::new(), Gate::new());
    let server = OpenAiServer::start([
        ServerAnswer::pieces(["Hel", "lo!"]).held_after(2, &first),
        ServerAnswer::pieces(["Far", "ther"]).held_after(2, &second),
        ServerAnswer::text("Fine."),
    ])
    .unwrap();
    let mut terminal = Terminal::start(&server, folder.path(), &[]);
    terminal.expect("> ");
    terminal.press("Hi\r");
    terminal.expect("Hel");
    first.open();
    terminal.expect("lo!");
    terminal.expect("> ");

    terminal.press("Go on\r");
    terminal.expect("Far");
    terminal.press(CTRL_C);
    terminal.expect("(cancelled)");
    terminal.expect("> ");
    block_on(server.disconnected(1));
    terminal.say("How are you?", "Fine.");
    let said = server.requests()[2].json()["messages"].to_string();
    assert!(said.contains("lo!") && !said.contains("Go on"), "{said}");
    // At the prompt it says how to end the chat.
    terminal.press(CTRL_C);
    terminal.expect("Ctrl-D or /quit");
    terminal.expect("> ");
    terminal.end();
}

pub(crate) fn something_moves_while_the_model_thinks() {
    let folder = tempfile::tempdir().unwrap();
    let gate = Gate::new();
    let server = OpenAiServer::start([ServerAnswer::text("Hello!").held_by(&gate)]).unwrap();
    let mut terminal = Terminal::start(&server, folder.path(), &[]);
    terminal.expect("> ");
    terminal.press("Hi\r");
    // The first two bytes of the characters of the spinner, which are Braille patterns.
    terminal.expect("\u{e2}\u{a0}");
    terminal.expect("\u{e2}\u{a0}");
    gate.open();
    terminal.expect("Hello!");
    terminal.expect("> ");
    terminal.end();
}

pub(crate) fn several_lines_are_one_message() {
    let paste = |text: &str| format!("\x1b[200~{text}\x1b[201~\r");
    let cases = [
        ("\"\"\"one\rtwo\"\"\"\r".to_owned(), vec!["one\ntwo"]),
        (paste("one\ntwo"), vec!["one\ntwo"]),
        // A path, and a command that is a message.
        (paste("/one\n/help"), vec!["/one\n/help"]),
        ("\"\"\"/help\"\"\"\r".to_owned(), vec!["/help"]),
        // Without brackets a terminal does not distinguish pasted lines from typed ones.
        ("one\rtwo\rthree\r".to_owned(), vec!["one", "two", "three"]),
    ];
    for (keys, expected) in cases {
        let folder = tempfile::tempdir().unwrap();
        let server = OpenAiServer::builder().reply("Hello!").repeat_last().start().unwrap();
        let mut terminal = Terminal::start(&server, folder.path(), &[]);
        terminal.expect("> ");
        terminal.press(&keys);
        for _ in &expected {
            terminal.expect("Hello!");
        }
        terminal.expect("> ");
        terminal.end();
        assert_eq!(questions(&server), expected, "{keys:?}");
    }
}

pub(crate) fn lines_are_remembered_over_starts() {
    let folder = tempfile::tempdir().unwrap();
    let server = OpenAiServer::builder().reply("Hello!").repeat_last().start().unwrap();
    let mut terminal = Terminal::start(&server, folder.path(), &[]);
    terminal.expect("> ");
    terminal.say("remember me", "Hello!");
    terminal.end();
    let mut terminal = Terminal::start(&server, folder.path(), &[]);
    terminal.expect("> ");
    terminal.press(UP);
    terminal.expect("remember me");
    terminal.say("", "Hello!");
    terminal.end();
    assert_eq!(questions(&server), ["remember me"; 2]);
}

/// Lines are next to the conversations, wherever these are, and other users cannot read the folder.
pub(crate) fn the_files_of_a_user_are_the_users() {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().unwrap();
    let (data, db) = (folder.path().join("data/conversant"), folder.path().join("work.db"));
    let server = OpenAiServer::builder().reply("Hello!").repeat_last().start().unwrap();
    for (more, line, file) in [
        (&["--db", db.to_str().unwrap()][..], "at work", folder.path().join("work.db.lines")),
        (&[], "at home", data.join("lines.txt")),
    ] {
        let mut terminal = Terminal::start(&server, folder.path(), more);
        terminal.expect("> ");
        terminal.say(line, "Hello!");
        terminal.end();
        let lines = std::fs::read_to_string(file).unwrap();
        assert!(lines.contains(line) && lines.matches("at ").count() == 1, "{lines}");
    }
    assert_eq!(data.metadata().unwrap().permissions().mode() & 0o777, 0o700);
}

pub(crate) fn colours_are_for_terminals_that_want_them() {
    for (env, expected) in [
        (&[][..], "a \x1b[0m\x1b[1m**bold**\x1b[0m word"),
        (&[("NO_COLOR", "1")], "a **bold** word"),
        (&[("TERM", "dumb")], "a **bold** word"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let server = OpenAiServer::start(["a **bold** word"]).unwrap();
        let mut terminal = Terminal::with_env(&server, folder.path(), &[], env);
        terminal.expect("> ");
        terminal.press("Hi\r");
        terminal.expect(expected);
        terminal.expect("> ");
        terminal.end();
    }
}

/// At a terminal they would clear the screen or set the clipboard.
pub(crate) fn control_characters_of_a_model_are_shown() {
    // The bytes of the pictures of an escape and of a bell.
    let (escape, bell) = ("\u{e2}\u{90}\u{9b}", "\u{e2}\u{90}\u{87}");
    for streaming in ["--stream", "--no-stream"] {
        let folder = tempfile::tempdir().unwrap();
        let answer = ServerAnswer::pieces(["one \x1b[2J two \x1b", "]52;c;AAAA\x07 three"]);
        let server = OpenAiServer::start([answer]).unwrap();
        let mut terminal = Terminal::start(&server, folder.path(), &[streaming]);
        terminal.expect("> ");
        let expected = format!("one {escape}[2J two {escape}]52;c;AAAA{bell} three");
        terminal.say("Hi", &expected);
        terminal.say("/history", &expected);
        terminal.end();
    }
}

pub(crate) fn each_command_does_what_its_help_says() {
    let folder = tempfile::tempdir().unwrap();
    let server = OpenAiServer::builder()
        .replies(["Hello!", "Fine.", "Hello again!", "Hello you!", "In short: yes."])
        .models(["m", "other"])
        .start()
        .unwrap();
    let export = folder.path().join("talk.md");
    let export_command = format!("/export {}", export.display());
    let mut terminal = Terminal::start(&server, folder.path(), &[]);
    terminal.expect("> ");
    let before_edit = [
        ("/undo", "(nothing has been said)"),
        ("/retry", "(nothing has been said)"),
        ("/edit", "(nothing has been said)"),
        ("/history", "(nothing has been said)"),
        ("/sessions", "(there are no conversations)"),
        ("Hi", "Hello!"),
        ("/title greetings", "(title: greetings)"),
        ("/sessions", "* chat  greetings"),
        ("How are you?", "Fine."),
        ("/undo", "(took back: How are you?)"),
        ("/history", "Human: Hi\r\nAI: Hello!\r\n"),
        ("/sessions", "* chat  greetings"),
        ("/retry", "Hello again!"),
        ("/history", "Human: Hi\r\nAI: Hello again!\r\n"),
    ];
    for (line, expected) in before_edit {
        terminal.say(line, expected);
    }
    // The question can be changed, and nothing is changed if it is left.
    terminal.press("/edit\r");
    terminal.expect("> Hi");
    terminal.press(CTRL_C);
    terminal.expect("Ctrl-D or /quit");
    terminal.expect("> ");
    terminal.say("/history", "AI: Hello again!");
    terminal.press("/edit\r");
    terminal.expect("> Hi");
    terminal.say(" there", "Hello you!");
    let after_edit = [
        ("/history", "Human: Hi there\r\nAI: Hello you!\r\n"),
        ("/system", "(none)"),
        ("/system Be brief.", "(the system message is set)"),
        ("/system", "Be brief."),
        ("/model", "m"),
        ("/models", "m\r\nother"),
        ("/model other", "(model other)"),
        ("Is it?", "In short: yes."),
        ("/usage", "tokens written"),
        (&export_command, "(4 messages in "),
        (&export_command, "the file exists; choose another name"),
        ("/new trip", "(session `trip`, 0 messages)"),
        ("/new", "(session `chat-1`, 0 messages)"),
        ("/session chat", "(session `chat`, 4 messages)"),
        ("/session", "usage: /session NAME"),
        ("/halp", "cannot find the command `/halp`"),
        ("/help", "/export FILE"),
    ];
    for (line, expected) in after_edit {
        terminal.say(line, expected);
    }
    for (answer, expected) in [("n", "(kept)"), ("", "(kept)"), ("y", "(cleared)")] {
        terminal.press("/clear\r");
        terminal.expect("[y/N] ");
        terminal.say(answer, expected);
    }
    terminal.say("/history", "(nothing has been said)");
    terminal.press("/quit\r");
    terminal.0.exp_eof().unwrap();

    assert_eq!(questions(&server), ["Hi", "How are you?", "Hi", "Hi there", "Is it?"]);
    let requests = server.requests();
    let last = requests.last().unwrap().json();
    assert_eq!(
        (last["model"].as_str(), &last["messages"][0]["content"]),
        (Some("other"), &"Be brief.".into())
    );
    let exported = std::fs::read_to_string(export).unwrap();
    assert!(exported.starts_with("## Human\n\nHi there\n\n## AI\n\nHello you!\n"), "{exported}");
}

pub(crate) fn a_retry_that_fails_leaves_the_turn_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let gate = Gate::new();
    let server = OpenAiServer::start([
        ServerAnswer::text("Hello!"),
        ServerAnswer::error(400, "bad", "no"),
        ServerAnswer::pieces(["Well", "..."]).held_after(2, &gate),
    ])
    .unwrap();
    let mut terminal = Terminal::start(&server, folder.path(), &[]);
    terminal.expect("> ");
    terminal.say("Hi", "Hello!");
    terminal.say("/retry", "status 400");
    terminal.press("/retry\r");
    terminal.expect("Well");
    terminal.press(CTRL_C);
    terminal.expect("(cancelled)");
    terminal.expect("> ");
    terminal.say("/history", "Human: Hi\r\nAI: Hello!\r\n");
    terminal.end();
}

//! Export, import and copying.

use std::io::{self, BufReader, Read};

use conversant_core::{
    ChatHistory, Expect, HistoryError, Range, SessionId, Slice, Turn, TurnId, Version, async_trait,
};
use conversant_history_jsonl::JsonlHistory;
use conversant_memory::InMemoryHistory;
use conversant_testkit::block_on;
use conversant_transfer::{Progress, copy, export, import};

use crate::support::{append, exchange, load, session};

fn turns(history: &dyn ChatHistory, name: &str) -> Vec<Turn> {
    block_on(history.turns(&session(name), Range::All)).unwrap()
}

/// Returns a history with 300 sessions, so that they take two pages, and one of several turns.
fn filled() -> InMemoryHistory {
    let history = InMemoryHistory::new();
    for number in 0..300 {
        append(&history, &format!("session {number}"), &exchange(number)).unwrap();
    }
    let seen = append(&history, "it's a \u{1f600}", &exchange(1)).unwrap();
    let cut_off = exchange(2).with_base(seen).with_incomplete(true);
    append(&history, "it's a \u{1f600}", &cut_off).unwrap();
    history
}

#[test]
fn lines_go_out_and_come_in() {
    let history = filled();
    let (mut lines, mut told) = (Vec::new(), Vec::new());
    let done = block_on(export(&history, &mut lines, |progress| told.push(progress))).unwrap();
    assert_eq!((done.sessions, done.turns), (301, 302));
    assert_eq!(told.len(), 301);
    assert_eq!(told.last(), Some(&done));
    let text = String::from_utf8(lines).unwrap();
    assert_eq!(text.lines().count(), 302);
    let other = InMemoryHistory::new();
    // A second import adds nothing.
    for _ in 0..2 {
        let done = block_on(import(&other, text.as_bytes(), |_| {})).unwrap();
        assert_eq!((done.sessions, done.turns), (301, 302));
    }
    for name in ["session 7", "session 299", "it's a \u{1f600}"] {
        assert_eq!(turns(&other, name), turns(&history, name));
    }
}

#[test]
fn a_history_is_copied_and_copied_again() {
    let history = filled();
    let folder = tempfile::tempdir().unwrap();
    let files = JsonlHistory::open(folder.path()).unwrap();
    append(&files, "it's a \u{1f600}", &exchange(0)).unwrap();
    for _ in 0..2 {
        let mut last = Progress::default();
        let done = block_on(copy(&history, &files, |progress| last = progress)).unwrap();
        assert_eq!((done.sessions, done.turns, last), (301, 302, done));
    }
    assert_eq!(turns(&files, "it's a \u{1f600}")[1..], turns(&history, "it's a \u{1f600}")[..]);
    assert_eq!(
        load(&files, "session 7").unwrap().messages,
        load(&history, "session 7").unwrap().messages
    );
}

#[test]
fn the_form_of_a_line() {
    let history = InMemoryHistory::new();
    let turn = Turn::exchange("Hi there my friend", "Hello!").with_id(TurnId::from_u128(7));
    append(&history, "user-7", &turn).unwrap();
    let mut lines = Vec::new();
    block_on(export(&history, &mut lines, |_| {})).unwrap();
    insta::assert_snapshot!(String::from_utf8(lines).unwrap());
    // Optional fields can be missing; empty lines and other line breaks are accepted.
    let short = "\r\n{\"session\": \"user-7\", \"turn\": {\"id\": \"00000000-0000-0000-0000-000000000007\", \"messages\": [{\"type\": \"human\", \"data\": {\"content\": \"hi\"}}]}}\r\n\n";
    let other = InMemoryHistory::new();
    block_on(import(&other, short.as_bytes(), |_| {})).unwrap();
    assert_eq!(load(&other, "user-7").unwrap().messages.to_string(), "Human: hi");
}

/// A store that cannot list its sessions.
struct Unlisted;

#[async_trait]
impl ChatHistory for Unlisted {
    async fn load(&self, _: &SessionId, _: Range) -> Result<Slice, HistoryError> {
        Ok(Slice::default())
    }
    async fn append(&self, _: &SessionId, _: &Turn, _: Expect) -> Result<Version, HistoryError> {
        Err(HistoryError::Busy)
    }
    async fn clear(&self, _: &SessionId) -> Result<(), HistoryError> {
        Ok(())
    }
}

struct Broken;

impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::Error::other("the cable was pulled"))
    }
}

#[test]
fn what_stops_a_transfer_is_told() {
    let history = filled();
    let line = "{\"session\":\"a\",\"turn\":{\"id\":\"00000000-0000-0000-0000-000000000007\",\"messages\":[]}}";
    let second = format!("{line}\n{{\"session\":\"\"}}\n");
    let errors = [
        block_on(export(&Unlisted, Vec::new(), |_| {})).unwrap_err(),
        block_on(copy(&history, &Unlisted, |_| {})).unwrap_err(),
        block_on(import(&Unlisted, line.as_bytes(), |_| {})).unwrap_err(),
        block_on(import(&history, second.as_bytes(), |_| {})).unwrap_err(),
        block_on(import(&history, BufReader::new(Broken), |_| {})).unwrap_err(),
    ];
    let mut seen = String::new();
    for error in errors {
        seen.push_str(&error.to_string());
        let mut source = std::error::Error::source(&error);
        while let Some(cause) = source {
            seen.push_str(&format!("\n  because: {cause}"));
            source = cause.source();
        }
        seen.push('\n');
    }
    insta::assert_snapshot!(seen);
}

/// Errors of an import contain no words of a message.
#[test]
fn errors_quote_no_message() {
    let turn = |fields: &str| {
        format!("{{\"session\":\"a\",\"turn\":{{\"id\":\"{}\",{fields}}}}}", TurnId::from_u128(7))
    };
    let message =
        |data: &str| turn(&format!("\"messages\":[{{\"type\":\"human\",\"data\":{data}}}]"));
    let cases: Vec<Vec<u8>> = vec![
        br#""my Sekretwort is tulip""#.to_vec(),
        br#"{"session":"a","turn":"my Sekretwort is tulip"}"#.to_vec(),
        br#"{"session":["my Sekretwort is tulip"],"turn":null}"#.to_vec(),
        br#"{"my Sekretwort is tulip":1}"#.to_vec(),
        turn(r#""messages":"my Sekretwort is tulip""#).into(),
        turn(r#""messages":["my Sekretwort is tulip"]"#).into(),
        turn(r#""messages":[],"base":"my Sekretwort is tulip""#).into(),
        turn(r#""messages":[],"incomplete":"my Sekretwort is tulip""#).into(),
        turn(r#""messages":[{"type":"my Sekretwort is tulip","data":{}}]"#).into(),
        message(r#""my Sekretwort is tulip""#).into(),
        message(r#"{"content":{"my Sekretwort is tulip":1}}"#).into(),
        message(r#"{"content":"x","name":["my Sekretwort is tulip"]}"#).into(),
        message(r#"{"content":"x","tool_calls":"my Sekretwort is tulip"}"#)
            .replace("human", "ai")
            .into(),
        message(r#"{"content":"my Sekretwort is tulip"#).into(),
        message("{\"content\":\"my Sekretwort is \\ud800\"}").into(),
        b"{\"session\":\"my Sekretwort \xff".to_vec(),
        b"my Sekretwort is tulip".to_vec(),
    ];
    let mut seen = String::new();
    for line in cases {
        let imported = block_on(import(&InMemoryHistory::new(), line.as_slice(), |_| {}));
        let Err(error) = imported else { panic!("{}", String::from_utf8_lossy(&line)) };
        let shown = format!("{error}\n{error:?}\n{:?}", std::error::Error::source(&error));
        for word in ["Sekretwort", "tulip"] {
            assert!(!shown.contains(word), "{shown}");
        }
        seen.push_str(&format!("{error}\n"));
    }
    insta::assert_snapshot!(seen);
}

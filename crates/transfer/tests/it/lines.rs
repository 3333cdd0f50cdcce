//! The lines of this crate, out and in.

use std::io::{self, BufReader, Read};

use conversant_core::{
    ChatHistory, Expect, HistoryError, Note, Point, Range, SessionId, Slice, Turn, TurnId, Version,
    async_trait,
};
use conversant_history_jsonl::JsonlHistory;
use conversant_history_sqlite::LangChainSqliteHistory;
use conversant_memory::{Facts, InMemoryHistory};
use conversant_testkit::{FailingHistory, FailureMode, HistoryCall, block_on};
use conversant_transfer::{Export, Import, TransferEvent, copy};

use crate::support::{append, exchange, export, filled, import, load, session, turns};

#[test]
fn lines_go_out_and_come_in() {
    let history = filled();
    let (mut lines, mut reached) = (Vec::new(), Vec::new());
    let done = block_on(Export::lines().run(&history, &mut lines, |event| {
        if let TransferEvent::Progress(progress) = event {
            reached.push(progress);
        }
    }))
    .unwrap();
    assert_eq!((done.sessions, done.turns, done.bytes), (301, 302, lines.len() as u64));
    assert_eq!(reached.len(), 301);
    assert_eq!(reached.last(), Some(&done));
    let text = String::from_utf8(lines).unwrap();
    assert_eq!(text.lines().count(), 302);
    let other = InMemoryHistory::new();
    // A second import adds nothing.
    for _ in 0..2 {
        let done = import(&Import::lines(), &other, text.as_bytes()).0.unwrap();
        assert_eq!((done.sessions, done.turns, done.bytes), (301, 302, text.len() as u64));
    }
    // The rest of an import that was interrupted.
    let done = import(&Import::lines().with_start(300), &InMemoryHistory::new(), text.as_bytes());
    assert_eq!(done.0.unwrap().turns, 2);
    for name in ["session 7", "session 299", "it's a \u{1f600}"] {
        assert_eq!(turns(&other, name), turns(&history, name));
    }
}

#[test]
fn the_form_of_a_line() {
    let history = InMemoryHistory::new();
    let turn = Turn::exchange("Hi there my friend", "Hello!").with_id(TurnId::from_u128(7));
    append(&history, "user-7", &turn).unwrap();
    insta::assert_snapshot!(export(&Export::lines(), &history).0);
    // Optional fields can be missing; empty lines and other line breaks are accepted.
    let short = "\r\n{\"session\": \"user-7\", \"turn\": {\"id\": \"00000000-0000-0000-0000-000000000007\", \"messages\": [{\"type\": \"human\", \"data\": {\"content\": \"hi\"}}]}}\r\n\n";
    let other = InMemoryHistory::new();
    import(&Import::lines(), &other, short.as_bytes()).0.unwrap();
    assert_eq!(load(&other, "user-7").unwrap().messages.to_string(), "Human: hi");
}

/// A person may have corrected facts: they cannot be derived from the turns.
#[test]
fn facts_go_out_and_come_in() {
    let from = InMemoryHistory::new();
    let covers = append(&from, "s", &exchange(0)).unwrap();
    append(&from, "s", &exchange(1)).unwrap();
    let facts = |history: &InMemoryHistory, name| Facts::of_session(history.clone(), session(name));
    block_on(async {
        facts(&from, "s").set("chess", "Ada plays it.").await.unwrap();
        facts(&from, "s").set("Lisbon", "Ada lives there.").await.unwrap();
        from.put_note(&session("s"), Note::DESCRIBED, &Note::new("", covers)).await.unwrap();
    });
    let (file, omitted) = export(&Export::lines(), &from);
    assert!(omitted.is_empty());
    assert_eq!(
        file.lines().last(),
        Some(
            r#"{"session":"s","facts":{"chess":"Ada plays it.","Lisbon":"Ada lives there."},"described":2}"#
        )
    );
    let to = InMemoryHistory::new();
    block_on(facts(&to, "backup:s").set("chess", "Ada plays it well.")).unwrap();
    for _ in 0..2 {
        let lines = Import::lines().with_session_prefix("backup:");
        let (done, omitted) = import(&lines, &to, file.as_bytes());
        assert_eq!((done.unwrap().sessions, omitted), (1, Vec::new()));
        let known = block_on(facts(&to, "backup:s").list()).unwrap();
        let known: Vec<_> = known.iter().map(|fact| (&*fact.name, &*fact.text)).collect();
        assert_eq!(known, [("Lisbon", "Ada lives there."), ("chess", "Ada plays it well.")]);
    }
    // Without facts of its own, the session has the turns that are described too.
    let to = InMemoryHistory::new();
    import(&Import::lines(), &to, file.as_bytes()).0.unwrap();
    let described = block_on(to.note(&session("s"), Note::DESCRIBED)).unwrap().unwrap();
    assert_eq!(described.covers.messages, 2);
    // A history without notes, and a session that has other turns.
    let folder = tempfile::tempdir().unwrap();
    let rows = LangChainSqliteHistory::open(folder.path().join("rows.db")).unwrap();
    let (done, omitted) = import(&Import::lines(), &rows, file.as_bytes());
    let reason = "the history cannot store all facts of the session";
    assert_eq!(
        (done.unwrap().turns, omitted),
        (2, vec![format!("conversation 3 (`s`): {reason}")])
    );
    let other = InMemoryHistory::new();
    append(&other, "s", &exchange(7)).unwrap();
    import(&Import::lines(), &other, file.as_bytes()).0.unwrap();
    assert!(block_on(facts(&other, "s").list()).unwrap().is_empty());
    // Facts are texts.
    let line = r#"{"session":"s","facts":{"Ada":["kind"]}}"#;
    import(&Import::lines(), &other, line.as_bytes()).0.unwrap_err();
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
fn each_stop_of_a_transfer_is_an_error() {
    let history = filled();
    let line = "{\"session\":\"a\",\"turn\":{\"id\":\"00000000-0000-0000-0000-000000000007\",\"messages\":[]}}";
    let second = format!("{line}\n{{\"session\":\"\"}}\n");
    let short = Import::lines().with_max_conversation_bytes(10);
    let errors = [
        block_on(Export::lines().run(&Unlisted, Vec::new(), |_| {})).unwrap_err(),
        block_on(copy(&history, &Unlisted, |_| {})).unwrap_err(),
        import(&Import::lines(), &Unlisted, line.as_bytes()).0.unwrap_err(),
        import(&Import::lines(), &history, second.as_bytes()).0.unwrap_err(),
        import(&short, &history, second.as_bytes()).0.unwrap_err(),
        block_on(Import::lines().run(&history, BufReader::new(Broken), |_| {})).unwrap_err(),
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
        let imported = import(&Import::lines(), &InMemoryHistory::new(), &line).0;
        let Err(error) = imported else { panic!("{}", String::from_utf8_lossy(&line)) };
        let shown = format!("{error}\n{error:?}\n{:?}", std::error::Error::source(&error));
        for word in ["Sekretwort", "tulip"] {
            assert!(!shown.contains(word), "{shown}");
        }
        seen.push_str(&format!("{error}\n"));
    }
    insta::assert_snapshot!(seen);
}

/// A session that went on between an interrupted import and its repetition stays as it is.
#[test]
fn lines_are_appended_only_after_the_same_turns() {
    let from = InMemoryHistory::new();
    for number in 0..3 {
        append(&from, "a", &exchange(number)).unwrap();
    }
    append(&from, "b", &exchange(3)).unwrap();
    let (file, _) = export(&Export::lines(), &from);
    let part = |count: usize| file.lines().take(count).map(|line| format!("{line}\n"));
    let went_on = |lines: usize| {
        let to = InMemoryHistory::new();
        let part: String = part(lines).collect();
        import(&Import::lines(), &to, part.as_bytes()).0.unwrap();
        append(&to, "a", &Turn::exchange("live question", "live answer")).unwrap();
        to
    };
    // From the start, and from where the first import stopped: at once, in the middle, at the end.
    for start in [0, 1] {
        for (lines, shared) in [(0, 0), (1, 1), (2, 2), (3, 3)] {
            let to = went_on(lines);
            let before = turns(&to, "a");
            let format = Import::lines().with_start(start * lines as u64);
            let (done, omissions) = import(&format, &to, file.as_bytes());
            let done = done.unwrap();
            assert_eq!(turns(&to, "a"), before, "{start} {lines}");
            assert_eq!(turns(&to, "b").len(), 1);
            assert_eq!(omissions.len(), usize::from(shared < 3), "{omissions:?}");
            if start == 0 {
                assert_eq!(done.turns, shared + 1);
                assert_eq!(done.sessions, 1 + u64::from(shared > 0));
            }
            for omission in omissions {
                let known = if start == 0 { shared } else { 0 };
                let line = shared + 1;
                assert_eq!(
                    omission,
                    format!(
                        "conversation {line} (`a`): the session has other turns in the history, after turn {known}"
                    )
                );
            }
        }
    }
    // A session that has gone on in the file.
    let to = InMemoryHistory::new();
    let first: String = part(1).collect();
    import(&Import::lines(), &to, first.as_bytes()).0.unwrap();
    let (done, omissions) = import(&Import::lines(), &to, file.as_bytes());
    assert_eq!((done.unwrap().turns, omissions.len()), (4, 0));
    assert_eq!(turns(&to, "a"), turns(&from, "a"));
    // The title of a session that has other turns.
    let to = went_on(0);
    let named = format!("{file}{{\"session\":\"a\",\"title\":\"A\"}}\n");
    let named = named.replace("\"b\"", "\"a\"");
    import(&Import::lines(), &to, named.as_bytes()).0.unwrap();
    assert_eq!(block_on(to.session_info(&session("a"))).unwrap().unwrap().title, None);
}

/// As of the other formats, a turn that the history refuses is reported and the rest is read.
#[test]
fn lines_that_a_history_refuses_are_reported() {
    let from = InMemoryHistory::new();
    let long = Turn::exchange("x".repeat(300), "long");
    for turn in [&exchange(0), &long, &exchange(1)] {
        append(&from, "a", turn).unwrap();
    }
    append(&from, "b", &exchange(2)).unwrap();
    // The same with another first turn, so that the lines have places.
    let branched = InMemoryHistory::new();
    block_on(copy(&from, &branched, |_| {})).unwrap();
    let view = branched.at(Point::Start).unwrap();
    block_on(view.append(&session("a"), &exchange(3), Expect::Any)).unwrap();
    for (from, expected) in [(&from, 2), (&branched, 2)] {
        let (file, _) = export(&Export::lines(), from);
        let has_branches = file.contains("\"follows\"");
        for _ in 0..2 {
            let folder = tempfile::tempdir().unwrap();
            let history = JsonlHistory::builder(folder.path());
            let history = history.max_message_bytes(200).open().unwrap();
            let (done, omissions) = import(&Import::lines(), &history, file.as_bytes());
            let done = done.unwrap();
            let refused = "(`a`): the history refuses a message of the turn";
            // A turn after the refused one has no place in a tree.
            assert_eq!(omissions.len(), if has_branches { 2 } else { 1 }, "{omissions:?}");
            assert!(omissions.iter().all(|omission| omission.ends_with(refused)), "{omissions:?}");
            assert_eq!((done.sessions, done.turns), (2, 3));
            assert_eq!(turns(&history, "b").len(), 1);
            assert_eq!(turns(&history, "a").len(), if has_branches { 1 } else { expected });
        }
    }
}

/// A session that a user clears while its lines are imported does not end the import.
#[test]
fn lines_of_a_session_that_is_cleared_meanwhile_are_left_out() {
    let from = InMemoryHistory::new();
    let turns_of_a = [0, 1, 2].map(exchange);
    for turn in &turns_of_a {
        append(&from, "a", turn).unwrap();
    }
    let view = from.at(turns_of_a[0].id().into()).unwrap();
    block_on(view.append(&session("a"), &exchange(3), Expect::Any)).unwrap();
    let tip = turns_of_a[2].id().into();
    block_on(from.set_tip(&session("a"), tip, Expect::Any)).unwrap();
    append(&from, "b", &exchange(4)).unwrap();
    let (file, _) = export(&Export::lines(), &from);
    assert!(file.contains("\"follows\""));
    let unknown = || FailureMode::fail(|| HistoryError::UnknownTurn { turn: exchange(0).id() });
    for (call, nth, stored) in [(HistoryCall::Append, 2, 1), (HistoryCall::SetTip, 1, 4)] {
        let to = FailingHistory::new(InMemoryHistory::new()).on(call, nth, unknown());
        let (done, omissions) = import(&Import::lines(), &to, file.as_bytes());
        assert_eq!((done.unwrap().turns, omissions.len()), (stored + 1, usize::from(stored < 4)));
        assert_eq!(turns(&to, "b").len(), 1);
    }
}

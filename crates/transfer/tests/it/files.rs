//! Files that are broken, of another kind, too large, or read in small pieces.

use std::{
    future::Future as _,
    io::{BufReader, Read},
    pin::pin,
    task::{Context, Waker},
};

use conversant_core::Report;
use conversant_memory::InMemoryHistory;
use conversant_testkit::block_on;
use conversant_transfer::{Import, TransferEvent};
use proptest::prelude::*;

use super::support::{describe, import, session};

const ONE: &str = r#"{"id":"1","conversations":[{"from":"human","value":"a ] } \" {"}]}"#;
const TWO: &str = r#"{"id":"2","conversations":[{"from":"human","value":"b"}]}"#;

/// Describes the sessions, the omissions and the outcome of an import.
fn outcome(format: &Import, file: &[u8]) -> String {
    let history = InMemoryHistory::new();
    let (done, omissions) = import(format, &history, file);
    let sessions = describe(&history);
    let sessions: Vec<_> = sessions.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    let done = match done {
        Ok(done) => format!("{} conversations, {} bytes", done.conversations, done.bytes),
        Err(error) => Report::new(&error).to_string(),
    };
    format!("{sessions:?}; {omissions:?}; {done}")
}

#[test]
fn what_is_not_a_file_of_conversations_is_said() {
    let pretty = format!("{{\n  \"id\": \"3\",\n{}", TWO.strip_prefix(r#"{"id":"2","#).unwrap());
    let cases: Vec<(&str, String)> = vec![
        ("a list", format!("[{ONE},{TWO}]")),
        ("a list with space and a mark", format!("\u{feff} [ {ONE} \r\n,\t{TWO} ] \n")),
        ("lines", format!("{ONE}\n\r\n{TWO}\r\n")),
        ("lines without a last break", format!("{ONE}\n{TWO}")),
        ("values of several lines", format!("{pretty}\n{pretty}")),
        ("values of several lines with a comma", format!("{pretty}\n,\n{pretty}\n")),
        ("values of several lines with a comma at an end", format!("{pretty},\n{pretty}\n")),
        ("values of several lines with a bracket", format!("{pretty}\n}}\n{pretty}\n")),
        ("a value of several lines in a list without a start", format!("{pretty}\n]")),
        ("a bracket before values of several lines", format!("}}\n{pretty}\n{pretty}\n")),
        ("nothing", String::new()),
        ("space", " \n ".to_owned()),
        ("an empty list", "[ ]".to_owned()),
        ("a list that ends within a value", format!("[{ONE},{}", TWO.split_at(20).0)),
        ("a list that ends after a value", format!("[{ONE}")),
        ("a list that ends after a comma", format!("[{ONE},")),
        ("two lists", format!("[{ONE}][{TWO}]")),
        ("a list without commas", format!("[{ONE} {TWO}]")),
        ("a list with two commas", format!("[{ONE},,{TWO}]")),
        ("a list that begins with a comma", format!("[,{ONE}]")),
        ("a list with a comma at its end", format!("[{ONE},]")),
        ("an archive", "PK\u{3}\u{4}and so on".to_owned()),
        ("words in a list", format!("[null, 1.5, true, \"{{\", {ONE}]")),
        ("a value that is closed wrongly", format!("[{{\"id\": ]}}, {ONE}]")),
        (
            "values that are nested too deeply",
            format!("[{}{}, {ONE}]", "[".repeat(200), "]".repeat(200)),
        ),
        ("a line that is cut off", format!("{ONE}\n{}\n{TWO}\n", ONE.split_at(30).0)),
        ("a line of words", format!("{ONE}\nhello there\n{TWO}\n")),
        ("a web page", "<html>\n<body>\n".to_owned()),
    ];
    let seen: Vec<_> = cases
        .into_iter()
        .map(|(name, file)| format!("{name}: {}", outcome(&Import::sharegpt(), file.as_bytes())))
        .collect();
    insta::assert_snapshot!(seen.join("\n"));
}

#[test]
fn bytes_that_are_not_text_are_left_out() {
    let mut file = format!("[{ONE},").into_bytes();
    file.extend_from_slice(b"{\"id\":\"\xff\",\"conversations\":[]},");
    file.extend_from_slice(format!("{TWO}]").as_bytes());
    let expected = "[\"1\", \"2\"]; [\"conversation 2: invalid JSON at byte 75 of the file\"]; ";
    let seen = outcome(&Import::sharegpt(), &file);
    assert!(seen.starts_with(expected), "{seen}");
}

#[test]
fn a_conversation_that_is_too_large_is_passed_over() {
    let large = TWO.replace("\"b\"", &format!("\"{}\"", "b".repeat(5_000)));
    for file in [format!("[{ONE},{large},{TWO}]"), format!("{ONE}\n{large}\n{TWO}\n")] {
        let seen = outcome(&Import::sharegpt().with_max_conversation_bytes(100), file.as_bytes());
        assert!(seen.starts_with("[\"1\", \"2\"]; [\"conversation 2: it has 50"), "{seen}");
    }
    let file = r#"[{"type":"human","data":{"content":"a long message"}},{"type":"human","data":{"content":"b"}}]"#;
    let format = Import::langchain_file(session("a")).with_max_conversation_bytes(45);
    let seen = outcome(&format, file.as_bytes());
    assert!(seen.contains("message 1: it has 52 bytes, and the limit is 45"), "{seen}");
}

#[test]
fn langchains_file_is_a_list() {
    for file in ["{}", "{\"type\":\"human\"}\n", "text"] {
        let seen = outcome(&Import::langchain_file(session("a")), file.as_bytes());
        assert_eq!(
            seen,
            "[]; []; cannot read conversation 1 at byte 0 of the file: expected a list"
        );
    }
    let seen = outcome(&Import::langchain_file(session("a")), b"[]");
    let expected = "[]; [\"conversation 1 (`a`): no messages to transfer\"]; 1 conversations";
    assert!(seen.starts_with(expected), "{seen}");
}

/// A reader that gives one byte at a time, and is interrupted before each.
struct Slow<'f> {
    file: &'f [u8],
    interrupts: bool,
}

impl Read for Slow<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.interrupts = !self.interrupts;
        if self.interrupts {
            return Err(std::io::ErrorKind::Interrupted.into());
        }
        self.file.read(&mut buffer[..1])
    }
}

#[test]
fn pieces_of_any_size_are_one_file() {
    for (format, file) in [
        (Import::chatgpt(), super::support::CHATGPT),
        (Import::sharegpt(), super::support::SHAREGPT),
        (Import::fine_tuning(), super::support::FINE_TUNING),
        (Import::langchain_file(session("a")), super::support::LANGCHAIN_FILE),
        // Values of several lines, after the mark of UTF-8.
        (
            Import::fine_tuning(),
            "\u{feff}{\"messages\": [\n{\"role\": \"user\", \"content\": \"a\"}]}\n{\n}",
        ),
    ] {
        let (whole, pieces) = (InMemoryHistory::new(), InMemoryHistory::new());
        let expected = import(&format, &whole, file.as_bytes()).0.unwrap();
        let slow = Slow { file: file.as_bytes(), interrupts: false };
        let slow = BufReader::with_capacity(1, slow);
        let done = block_on(format.run(&pieces, slow, |_| {})).unwrap();
        assert_eq!(done, expected);
        assert_eq!(describe(&pieces), describe(&whole));
    }
}

/// Returns files of the letters on which the reader of values decides.
fn files() -> impl Strategy<Value = Vec<u8>> {
    let letters = prop::sample::select(b"{}[],:\"\\ \n\r1n\xff".as_slice());
    let line = prop::sample::select(vec!["{\n}", "{\"messages\": []}", ",\n", "\u{feff}", "[]"]);
    let piece = prop_oneof![
        3 => prop::collection::vec(letters, 1..4),
        2 => line.prop_map(|text| text.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 1..4),
    ];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// Each conversation and line takes bytes of the file, so that an import of any bytes ends.
    #[test]
    fn an_import_of_any_bytes_ends(file in files(), format in 0..5_usize, small in any::<bool>()) {
        let format = match format {
            0 => Import::chatgpt(),
            1 => Import::sharegpt(),
            2 => Import::fine_tuning(),
            3 => Import::langchain_file(session("a")),
            _ => Import::lines(),
        };
        let format = if small { format.with_max_conversation_bytes(3) } else { format };
        let history = InMemoryHistory::new();
        let (length, mut last) = (file.len() as u64, (0, 0));
        let done = block_on(format.run(&history, file.as_slice(), |event| {
            let TransferEvent::Progress(progress) = event else { return };
            let now = (progress.conversations, progress.bytes);
            assert!(now.0 == last.0 || now.1 > last.1 || now == (1, 0), "{last:?}, {now:?}");
            assert!(now.1 <= length, "{now:?} of {length}");
            last = now;
        }));
        if let Ok(done) = done {
            prop_assert_eq!(done.bytes, length);
        }
    }
}

#[test]
fn a_file_without_conversations_lets_other_tasks_run() {
    let history = InMemoryHistory::new();
    for (import, line) in [(Import::sharegpt(), "no JSON\n"), (Import::lines(), "\n")] {
        let file = line.repeat(6_400);
        let mut run = pin!(import.run(&history, file.as_bytes(), |_| {}));
        let mut context = Context::from_waker(Waker::noop());
        let mut pauses = 0;
        while run.as_mut().poll(&mut context).is_pending() {
            pauses += 1;
        }
        assert_eq!(pauses, 100);
    }
}

/// No report and no error has a word of a conversation.
#[test]
fn nothing_quotes_a_message() {
    let cases = [
        (Import::sharegpt(), r#"[{"id":"a","conversations":[{"from":"Sekret","value":"x"}]}]"#),
        (Import::sharegpt(), r#"[{"id":"a","conversations":"Sekret"}]"#),
        (Import::sharegpt(), r#"["Sekret"]"#),
        (Import::sharegpt(), r#"[{"id":"a","conversations":[{"from":"human","value":"Sekret}]}]"#),
        (Import::fine_tuning(), r#"{"messages":[{"role":"Sekret","content":"Sekret"}]}"#),
        (Import::fine_tuning(), r#"{"messages":"Sekret"}"#),
        (
            Import::chatgpt(),
            r#"[{"title":"Sekret","mapping":{"Sekret wort":{"message":{"author":{"role":"Sekret"},"content":{"content_type":"Sekret"}}}}}]"#,
        ),
        (Import::chatgpt(), r#"[{"id":"a","mapping":"Sekret"}]"#),
        (Import::langchain_file(session("a")), r#"[{"type":"Sekret","data":{}}]"#),
        (Import::langchain_file(session("a")), r#""Sekret""#),
    ];
    for (format, file) in cases {
        let history = InMemoryHistory::new();
        let (done, omissions) = import(&format, &history, file.as_bytes());
        let shown = format!("{done:?} {omissions:?}");
        assert!(!shown.contains("Sekret"), "{shown}");
        assert!(done.is_err() || !omissions.is_empty(), "{file}");
    }
}

//! Exports to the formats of other programs, and back.

use std::io::{self, Write};

use conversant_core::{ChatHistory, Content, Message, Part, Role, ToolCall, Turn, TurnId};
use conversant_history_jsonl::JsonlHistory;
use conversant_memory::InMemoryHistory;
use conversant_testkit::block_on;
use conversant_transfer::{Export, Import, TransferProgress};
use serde_json::{Value as Json, json};

use super::imports::calls_of_each_form;
use super::support::{
    FINE_TUNING, LANGCHAIN_FILE, SHAREGPT, append, describe, export, import, session, turns,
};

/// Returns a history with everything that the formats have forms for, and what they have none for.
fn filled() -> InMemoryHistory {
    let history = InMemoryHistory::new();
    let id = |number| TurnId::from_u128(number);
    let calls = [
        ToolCall::new("weather", json!({"city": "Paris"})).with_id("c1"),
        ToolCall::new("weather", json!({"city": "Rome"})).with_id("c2"),
    ];
    let image = Part::image_url("https://example.com/a.png");
    let sound = Part::input_audio("AAAA", "wav");
    let session = [
        Turn::new(vec![Message::system("Be terse.")]),
        Turn::new(vec![
            Message::human("How is the weather?").with_name("Ada"),
            Message::ai("Let me see.").with_tool_calls(calls),
            Message::tool("rain", "c1"),
            Message::tool("sun", "c2"),
            Message::ai("Rain and sun."),
        ]),
        Turn::new(vec![
            Message::human(Content::from(vec![Part::text("What is this?"), image, sound])),
            Message::chat("critic", "Unclear."),
            Message::ai("A sea."),
        ]),
        Turn::exchange("And", "this is cut").with_incomplete(true),
    ];
    for (turn, number) in session.into_iter().zip(1..) {
        append(&history, "a", &turn.with_id(id(number))).unwrap();
    }
    append(&history, "b", &Turn::new(vec![Message::human("No answer")]).with_id(id(9))).unwrap();
    history
}

#[test]
fn each_format_is_written_or_reported() {
    let formats = [
        ("sharegpt", Export::sharegpt()),
        ("fine_tuning", Export::fine_tuning()),
        ("lines", Export::lines()),
        ("langchain_file", Export::langchain_file(session("a"))),
    ];
    for (name, format) in formats {
        let (file, omissions) = export(&format, &filled());
        insta::assert_snapshot!(name, format!("{file}\n---\n{}", omissions.join("\n")));
    }
}

/// A file that is imported and exported is imported as the same.
#[test]
fn what_goes_out_comes_in() {
    for (file, read, write) in [
        (SHAREGPT, Import::sharegpt(), Export::sharegpt()),
        (FINE_TUNING, Import::fine_tuning(), Export::fine_tuning()),
    ] {
        let (history, other) = (InMemoryHistory::new(), InMemoryHistory::new());
        import(&read, &history, file.as_bytes()).0.unwrap();
        let (written, _) = export(&write, &history);
        import(&read, &other, written.as_bytes()).0.unwrap();
        let (again, omissions) = export(&write, &other);
        // Sessions that are named by their content may come in another order.
        let sorted = |file: &str| {
            let mut lines: Vec<_> =
                file.lines().map(|line| line.trim_end_matches(',').to_owned()).collect();
            lines.sort();
            lines
        };
        assert_eq!(sorted(&again), sorted(&written));
        assert_eq!(omissions, [""; 0]);
    }
}

#[test]
fn langchains_file_is_written_to_the_byte() {
    let history = InMemoryHistory::new();
    let format = Import::langchain_file(session("file"));
    import(&format, &history, LANGCHAIN_FILE.as_bytes()).0.unwrap();
    assert_eq!(turns(&history, "file").len(), 2);
    let (file, _) = export(&Export::langchain_file(session("file")), &history);
    assert_eq!(file, LANGCHAIN_FILE);
}

/// Results that came in another order than their calls belong to them in each format.
#[test]
fn results_belong_to_their_calls() {
    let call = |name: &str| ToolCall::new(name, json!({})).with_id(format!("id of {name}"));
    let result = |name: &str| Message::tool(format!("result of {name}"), format!("id of {name}"));
    let history = InMemoryHistory::new();
    let turn = vec![
        Message::human("q"),
        Message::ai("").with_tool_calls(["a", "b", "c"].map(call)),
        result("c"),
        result("a"),
        result("b"),
        Message::ai("").with_tool_calls(["d", "e"].map(call)),
        result("e"),
        result("d"),
        Message::ai("done"),
    ];
    append(&history, "s", &Turn::new(turn)).unwrap();
    for (read, write) in [
        (Import::sharegpt(), Export::sharegpt()),
        (Import::fine_tuning(), Export::fine_tuning()),
        (Import::lines(), Export::lines()),
        (Import::langchain_file(session("s")), Export::langchain_file(session("s"))),
    ] {
        let (file, omissions) = export(&write, &history);
        assert_eq!(omissions, [""; 0]);
        let other = InMemoryHistory::new();
        let (done, omissions) = import(&read, &other, file.as_bytes());
        assert_eq!((done.unwrap().turns, omissions.len()), (1, 0), "{file}");
        let id = &block_on(other.sessions(None, 1)).unwrap()[0];
        let found = turns(&other, id.as_str()).remove(0);
        let messages = found.messages();
        let calls: Vec<_> = messages.iter().flat_map(|message| message.tool_calls()).collect();
        let results: Vec<_> =
            messages.iter().filter(|message| message.role() == &Role::Tool).collect();
        assert_eq!((calls.len(), results.len()), (5, 5), "{file}");
        for call in calls {
            let of_call = |result: &&&Message| result.tool_call_id() == call.id.as_deref();
            let result = results.iter().find(of_call).unwrap();
            assert_eq!(result.text(), format!("result of {}", call.name), "{file}");
        }
    }
}

/// An answer that was cut off is not a whole one after it went through LangChain's file.
#[test]
fn an_answer_that_was_cut_off_is_marked_in_langchains_file() {
    let history = InMemoryHistory::new();
    for (number, incomplete) in [false, true, false, true].into_iter().enumerate() {
        let turn = Turn::exchange(format!("q{number}"), "a").with_incomplete(incomplete);
        append(&history, "s", &turn).unwrap();
    }
    let (file, omissions) = export(&Export::langchain_file(session("s")), &history);
    assert_eq!(omissions, [""; 0]);
    let other = InMemoryHistory::new();
    import(&Import::langchain_file(session("s")), &other, file.as_bytes()).0.unwrap();
    let (found, expected) = (turns(&other, "s"), turns(&history, "s"));
    assert_eq!(found.len(), 4);
    for (found, expected) in found.iter().zip(&expected) {
        assert_eq!(found.messages(), expected.messages());
        assert_eq!(found.is_incomplete(), expected.is_incomplete());
    }
}

#[test]
fn an_empty_history_is_an_empty_file() {
    let history = InMemoryHistory::new();
    let written = |format| export(&format, &history).0;
    assert_eq!(written(Export::lines()), "");
    assert_eq!(written(Export::sharegpt()), "[]\n");
    assert_eq!(written(Export::fine_tuning()), "");
    assert_eq!(written(Export::langchain_file(session("a"))), "[]");
    let done = import(&Import::sharegpt(), &history, b"[]\n").0.unwrap();
    assert_eq!((done.conversations, done.turns, done.omissions), (0, 0, 0));
    assert_eq!(describe(&history), "");
}

/// A store that takes a conversation can give it to each other one, by a copy and by lines.
#[test]
fn what_a_history_accepts_can_be_exported_and_imported() {
    let nested = |depth: usize| (0..depth).fold(json!("leaf"), |inner, _| Json::Array(vec![inner]));
    let call = |depth| {
        let call = ToolCall::new("f", json!({ "a": nested(depth) })).with_id("1");
        vec![Message::ai("").with_tool_calls([call]), Message::tool("r", "1")]
    };
    let extra = |depth| vec![Message::ai("done").with_extra("x", nested(depth))];
    let part = |depth| {
        let part = json!({"type": "x", "x": nested(depth)});
        vec![Message::ai(vec![Part::from_object(part.as_object().unwrap().clone())])]
    };
    let kinds: [&dyn Fn(usize) -> Vec<Message>; 3] = [&call, &extra, &part];
    let folder = tempfile::tempdir().unwrap();
    let files = JsonlHistory::open(folder.path()).unwrap();
    let mut accepted = [0; 3];
    for depth in [1, 95, 96, 101, 114, 115, 116, 117, 118, 119, 120, 121, 122, 200] {
        for (kind, messages) in kinds.iter().enumerate() {
            let turn = Turn::new(messages(depth));
            let name = format!("{kind} {depth}");
            let memory = InMemoryHistory::new();
            let stored = append(&memory, &name, &turn).map(drop).map_err(|e| e.to_string());
            let others = append(&files, &name, &turn).map(drop).map_err(|e| e.to_string());
            assert_eq!(stored, others, "{name}");
            let list: Vec<_> = turn.messages().iter().cloned().collect();
            let checked = memory.check(&session(&name), &list).map_err(|e| e.to_string());
            assert_eq!(checked, stored, "{name}");
            let (file, omissions) = export(&Export::lines(), &memory);
            let other = InMemoryHistory::new();
            let done = import(&Import::lines(), &other, file.as_bytes()).0.unwrap();
            assert_eq!((done.turns, omissions.len()), (u64::from(stored.is_ok()), 0), "{name}");
            if stored.is_ok() {
                assert_eq!(turns(&other, &name), [turn], "{name}");
                accepted[kind] = depth;
            }
        }
    }
    assert_eq!(accepted, [115, 118, 116]);
    for message in [Message::new(Role::Tool, "x"), Message::new(Role::Function, "x")] {
        let turn = Turn::new(vec![message]);
        let refused = [
            append(&InMemoryHistory::new(), "a", &turn).unwrap_err().to_string(),
            append(&files, "a", &turn).unwrap_err().to_string(),
        ];
        assert_eq!(refused[0], refused[1]);
    }
    // It takes no stack for each level.
    let error = append(&InMemoryHistory::new(), "a", &Turn::new(extra(5_000))).unwrap_err();
    assert!(error.to_string().contains("more than 120 levels"), "{error}");
}

/// A call whose arguments are not JSON is written where the format has a form for it, and left out
/// with its result where it has none.
#[test]
fn calls_of_each_form_go_out_with_their_results() {
    let function_call = r#"{"name":"mail","arguments":{}}"#;
    for (calls, is_json) in calls_of_each_form() {
        let history = InMemoryHistory::new();
        let asked = Message::from_stored(json!({"type": "ai", "data": calls})).unwrap();
        let turn =
            [Message::human("q"), asked, Message::tool("sent", "a"), Message::ai("done")].to_vec();
        append(&history, "s", &Turn::new(turn)).unwrap();

        let (file, omissions) = export(&Export::fine_tuning(), &history);
        assert_eq!(omissions, [""; 0]);
        let line: Json = serde_json::from_str(&file).unwrap();
        let written = &line["messages"][1]["tool_calls"][0];
        let arguments = if is_json { "{}" } else { "{\"to\":" };
        let expected = json!({"name": "mail", "arguments": arguments});
        assert_eq!((&written["id"], &written["function"]), (&json!("a"), &expected));
        assert_eq!(line["messages"][2]["tool_call_id"], "a");
        let other = InMemoryHistory::new();
        let (done, omissions) = import(&Import::fine_tuning(), &other, file.as_bytes());
        assert_eq!((done.unwrap().turns, omissions), (1, Vec::new()), "{file}");
        let (again, _) = export(&Export::fine_tuning(), &other);
        assert_eq!(again, file);

        let (file, omissions) = export(&Export::sharegpt(), &history);
        let data: Json = serde_json::from_str(&file).unwrap();
        let entries = data[0]["conversations"].as_array().unwrap();
        let entry = |entry: &Json| (entry["from"].to_string(), entry["value"].clone());
        let entries: Vec<_> = entries.iter().map(entry).collect();
        let expected = |from: &str, value: &str| (json!(from).to_string(), json!(value));
        let mut all = vec![
            expected("human", "q"),
            expected("function_call", function_call),
            expected("observation", "sent"),
            expected("gpt", "done"),
        ];
        let no_form = |message: usize| {
            format!(
                "conversation 1 (`s`), message {message}: the format has no form for the message"
            )
        };
        let mut left_out = Vec::new();
        if !is_json {
            all.drain(1..3);
            left_out = vec![no_form(2), no_form(3)];
        }
        assert_eq!((entries, omissions), (all, left_out));
    }
}

/// Of two calls, the one without a form is left out with its result.
#[test]
fn a_call_without_a_form_is_left_out_alone() {
    let history = InMemoryHistory::new();
    let calls = json!({
        "content": "",
        "tool_calls": [{"name": "time", "args": {}, "id": "b"}],
        "invalid_tool_calls": [{"name": "mail", "args": "{", "id": "a", "error": null}],
    });
    let asked = Message::from_stored(json!({"type": "ai", "data": calls})).unwrap();
    let turn = vec![
        Message::human("q"),
        asked,
        Message::tool("not JSON", "a"),
        Message::tool("noon", "b"),
        Message::ai("done"),
    ];
    append(&history, "s", &Turn::new(turn)).unwrap();
    let (file, omissions) = export(&Export::sharegpt(), &history);
    assert!(!file.contains("not JSON") && file.contains("noon"), "{file}");
    assert_eq!(file.matches("observation").count(), 1);
    assert_eq!(omissions.len(), 2, "{omissions:?}");
}

/// Items that are left out are not counted as transferred.
#[test]
fn progress_counts_what_is_written() {
    let progress = |format: Export| -> TransferProgress {
        block_on(format.run(&filled(), Vec::new(), |_| {})).unwrap()
    };
    for (format, sessions, turns) in
        [(Export::sharegpt(), 2, 4), (Export::fine_tuning(), 1, 3), (Export::lines(), 2, 5)]
    {
        let done = progress(format.clone());
        assert_eq!(
            (done.conversations, done.sessions, done.turns),
            (2, sessions, turns),
            "{format:?}"
        );
    }
    for (name, sessions, turns) in [("a", 1, 4), ("none", 0, 0)] {
        let done = progress(Export::langchain_file(session(name)));
        assert_eq!((done.conversations, done.sessions, done.turns), (1, sessions, turns));
    }
}

/// Counts the writes of a file, each of which is a call of the system.
struct CountingFile<'c>(&'c mut usize, &'c mut Vec<u8>);

impl Write for CountingFile<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        *self.0 += 1;
        self.1.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_file_is_written_in_few_calls() {
    let history = InMemoryHistory::new();
    for number in 0..200 {
        append(&history, "s", &Turn::exchange(format!("q{number}"), "an answer")).unwrap();
    }
    for format in [Export::lines(), Export::langchain_file(session("s"))] {
        let (mut writes, mut file) = (0, Vec::new());
        block_on(format.run(&history, CountingFile(&mut writes, &mut file), |_| {})).unwrap();
        assert!(writes <= file.len() / 4096 + 1, "{writes} writes of {} bytes", file.len());
        assert_eq!(String::from_utf8(file).unwrap(), export(&format, &history).0);
    }
}

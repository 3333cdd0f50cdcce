//! Imports of the formats of other programs, from files made after their descriptions.

use conversant_core::{Expect, Message, Role, Turn};
use conversant_memory::InMemoryHistory;
use conversant_testkit::block_on;
use conversant_transfer::{Import, TransferEvent};

use super::support::{
    CHATGPT, FINE_TUNING, LANGCHAIN_FILE, SHAREGPT, append, describe, import, load, session, turns,
};

fn formats() -> [(&'static str, Import, &'static str); 4] {
    [
        ("chatgpt", Import::chatgpt(), CHATGPT),
        ("sharegpt", Import::sharegpt(), SHAREGPT),
        ("fine_tuning", Import::fine_tuning(), FINE_TUNING),
        ("langchain_file", Import::langchain_file(session("file")), LANGCHAIN_FILE),
    ]
}

#[test]
fn each_format_is_taken_or_reported() {
    for (name, format, file) in formats() {
        let history = InMemoryHistory::new();
        let (done, omissions) = import(&format, &history, file.as_bytes());
        let done = done.unwrap();
        assert_eq!(done.bytes, file.len() as u64);
        assert_eq!(done.omissions, omissions.len() as u64);
        let seen = format!("{}\n{}\n\n{done:?}", describe(&history), omissions.join("\n"));
        insta::assert_snapshot!(name, seen);
    }
}

#[test]
fn an_import_that_is_repeated_adds_nothing() {
    for (name, format, file) in formats() {
        let history = InMemoryHistory::new();
        let first = import(&format, &history, file.as_bytes());
        let before = describe(&history);
        let second = import(&format, &history, file.as_bytes());
        assert_eq!(describe(&history), before, "{name}");
        assert_eq!(first.0.unwrap(), second.0.unwrap(), "{name}");
        assert_eq!(first.1, second.1, "{name}");
    }
}

/// An import that ends anywhere goes on where it ended, from its start or from a number.
#[test]
fn an_import_that_was_interrupted_goes_on() {
    for (name, format, file) in formats() {
        let whole = InMemoryHistory::new();
        import(&format, &whole, file.as_bytes()).0.unwrap();
        for cut in (0..file.len()).step_by(97) {
            let (again, resumed) = (InMemoryHistory::new(), InMemoryHistory::new());
            import(&format, &again, &file.as_bytes()[..cut]).0.ok();
            import(&format, &again, file.as_bytes()).0.unwrap();
            let mut reached = 0;
            let part = &file.as_bytes()[..cut];
            let broken = block_on(format.run(&resumed, part, |event| {
                if let TransferEvent::Progress(progress) = event {
                    reached = progress.conversations;
                }
            }));
            // A line that is cut off is a conversation that is left out.
            if broken.is_ok() {
                reached = reached.saturating_sub(1);
            }
            import(&format.clone().with_start(reached), &resumed, file.as_bytes()).0.unwrap();
            // What a line that was cut off left behind is a session of its own.
            let expected = describe(&whole);
            assert_eq!(describe(&again), expected, "{name} repeated after byte {cut}");
            assert_eq!(describe(&resumed), expected, "{name} resumed after byte {cut}");
        }
    }
}

#[test]
fn conversations_that_go_on_get_their_new_turns() {
    let entry = |words: &[&str]| {
        let messages: Vec<_> = words
            .iter()
            .enumerate()
            .map(|(index, words)| {
                let from = if index % 2 == 0 { "human" } else { "gpt" };
                serde_json::json!({"from": from, "value": words})
            })
            .collect();
        serde_json::json!([{"id": "a", "conversations": messages}]).to_string()
    };
    let history = InMemoryHistory::new();
    let format = Import::sharegpt();
    import(&format, &history, entry(&["1", "2"]).as_bytes()).0.unwrap();
    let (_, omissions) = import(&format, &history, entry(&["1", "2", "3", "4"]).as_bytes());
    assert_eq!(omissions, [""; 0]);
    assert_eq!(turns(&history, "a").len(), 2);
    // What has changed in its middle, or was continued elsewhere, stays as it is.
    let expected = "Human: 1\nAI: 2\nHuman: 3\nAI: 4";
    for (words, message, shared) in
        [(["1", "2", "3", "five"], 3, 1), (["one", "2", "3", "4"], 1, 0)]
    {
        let (_, omissions) = import(&format, &history, entry(&words).as_bytes());
        let expected_omission = format!(
            "conversation 1 (`a`), message {message}: the session has other turns in the history, after turn {shared}"
        );
        assert_eq!(omissions, [expected_omission]);
        assert_eq!(load(&history, "a").unwrap().messages.to_string(), expected);
    }
    append(&history, "a", &Turn::exchange("5", "6")).unwrap();
    let (done, omissions) = import(&format, &history, entry(&["1", "2", "3", "4"]).as_bytes());
    assert_eq!((done.unwrap().turns, omissions.len()), (2, 0));
}

#[test]
fn what_a_history_refuses_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let history = conversant_history_jsonl::JsonlHistory::builder(folder.path());
    let history = history.max_message_bytes(200).open().unwrap();
    let long = "x".repeat(300);
    let file = serde_json::json!([{"id": "a", "conversations": [
        {"from": "human", "value": long}, {"from": "human", "value": "short"},
    ]}]);
    let (done, omissions) = import(&Import::sharegpt(), &history, file.to_string().as_bytes());
    assert_eq!(done.unwrap().turns, 1);
    let expected = "conversation 1 (`a`), message 1: the history refuses a message of the turn";
    assert_eq!(omissions, [expected]);
    assert_eq!(load(&history, "a").unwrap().messages.to_string(), "Human: short");
}

#[test]
fn a_prefix_keeps_sessions_apart() {
    let history = InMemoryHistory::new();
    append(&history, "QWJhYvA_0", &Turn::exchange("mine", "yours")).unwrap();
    let format = Import::sharegpt().with_session_prefix("sharegpt/");
    import(&format, &history, SHAREGPT.as_bytes()).0.unwrap();
    assert_eq!(turns(&history, "QWJhYvA_0").len(), 1);
    assert_eq!(turns(&history, "sharegpt/QWJhYvA_0").len(), 2);
}

/// The ids are kept by histories, so they are the same in every version.
#[test]
fn the_title_and_the_time_are_reported() {
    let mut seen = Vec::new();
    block_on(Import::chatgpt().run(&InMemoryHistory::new(), CHATGPT.as_bytes(), |event| {
        if let TransferEvent::Stored(stored) = event {
            assert!(!format!("{stored:?}").contains("sea"));
            let time = stored.created_at.map(|time| time.elapsed().is_ok());
            seen.push((stored.title.map(|title| title.to_string()), time));
        }
    }))
    .unwrap();
    let title = |title: &str| Some(title.to_owned());
    let expected = [
        (title("A trip to the sea"), Some(true)),
        (title("No current node, odd roles, a lost call"), Some(true)),
        (title("Without an id"), None),
    ];
    assert_eq!(seen, expected);
}

#[test]
fn a_message_of_every_kind_survives_langchains_file() {
    let history = InMemoryHistory::new();
    let turn = Turn::new(vec![
        Message::human("Hi").with_name("Ada"),
        Message::chat("critic", "Too short."),
        Message::ai("Hello!").with_extra("additional_kwargs", serde_json::json!({"a": 1})),
    ]);
    block_on(conversant_core::ChatHistory::append(&history, &session("a"), &turn, Expect::Any))
        .unwrap();
    let export = conversant_transfer::Export::langchain_file(session("a"));
    let (file, _) = super::support::export(&export, &history);
    let other = InMemoryHistory::new();
    import(&Import::langchain_file(session("b")), &other, file.as_bytes()).0.unwrap();
    assert_eq!(turns(&other, "b")[0].messages(), turn.messages());
}

/// The results of one call are one message, and results may come in any order.
#[test]
fn results_are_matched_with_their_calls() {
    let node = |id: &str, parent: &str, role: &str, recipient: &str, text: &str| {
        serde_json::json!({"parent": parent, "message": {
            "author": {"role": role}, "recipient": recipient,
            "content": {"content_type": "text", "parts": [text]},
        }, "id": id})
    };
    let nodes = [
        node("a", "", "user", "all", "q"),
        node("b", "a", "assistant", "python", "1"),
        node("c", "b", "tool", "all", ""),
        node("d", "c", "tool", "all", "one"),
        node("e", "d", "tool", "all", ""),
        node("f", "e", "tool", "all", "two"),
        node("g", "f", "assistant", "all", "done"),
    ];
    let mapping: serde_json::Map<_, _> =
        nodes.into_iter().map(|node| (node["id"].as_str().unwrap().to_owned(), node)).collect();
    let file = serde_json::json!([{"id": "a", "current_node": "g", "mapping": mapping}]);
    let history = InMemoryHistory::new();
    import(&Import::chatgpt(), &history, file.to_string().as_bytes()).0.unwrap();
    let messages = load(&history, "a").unwrap().messages;
    let texts: Vec<_> = messages.iter().map(|message| message.text().into_owned()).collect();
    assert_eq!(texts, ["q", "", "one\ntwo", "done"]);

    let call =
        |id: &str| serde_json::json!({"id": id, "function": {"name": "t", "arguments": "{}"}});
    let result = |id: &str| serde_json::json!({"role": "tool", "tool_call_id": id, "content": id});
    let calls = ["c1", "c2", "c2", "c3"];
    for (results, omitted) in [
        (vec!["c3", "c2", "c1", "c2"], 0),
        (vec!["c3", "c2", "c1", "c2", "c1"], 1),
        (vec!["c3", "c2", "c1"], 1),
    ] {
        let mut messages = vec![
            serde_json::json!({"role": "user", "content": "q"}),
            serde_json::json!({"role": "assistant", "content": null, "tool_calls": calls.map(call)}),
        ];
        messages.extend(results.iter().map(|id| result(id)));
        messages.push(serde_json::json!({"role": "assistant", "content": "done"}));
        let line = serde_json::json!({"messages": messages}).to_string();
        let history = InMemoryHistory::new();
        let (_, omissions) = import(&Import::fine_tuning(), &history, line.as_bytes());
        assert_eq!(omissions.len(), omitted, "{results:?}: {omissions:?}");
    }
}

/// The stored forms of a message with the call `a`, and whether its arguments are JSON.
pub(crate) fn calls_of_each_form() -> [(serde_json::Value, bool); 4] {
    let call = serde_json::json!([{"name": "mail", "args": {}, "id": "a"}]);
    let invalid =
        serde_json::json!([{"name": "mail", "args": "{\"to\":", "id": "a", "error": null}]);
    let function = serde_json::json!({"name": "mail", "arguments": "{}"});
    let raw = serde_json::json!({"tool_calls": [{"id": "a", "function": function}]});
    [
        (serde_json::json!({"content": "", "tool_calls": call}), true),
        (serde_json::json!({"content": "", "invalid_tool_calls": invalid}), false),
        // As LangChain stored them before 0.1.17, and as it does since then.
        (serde_json::json!({"content": "", "additional_kwargs": raw}), true),
        (serde_json::json!({"content": "", "additional_kwargs": raw, "tool_calls": call}), true),
    ]
}

#[test]
fn calls_of_each_form_keep_their_results() {
    for (calls, _) in calls_of_each_form() {
        let question = serde_json::json!({"type": "human", "data": {"content": "q"}});
        let asked = serde_json::json!({"type": "ai", "data": calls});
        let data = serde_json::json!({"content": "sent", "tool_call_id": "a"});
        let result = serde_json::json!({"type": "tool", "data": data});
        let answer = serde_json::json!({"type": "ai", "data": {"content": "done"}});
        let format = Import::langchain_file(session("a"));

        let history = InMemoryHistory::new();
        let file = serde_json::json!([question, asked, result, answer]).to_string();
        let (done, omissions) = import(&format, &history, file.as_bytes());
        assert_eq!((done.unwrap().turns, omissions), (1, Vec::new()), "{calls}");
        let stored = load(&history, "a").unwrap().messages;
        let roles: Vec<_> = stored.iter().map(|message| message.role().clone()).collect();
        assert_eq!(roles, [Role::Human, Role::Ai, Role::Tool, Role::Ai]);

        // The form that goes out comes in again.
        let write = conversant_transfer::Export::langchain_file(session("a"));
        let (file, _) = super::support::export(&write, &history);
        let other = InMemoryHistory::new();
        import(&format, &other, file.as_bytes()).0.unwrap();
        assert_eq!(load(&other, "a").unwrap().messages, stored);

        // A provider refuses a call without a result.
        let history = InMemoryHistory::new();
        let file = serde_json::json!([question, asked, answer]).to_string();
        let (done, omissions) = import(&format, &history, file.as_bytes());
        let expected = "conversation 1 (`a`), message 2: tool calls without results";
        assert_eq!((done.unwrap().turns, omissions), (0, vec![expected.to_owned()]), "{calls}");
    }
}

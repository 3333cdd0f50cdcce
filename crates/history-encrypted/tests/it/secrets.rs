//! Nothing that is to be hidden is in a store, or in `Debug`.

use std::{fs, io::ErrorKind, path::Path};

use conversant_core::{CallRecord, ChatHistory, Expect, Message, Note, ToolCall, Turn, Usage};
use conversant_history_encrypted::Encrypted;
use conversant_history_jsonl::JsonlHistory;
use conversant_history_sqlite::SqliteHistory;
use conversant_testkit::block_on;
use serde_json::json;

use crate::support::{key, keys, session};

/// Fills a history with words that begin with `Sekret`.
fn fill(history: &dyn ChatHistory) {
    let call = ToolCall::new("SekretTool", json!({"q": "Sekret"})).with_id("Sekret");
    let record = CallRecord::new().with_model("SekretModel").with_usage(Usage::new(8, 17));
    let turn = Turn::new(vec![
        Message::system("Sekret"),
        Message::human("Sekret").with_name("Sekret").with_id("Sekret"),
        Message::ai("Sekret").with_tool_calls([call]).with_call_record(&record),
        Message::tool("Sekret", "Sekret"),
        Message::ai("Sekret").with_extra("Sekret", json!("Sekret")),
    ]);
    let covers = block_on(history.append(&session("Sekret session"), &turn, Expect::Any)).unwrap();
    let note = Note::new("Sekret", covers);
    block_on(history.put_note(&session("Sekret session"), "Sekret note", &note)).unwrap();
}

/// Returns the number of occurrences of a word in the files of a folder.
fn count(folder: &Path, word: &str) -> usize {
    let mut found = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        found += path.to_string_lossy().matches(word).count();
        let bytes = match fs::read(path) {
            // A store that was dropped removes its logs at a time of its own.
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            bytes => bytes.unwrap(),
        };
        found += bytes.windows(word.len()).filter(|window| *window == word.as_bytes()).count();
    }
    found
}

pub(crate) fn files_contain_no_word() {
    let folder = tempfile::tempdir().unwrap();
    for (name, blinds) in [("plain", false), ("blinded", true)] {
        let (tables, files) =
            (folder.path().join(name), folder.path().join(format!("{name} files")));
        fs::create_dir(&tables).unwrap();
        let sqlite = Encrypted::new(SqliteHistory::open(tables.join("a.db")).unwrap(), keys());
        let jsonl = Encrypted::new(JsonlHistory::open(&files).unwrap(), keys());
        if blinds {
            fill(&sqlite.with_blinding_key(&key(9)));
            fill(&jsonl.with_blinding_key(&key(9)));
            assert_eq!((count(&tables, "Sekret"), count(&files, "Sekret")), (0, 0));
        } else {
            fill(&sqlite);
            fill(&jsonl);
            // The id of the session and the name of the note are visible.
            let visible = |folder| count(folder, "Sekret session") + count(folder, "Sekret note");
            assert!(visible(&tables) >= 2);
            assert_eq!(count(&tables, "Sekret"), visible(&tables));
            assert_eq!(count(&files, "SekretTool") + count(&files, "SekretModel"), 0);
        }
    }
}

pub(crate) fn debug_shows_no_key() {
    let history = Encrypted::new(conversant_memory::InMemoryHistory::new(), keys());
    let history = history.with_blinding_key(&key(9));
    insta::assert_snapshot!(format!("{history:?}\n{:?}", key(1)));
}

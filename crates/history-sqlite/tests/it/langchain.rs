//! LangChain's table: rows that Python wrote, and rows for Python to read.

use std::sync::Mutex;

use conversant_core::{
    BoxError, ChatHistory, Expect, HistoryError, Message, Range, SessionId, Turn, TurnId, Version,
    async_trait,
};
use conversant_history_sqlite::{LangChainSqliteHistory, SqliteHistory};
use conversant_testkit::{
    block_on,
    suite::{self, LangChainRows},
};
use rusqlite::{Connection, Params};
use serde_json::json;

use crate::support::{Folder, append, exchange, load, session, shown};

const PYTHON: &str = include_str!("langchain/python.sql");

fn open(folder: &Folder) -> LangChainSqliteHistory {
    LangChainSqliteHistory::open(folder.file()).unwrap()
}

fn written_by_python() -> (Folder, LangChainSqliteHistory) {
    let folder = Folder::new();
    folder.sql(PYTHON);
    let history = open(&folder);
    (folder, history)
}

fn turns(history: &dyn ChatHistory, name: &str, range: Range) -> Vec<Turn> {
    block_on(history.turns(&session(name), range)).unwrap()
}

#[test]
fn what_python_has_written_is_read() {
    let (_folder, history) = written_by_python();
    let found = load(&history, "user-7").unwrap();
    assert_eq!(found.version.to_string(), "0.11");
    let shown: Vec<_> = found.messages.iter().map(Message::to_stored).collect();
    insta::assert_snapshot!(serde_json::to_string_pretty(&shown).unwrap());
    let listed = block_on(history.sessions(None, 9)).unwrap();
    assert_eq!(listed, [session("it's \u{e9}"), session("user-7")]);
    // A question without an answer is a turn. Messages before a question belong to the turn before.
    let lengths = |range| {
        turns(&history, "user-7", range)
            .iter()
            .map(|turn| turn.messages().len())
            .collect::<Vec<_>>()
    };
    assert_eq!(lengths(Range::All), [3, 1, 6, 1]);
    assert_eq!(lengths(Range::LastTurns(2)), [6, 1]);
    assert_eq!(lengths(Range::LastMessages(3)), [1]);
    assert_eq!(lengths(Range::LastMessages(7)), [6, 1]);
    assert_eq!(lengths(Range::After(Version::new(0, 10))), [1]);
    assert_eq!(lengths(Range::LastMessages(0)), [0; 0]);
    let last = block_on(history.load(&session("user-7"), Range::LastTurns(2))).unwrap();
    assert_eq!((last.messages.len(), last.start()), (7, 4));
}

#[test]
fn what_python_has_written_is_continued_for_python_to_read() {
    let (folder, history) = written_by_python();
    let kwargs = json!({"kept": [1]});
    let turn = Turn::new(vec![
        Message::human("caf\u{e9} \0 \u{1f600}").with_extra("additional_kwargs", kwargs),
        Message::ai("").with_tool_calls([
            conversant_core::ToolCall::new("look", json!({"at": 1})).with_id("c1")
        ]),
        Message::tool("a cat", "c1"),
        Message::ai("A cat"),
    ]);
    let turn =
        turn.with_id(TurnId::from_u128(7)).with_base(Version::new(0, 2)).with_incomplete(true);
    let version = append(&history, "it's \u{e9}", &turn).unwrap();
    assert_eq!(version.to_string(), "0.6");
    assert_eq!(turns(&history, "it's \u{e9}", Range::LastTurns(1)), std::slice::from_ref(&turn));
    assert_eq!(load(&history, "it's \u{e9}").unwrap().messages.slice(2..), *turn.messages());
    let connection = Connection::open(folder.file()).unwrap();
    let mut select = connection.prepare("SELECT message FROM message_store WHERE id > 13").unwrap();
    let rows: Vec<String> =
        select.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    insta::assert_snapshot!(rows.join("\n"));
    // The file is Python's: only the table has changed.
    let mode: String = connection.query_row("PRAGMA journal_mode", [], |row| row.get(0)).unwrap();
    assert_eq!((mode.as_str(), folder.names()), ("delete", vec!["chat.db".to_owned()]));
}

#[test]
fn a_message_that_names_a_turn_is_none_of_the_turn_s() {
    let (_folder, history) = written_by_python();
    let turn = exchange(1);
    append(
        &history,
        "a",
        &Turn::exchange(turn.id().to_string(), format!("\"conversant_turn_id\":\"{}\"", turn.id())),
    )
    .unwrap();
    assert_eq!(append(&history, "a", &turn).unwrap().messages, 4);
    assert_eq!(append(&history, "a", &turn).unwrap().messages, 4);
}

#[test]
fn conversations_move_into_ours_and_moving_is_repeatable() {
    let (folder, history) = written_by_python();
    let ours = SqliteHistory::open(folder.path().join("ours.db")).unwrap();
    append(&history, "user-7", &exchange(1)).unwrap();
    for _ in 0..2 {
        for id in block_on(history.sessions(None, 9)).unwrap() {
            for turn in block_on(history.turns(&id, Range::All)).unwrap() {
                block_on(ours.append(&id, &turn, Expect::Any)).unwrap();
            }
        }
        for name in ["user-7", "it's \u{e9}"] {
            assert_eq!(load(&ours, name).unwrap().messages, load(&history, name).unwrap().messages);
        }
    }
}

#[test]
fn epochs_count_what_was_cleared_here() {
    let (folder, history) = written_by_python();
    let seen = load(&history, "user-7").unwrap().version;
    block_on(history.clear(&session("user-7"))).unwrap();
    let late = block_on(history.append(&session("user-7"), &exchange(1), Expect::SameEpoch(seen)));
    assert!(matches!(late, Err(HistoryError::Stale { .. })), "{late:?}");
    assert_eq!(load(&open(&folder), "user-7").unwrap().version, Version::new(1, 0));
    // Tables do not share epochs.
    let other =
        LangChainSqliteHistory::builder(folder.file()).table("other \" table").open().unwrap();
    assert_eq!(load(&other, "user-7").unwrap().version, Version::default());
    append(&other, "user-7", &exchange(1)).unwrap();
    assert_eq!(load(&history, "user-7").unwrap().messages.len(), 0);
}

#[test]
fn an_index_is_added_when_it_is_asked_for() {
    let (folder, history) = written_by_python();
    let plan = || {
        let connection = Connection::open(folder.file()).unwrap();
        let ask = "EXPLAIN QUERY PLAN SELECT id, message FROM message_store WHERE session_id = ?1 ORDER BY id DESC";
        connection.query_row(ask, ["a"], |row| row.get::<_, String>("detail")).unwrap()
    };
    assert_eq!(plan(), "SCAN message_store");
    block_on(history.add_index()).unwrap();
    block_on(history.add_index()).unwrap();
    assert_eq!(plan(), "SEARCH message_store USING INDEX message_store_by_session (session_id=?)");
    assert_eq!(load(&history, "user-7").unwrap().messages.len(), 11);
}

#[test]
fn what_cannot_be_read_is_told_with_its_row() {
    let rows = [
        ("no JSON", "'{'"),
        ("half a surrogate pair", r#"'{"type": "human", "data": {"content": "\ud83d"}}'"#),
        ("a number that is none", r#"'{"type": "ai", "data": {"content": "", "score": NaN}}'"#),
        ("an unknown type", r#"'{"type": "pickle", "data": {"content": ""}}'"#),
        ("no data", r#"'{"type": "human"}'"#),
        ("not UTF-8", "CAST(X'ff' AS TEXT)"),
        ("nothing", "NULL"),
    ];
    let mut seen = String::new();
    for (name, row) in rows {
        let (folder, history) = written_by_python();
        folder.sql(&format!(
            "INSERT INTO message_store (session_id, message) VALUES ('user-7', {row})"
        ));
        let error = load(&history, "user-7").unwrap_err();
        assert!(matches!(error, HistoryError::Corrupt { .. }), "{name}: {error}");
        seen.push_str(&format!("{name}: {}\n", shown::<()>(Err(error))));
        // Other sessions can be read.
        assert_eq!(load(&history, "it's \u{e9}").unwrap().messages.len(), 2);
    }
    insta::assert_snapshot!(seen);
}

#[test]
fn tables_that_are_none_of_langchain_s_are_refused() {
    let folder = Folder::new();
    folder.sql("CREATE TABLE message_store (id INTEGER PRIMARY KEY, body TEXT)");
    let error = LangChainSqliteHistory::open(folder.file()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot use the history: the table does not have LangChain's columns (`id`, `session_id`, `message`)"
    );
    for name in ["", "a\0b", "sqlite_master"] {
        let error = LangChainSqliteHistory::builder(folder.file()).table(name).open().unwrap_err();
        assert!(matches!(error, HistoryError::Unsupported { .. }), "{error}");
    }
    // LangChain's table can be in a file that has other tables.
    let ours = Folder::new();
    append(&ours.open(), "a", &exchange(1)).unwrap();
    append(&open(&ours), "a", &exchange(2)).unwrap();
    assert_eq!(load(&ours.open(), "a").unwrap().messages, *exchange(1).messages());
    assert!(format!("{:?}", open(&ours)).contains("chat.db"));
}

/// A Python program with the same file.
struct Python(Mutex<Connection>);

impl Python {
    fn run(&self, sql: &str, values: impl Params) -> Result<(), BoxError> {
        Ok(self.0.lock().unwrap().execute(sql, values).map(drop)?)
    }
}

#[async_trait]
impl LangChainRows for Python {
    async fn add(&self, session: &SessionId, row: &str) -> Result<(), BoxError> {
        let insert = "INSERT INTO message_store (session_id, message) VALUES (?1, ?2)";
        self.run(insert, [session.as_str(), row])
    }

    async fn clear(&self, session: &SessionId) -> Result<(), BoxError> {
        // Without AUTOINCREMENT, as LangChain creates the table, the numbers of rows recur.
        self.run("DELETE FROM message_store WHERE session_id = ?1", [session.as_str()])
    }

    async fn remove_last(&self, session: &SessionId) -> Result<(), BoxError> {
        let last = "DELETE FROM message_store \
            WHERE id = (SELECT max(id) FROM message_store WHERE session_id = ?1)";
        self.run(last, [session.as_str()])
    }
}

#[test]
fn conversations_are_shared_with_python() {
    let folder = Folder::new();
    // The journal mode of an existing file is kept. This one makes the test fast.
    folder.sql("PRAGMA journal_mode = wal");
    let history = open(&folder);
    let own = SqliteHistory::open(folder.path().join("own.db")).unwrap();
    let python = Python(Mutex::new(Connection::open(folder.file()).unwrap()));
    let report = block_on(suite::langchain_history(&history, &own, &python));
    let report = report.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(report.skipped().next(), None, "{report}");
}

/// A program that moves conversations must not take a table that is not there for an empty one.
#[test]
fn a_missing_table_is_created_unless_it_is_forbidden() {
    let folder = Folder::new();
    let open = |table: &str, create| {
        LangChainSqliteHistory::builder(folder.file()).table(table).create(create).open()
    };
    assert!(matches!(open("chats", false), Err(HistoryError::Backend { .. })));
    assert!(!folder.file().exists());
    open("chats", true).unwrap();
    folder.sql("CREATE TABLE bills (id INTEGER PRIMARY KEY, session_id TEXT)");
    let Err(error) = open("message_store", false) else { panic!("the table is there") };
    assert_eq!(
        error.to_string(),
        "cannot use the history: the table `message_store` does not exist; LangChain's columns are \
         in `chats`"
    );
    open("chats", false).unwrap();
    folder.sql("DROP TABLE chats");
    let Err(error) = open("chats", false) else { panic!("the table is there") };
    assert!(error.to_string().ends_with("no other table has LangChain's columns"), "{error}");
}

#[test]
fn an_index_is_known_by_its_first_column() {
    let (folder, history) = written_by_python();
    let has_index = || block_on(history.has_index()).unwrap();
    assert!(!has_index());
    folder.sql("CREATE INDEX other ON message_store (id, session_id)");
    folder.sql("CREATE INDEX part ON message_store (session_id) WHERE id > 7");
    assert!(!has_index());
    block_on(history.add_index()).unwrap();
    assert!(has_index());
    block_on(history.add_index()).unwrap();
}

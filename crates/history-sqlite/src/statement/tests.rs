//! Counts of statements and of their steps: how many an operation runs, and that none is compiled
//! again.

use std::sync::{
    Mutex,
    atomic::{AtomicUsize, Ordering},
};

use conversant_core::{Expect, HistoryError, Range, SessionId, Turn, Version};
use rusqlite::{
    StatementStatus,
    trace::{TraceEvent, TraceEventCodes},
};

use super::*;
use crate::{
    connection::open_writer,
    options::Options,
    schema::Schema,
    table::{
        range, session,
        turn::{self, NewTurn},
    },
};

/// The statements that were run: their text, how often each was run since it was compiled, and how
/// often it was compiled again by itself.
static RUN: Mutex<Vec<(String, i32, i32)>> = Mutex::new(Vec::new());

/// The steps of the statements: one for each row, and one for the end of each statement.
static STEPS: AtomicUsize = AtomicUsize::new(0);

/// The most steps of a call with a window of 20 turns.
const MAX_STEPS: usize = 30;

fn trace(event: TraceEvent<'_>) {
    if matches!(event, TraceEvent::Row(_) | TraceEvent::Profile(..)) {
        STEPS.fetch_add(1, Ordering::Relaxed);
    }
    if let TraceEvent::Profile(statement, _) = event {
        let status = |status| statement.get_status(status);
        let counts = (status(StatementStatus::Run), status(StatementStatus::RePrepare));
        RUN.lock().unwrap().push((statement.sql().to_string(), counts.0, counts.1));
    }
}

#[test]
fn a_load_and_an_append_run_few_statements_and_compile_none() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options::new(folder.path().join("chat.db"));
    let (mut connection, _files) = open_writer(&options, &Schema { search: false }).unwrap();
    let id = SessionId::new("a").unwrap();
    let call = |connection: &Connection, range| -> Result<Version, HistoryError> {
        let seen = session::read(connection, &id, None, None, |version, turns| {
            turns.map(|turns| range::messages(turns, range)).transpose()?;
            Ok(version)
        })?;
        let turn = NewTurn::encode(&Turn::exchange("question", "answer").with_base(seen), 1024)?;
        transaction(connection, "BEGIN IMMEDIATE", || {
            turn::append(connection, &id, &turn, None, Expect::SameEpoch(seen), None)
        })
    };
    // The first calls compile the statements.
    let mut last = Version::default();
    for _ in 0..30 {
        call(&connection, Range::LastTurns(20)).unwrap();
        last = call(&connection, Range::After(last)).unwrap();
    }
    let events = TraceEventCodes::SQLITE_TRACE_PROFILE | TraceEventCodes::SQLITE_TRACE_ROW;
    let _ = connection.trace_v2(events, Some(trace));
    // Of a load: the session with its last turns. Of the append: BEGIN, the session, the turn's id,
    // the turn, the session, COMMIT.
    for (is_window, expected) in [(true, 7), (false, 7)] {
        let range = if is_window { Range::LastTurns(20) } else { Range::After(last) };
        RUN.lock().unwrap().clear();
        STEPS.store(0, Ordering::Relaxed);
        last = call(&connection, range).unwrap();
        let (run, steps) = (RUN.lock().unwrap(), STEPS.load(Ordering::Relaxed));
        assert!((run.len()..=MAX_STEPS).contains(&steps), "{range:?}: {steps} steps");
        assert_eq!(run.len(), expected, "{range:?}: {run:#?}");
        for (sql, runs, compiled) in &*run {
            // Within a minute, the index of the list is not written.
            assert!(!sql.contains("used = ?"), "{sql}");
            assert!(*runs > 1 && *compiled == 0, "compiled again: {sql} {runs} {compiled}");
        }
    }
}

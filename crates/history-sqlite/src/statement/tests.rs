//! Counts of statements and of their steps: how many an operation runs, and that none is compiled
//! again.

use std::{
    collections::HashMap,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use conversant_core::{Expect, Point, Range, SessionId, Turn, TurnId, Version};
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
        range,
        seen::SeenSessions,
        session, tree,
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
    let call = |connection: &Connection, sessions: &mut SeenSessions, range| {
        let seen = match range {
            Range::After(version) if sessions.is_at(connection, &id, version, None)? => version,
            _ => session::read(connection, &id, None, None, |version, turns| {
                turns.map(|turns| range::messages(turns, range)).transpose()?;
                Ok(version)
            })?,
        };
        let turn = NewTurn::encode(&Turn::exchange("question", "answer").with_base(seen), 1024)?;
        sessions.begin();
        transaction(connection, "BEGIN IMMEDIATE", || {
            turn::append(connection, sessions, &id, &turn, None, Expect::SameEpoch(seen), None)
        })
    };
    let mut sessions = SeenSessions::default();
    // The first calls compile the statements.
    let mut last = Version::default();
    for _ in 0..30 {
        call(&connection, &mut sessions, Range::LastTurns(20)).unwrap();
        last = call(&connection, &mut sessions, Range::After(last)).unwrap();
    }
    let events = TraceEventCodes::SQLITE_TRACE_PROFILE | TraceEventCodes::SQLITE_TRACE_ROW;
    let _ = connection.trace_v2(events, Some(trace));
    // Of a load: the session with its last turns, or the state of the file. Of the append: BEGIN,
    // the state of the file, the turn, the session, COMMIT.
    for (is_window, expected) in [(true, 6), (false, 6)] {
        let range = if is_window { Range::LastTurns(20) } else { Range::After(last) };
        RUN.lock().unwrap().clear();
        STEPS.store(0, Ordering::Relaxed);
        last = call(&connection, &mut sessions, range).unwrap();
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

/// How often each statement of a first load was run since it was compiled.
static FIRST_LOAD: Mutex<Vec<i32>> = Mutex::new(Vec::new());

fn trace_first_load(event: TraceEvent<'_>) {
    if let TraceEvent::Profile(statement, _) = event {
        FIRST_LOAD.lock().unwrap().push(statement.get_status(StatementStatus::Run));
    }
}

#[test]
fn a_first_load_runs_a_statement_that_the_opening_has_compiled_and_run() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options::new(folder.path().join("chat.db"));
    let id = SessionId::new("a").unwrap();
    let open = || open_writer(&options, &Schema { search: false }).unwrap();
    let turn = NewTurn::encode(&Turn::exchange("question", "answer"), 1024).unwrap();
    let (connection, _files) = open();
    let seen = &mut SeenSessions::default();
    turn::append(&connection, seen, &id, &turn, None, Expect::Any, None).unwrap();

    let (mut connection, _files) = open();
    let _ = connection.trace_v2(TraceEventCodes::SQLITE_TRACE_PROFILE, Some(trace_first_load));
    let loaded = session::read(&connection, &id, None, None, |_, turns| {
        turns.map(|turns| range::messages(turns, Range::LastTurns(20))).transpose()
    });
    let (messages, _) = loaded.unwrap().unwrap();
    assert_eq!(messages.len(), 2);
    assert_eq!(*FIRST_LOAD.lock().unwrap(), [2]);
}

/// The instructions of SQLite's machine that each statement has taken since it was compiled.
static MACHINE_STEPS: Mutex<Option<HashMap<String, i64>>> = Mutex::new(None);

fn count_machine_steps(event: TraceEvent<'_>) {
    if let TraceEvent::Profile(statement, _) = event {
        let steps = i64::from(statement.get_status(StatementStatus::VmStep));
        let mut counted = MACHINE_STEPS.lock().unwrap();
        counted.get_or_insert_default().insert(statement.sql().to_string(), steps);
    }
}

fn machine_steps() -> i64 {
    MACHINE_STEPS.lock().unwrap().iter().flat_map(HashMap::values).sum()
}

#[test]
fn moves_and_new_branches_take_the_same_steps_with_many_branches() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options::new(folder.path().join("chat.db"));
    let (mut connection, _files) = open_writer(&options, &Schema { search: false }).unwrap();
    let _ = connection.trace_v2(TraceEventCodes::SQLITE_TRACE_PROFILE, Some(count_machine_steps));
    let id = SessionId::new("a").unwrap();
    let append = |point: Option<Point>| -> TurnId {
        let turn = Turn::exchange("question", "answer");
        let new = NewTurn::encode(&turn, 1024).unwrap();
        transaction(&connection, "BEGIN IMMEDIATE", || {
            let seen = &mut SeenSessions::default();
            turn::append(&connection, seen, &id, &new, point, Expect::Any, None)
        })
        .unwrap();
        turn.id()
    };
    let set_tip = |turn: TurnId| {
        transaction(&connection, "BEGIN IMMEDIATE", || {
            tree::set_tip(&connection, &id, turn.into(), Expect::Any, None)
        })
        .unwrap();
    };
    let (first, second) = (append(None), append(None));
    // A new branch, a turn that continues it, and a move to the first branch and back.
    let round = || {
        let before = machine_steps();
        append(Some(first.into()));
        let last = append(None);
        set_tip(second);
        set_tip(last);
        machine_steps() - before
    };
    for _ in 0..8 {
        round();
    }
    let few = round();
    for _ in 0..200 {
        round();
    }
    let many = round();
    assert!(few > 0 && many <= few + few / 10, "{few} steps with 9 branches, {many} with 210");
    // Branches that do not follow a turn cost the reading of their rows alone.
    let alternatives = |turn: TurnId| {
        let before = machine_steps();
        let found = tree::alternatives(&connection, &id, turn.into(), None).unwrap();
        (found.len(), machine_steps() - before)
    };
    let last = append(None);
    set_tip(last);
    let (all, steps) = alternatives(first);
    assert_eq!(all, 211);
    assert!(steps < 100 * 211, "{steps} steps for {all} alternatives");
    let (none, fewer) = alternatives(last);
    assert_eq!(none, 0);
    assert!(fewer < 40 * 211, "{fewer} steps where nothing follows, of {steps}");
}

/// The rows that were read and the statements that were run.
static READ: AtomicUsize = AtomicUsize::new(0);

#[expect(clippy::needless_pass_by_value, reason = "the form of SQLite's callback")]
fn count_read(event: TraceEvent<'_>) {
    if matches!(event, TraceEvent::Row(_) | TraceEvent::Profile(..)) {
        READ.fetch_add(1, Ordering::Relaxed);
    }
}

/// Each turn was asked twice: the path has a branch for each of its turns. And each session is a
/// fork of the one before, with a turn of its own.
#[test]
fn a_path_through_many_branches_is_read_in_proportion_to_its_turns() {
    let id = |number: u64| SessionId::new(format!("session {number}")).unwrap();
    // The ways in which a path is read, and what each reads of a path of 40 turns and of 160.
    let reads = [40, 160].map(|count| {
        let folder = tempfile::tempdir().unwrap();
        let options = Options::new(folder.path().join("chat.db"));
        let (mut connection, _files) = open_writer(&options, &Schema { search: false }).unwrap();
        let append = |id: &SessionId, point, turn: &Turn| {
            let new = NewTurn::encode(turn, 1024).unwrap();
            let seen = &mut SeenSessions::default();
            turn::append(&connection, seen, id, &new, point, Expect::Any, None).unwrap()
        };
        let (zigzag, mut fork) = (SessionId::new("zigzag").unwrap(), id(0));
        // One commit: each waits for the disk.
        execute(&connection, "BEGIN IMMEDIATE", []).unwrap();
        let mut point = Point::Start;
        let mut first_version = None;
        for _ in 0..count {
            let (left, kept) = (Turn::exchange("left", "x"), Turn::exchange("kept", "y"));
            append(&zigzag, Some(point), &left);
            let version = append(&zigzag, Some(point), &kept);
            point = kept.id().into();
            first_version = first_version.or(Some(version));
        }
        let mut tip: Option<Point> = None;
        for number in 0..count {
            if let Some(tip) = tip {
                tree::fork(&connection, &fork, tip, &id(number), None).unwrap();
                fork = id(number);
            }
            let turn = Turn::exchange("question", "answer");
            append(&fork, None, &turn);
            tip = Some(turn.id().into());
        }
        execute(&connection, "COMMIT", []).unwrap();
        let events = TraceEventCodes::SQLITE_TRACE_PROFILE | TraceEventCodes::SQLITE_TRACE_ROW;
        let _ = connection.trace_v2(events, Some(count_read));
        let counted = |run: &dyn Fn() -> usize, expected: usize| {
            READ.store(0, Ordering::Relaxed);
            assert_eq!(run(), expected);
            READ.load(Ordering::Relaxed)
        };
        let turns = count as usize;
        let messages = |id: &SessionId, range: Range| {
            session::read(&connection, id, None, None, |_, turns| {
                turns.map(|turns| range::messages(turns, range)).transpose()
            })
            .unwrap()
            .map_or(0, |(messages, _)| messages.len())
        };
        let first = |id: &SessionId| {
            session::read(&connection, id, None, None, |_, turns| {
                turns.map(|turns| range::first(turns, usize::MAX)).transpose()
            })
            .unwrap()
            .map_or(0, |messages| messages.len())
        };
        let seen = first_version.unwrap();
        [
            counted(&|| messages(&zigzag, Range::All), 2 * turns),
            counted(&|| messages(&fork, Range::All), 2 * turns),
            counted(&|| messages(&zigzag, Range::After(seen)), 2 * turns - 2),
            counted(&|| first(&zigzag), 2 * turns),
            counted(&|| first(&fork), 2 * turns),
        ]
    });
    let [few, many] = reads;
    for (few, many) in few.into_iter().zip(many) {
        assert!(few > 0 && many <= 4 * few, "{few} for 40 turns, {many} for 160");
    }
}

/// The rows that were read to compare versions, and the statements that were run.
static COMPARED: AtomicUsize = AtomicUsize::new(0);

#[expect(clippy::needless_pass_by_value, reason = "the form of SQLite's callback")]
fn count_compared(event: TraceEvent<'_>) {
    if matches!(event, TraceEvent::Row(_) | TraceEvent::Profile(..)) {
        COMPARED.fetch_add(1, Ordering::Relaxed);
    }
}

/// A caller that has seen an old version appends: whether the conversation continues from there is
/// known from a few turns.
#[test]
fn an_append_after_an_old_version_reads_few_turns() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options::new(folder.path().join("chat.db"));
    let (mut connection, _files) = open_writer(&options, &Schema { search: false }).unwrap();
    let events = TraceEventCodes::SQLITE_TRACE_PROFILE | TraceEventCodes::SQLITE_TRACE_ROW;
    let _ = connection.trace_v2(events, Some(count_compared));
    let id = SessionId::new("a").unwrap();
    let append = |expect| {
        let new = NewTurn::encode(&Turn::exchange("question", "answer"), 1024).unwrap();
        let seen = &mut SeenSessions::default();
        turn::append(&connection, seen, &id, &new, None, expect, None)
    };
    execute(&connection, "BEGIN IMMEDIATE", []).unwrap();
    let versions: Vec<_> = (0..1_000).map(|_| append(Expect::Any).unwrap()).collect();
    execute(&connection, "COMMIT", []).unwrap();
    let counted = |expect| {
        COMPARED.store(0, Ordering::Relaxed);
        (append(expect).is_ok(), COMPARED.load(Ordering::Relaxed))
    };
    let newest = counted(Expect::SameEpoch(versions[999]));
    for (seen, most) in [(998, 20), (990, 40), (500, 80), (1, 80), (0, 80)] {
        let seen = versions[seen];
        let (is_stored, read) = counted(Expect::SameEpoch(seen));
        let more = read - newest.1;
        assert!(is_stored && more <= most, "{more} more after {} messages", seen.messages);
        // A version within a turn, and one of another turn, are none of this conversation.
        for other in [Version { messages: seen.messages + 1, ..seen }, seen.with_tip(seen.tip ^ 1)]
        {
            assert!(!counted(Expect::SameEpoch(other)).0, "{other:?}");
        }
    }
}

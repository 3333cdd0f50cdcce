//! Appends to a session that a store remembers, after another store has changed it: they end as
//! those of a store that has just opened the file.

use conversant_core::{
    ChatHistory, Expect, Note, Point, Range, SessionFilter, SessionId, Turn, TurnId, Version,
};
use conversant_history_sqlite::{SqliteHistory, Synchronous};
use conversant_testkit::block_on;

use crate::support::{Folder, session, shown};

/// A change of a session by the other store, after its turns 0 and 1 and its version.
type Change = fn(&SqliteHistory, &SessionId, Version);

const CHANGES: [(&str, Change); 17] = [
    ("none", |_, _, _| {}),
    ("another turn", |other, a, _| append(other, a, 5)),
    ("the same turn", |other, a, _| append(other, a, 2)),
    ("a turn without messages", |other, a, _| {
        let turn = Turn::new(Vec::new()).with_id(id(5));
        block_on(other.append(a, &turn, Expect::Any)).unwrap();
    }),
    ("cleared", |other, a, _| block_on(other.clear(a)).unwrap()),
    ("cleared and as long again", |other, a, _| {
        block_on(other.clear(a)).unwrap();
        append(other, a, 5);
        append(other, a, 6);
    }),
    ("deleted", |other, a, _| block_on(other.delete(a)).unwrap()),
    ("deleted and as long again", |other, a, _| {
        block_on(other.delete(a)).unwrap();
        append(other, a, 0);
        append(other, a, 1);
    }),
    ("deleted, and another session begun", |other, a, _| {
        block_on(other.delete(a)).unwrap();
        append(other, &another(a), 0);
        append(other, &another(a), 1);
    }),
    ("moved", |other, a, _| move_to(other, a, id(0).into())),
    ("moved to the start", |other, a, _| move_to(other, a, Point::Start)),
    ("moved away and back", |other, a, _| {
        move_to(other, a, id(0).into());
        move_to(other, a, id(1).into());
    }),
    ("moved, and a turn in place of the last", |other, a, _| {
        move_to(other, a, id(0).into());
        append(other, a, 5);
    }),
    ("forked", |other, a, _| {
        block_on(other.fork(a, id(1).into(), &another(a))).unwrap();
    }),
    ("a title", |other, a, _| block_on(other.set_title(a, Some("title"))).unwrap()),
    ("a note", |other, a, version| {
        block_on(other.put_note(a, "met", &Note::new("met", version))).unwrap();
    }),
    (SEARCHED, |_, _, _| {}),
];

/// The change by which the file gets a search.
const SEARCHED: &str = "searched";

/// The appends that follow: of a new turn, of a stored one, and of another one under its id.
fn appends(seen: Version) -> [(Turn, Expect); 6] {
    let other = Turn::exchange("another question", "another answer").with_id(id(1));
    [
        (turn(2), Expect::Any),
        (turn(2), Expect::SameEpoch(seen)),
        (turn(2), Expect::Exactly(seen)),
        (turn(1), Expect::Any),
        (turn(1), Expect::Exactly(seen)),
        (other, Expect::Any),
    ]
}

fn id(number: u128) -> TurnId {
    TurnId::from_u128(number + 1)
}

fn turn(number: u128) -> Turn {
    Turn::exchange(format!("question {number}"), format!("answer {number}")).with_id(id(number))
}

fn append(history: &SqliteHistory, session: &SessionId, number: u128) {
    block_on(history.append(session, &turn(number), Expect::Any)).unwrap();
}

fn move_to(history: &SqliteHistory, session: &SessionId, tip: Point) {
    block_on(history.set_tip(session, tip, Expect::Any)).unwrap();
}

/// Returns another session that belongs to a session.
fn another(session: &SessionId) -> SessionId {
    self::session(&format!("{session}, another"))
}

/// Describes a session: its turns, its note, and what lists show.
fn described(history: &SqliteHistory, session: &SessionId) -> String {
    let info = block_on(history.session_info(session)).unwrap();
    let info = info.map(|info| (info.title, info.turns, info.bytes));
    let turns = block_on(history.turns(session, Range::All)).unwrap();
    let note = block_on(history.note(session, "met")).unwrap();
    let loaded = shown(block_on(history.load(session, Range::All)));
    format!("{info:?}\n{turns:#?}\n{note:?}\n{loaded}")
}

/// Describes what becomes of each of the appends after a change, by a store that remembers the
/// sessions or by one that has just opened the file.
fn after(name: &str, change: Change, remembers: bool) -> Vec<String> {
    let folder = Folder::new();
    let open = |search| {
        let builder = SqliteHistory::builder(folder.file()).synchronous(Synchronous::Normal);
        builder.search(search).open().unwrap()
    };
    let mut history = open(false);
    let cases = appends(Version::default()).len();
    let sessions: Vec<_> = (0..cases).map(|case| session(&format!("append {case}"))).collect();
    let versions: Vec<_> = sessions
        .iter()
        .map(|session| {
            append(&history, session, 0);
            block_on(history.append(session, &turn(1), Expect::Any)).unwrap()
        })
        .collect();
    let other = open(name == SEARCHED);
    for (session, version) in sessions.iter().zip(&versions) {
        change(&other, session, *version);
    }
    if !remembers {
        history = open(false);
    }
    let outcomes: Vec<_> = sessions
        .iter()
        .zip(versions)
        .enumerate()
        .map(|(case, (session, version))| {
            let (turn, expect) = appends(version)[case].clone();
            let outcome = shown(block_on(history.append(session, &turn, expect)));
            // The store remembers what it has appended.
            let next = block_on(history.append(session, &self::turn(9), Expect::Any));
            format!("append {case}: {outcome}\n{}", shown(next))
        })
        .collect();
    let reopened = open(false);
    block_on(reopened.check_integrity()).unwrap();
    let filter = SessionFilter::default().with_text("question 2");
    let found = shown(
        block_on(reopened.list_sessions(&filter, None, 99))
            .map(|page| page.sessions.into_iter().map(|info| info.session).collect::<Vec<_>>()),
    );
    let contents = sessions.iter().map(|session| {
        format!("{}\n{}", described(&reopened, session), described(&reopened, &another(session)))
    });
    outcomes
        .into_iter()
        .zip(contents)
        .map(|(outcome, contents)| outcome + &contents + &found)
        .collect()
}

#[test]
fn a_remembered_session_is_appended_to_as_it_is_in_the_file() {
    for (name, change) in CHANGES {
        let (remembered, read) = (after(name, change, true), after(name, change, false));
        for (remembered, read) in remembered.iter().zip(&read) {
            assert_eq!(remembered, read, "{name}");
        }
    }
}

//! Branches and forks: the lines that they write, and what their removal leaves.

use std::{
    fs,
    io::Write as _,
    sync::Barrier,
    thread,
    time::{Duration, SystemTime},
};

use conversant_core::{
    Alternative, ChatHistory, Expect, HistoryError, Note, Point, Range, Turn, Version,
};
use conversant_history_jsonl::JsonlHistory;
use conversant_testkit::block_on;

use crate::support::{Folder, append, append_at, exchange, load, session};

fn after(turn: &Turn) -> Point {
    Point::After(turn.id())
}

fn texts(history: &JsonlHistory, name: &str) -> String {
    let slice = load(history, name).unwrap();
    slice.messages.iter().map(|message| message.text().into_owned() + ";").collect()
}

fn fork(history: &JsonlHistory, from: &str, turn: &Turn, into: &str) -> Version {
    block_on(history.fork(&session(from), after(turn), &session(into))).unwrap()
}

/// Appends turns to a new session, and returns them.
fn fill(history: &JsonlHistory, name: &str, count: usize) -> Vec<Turn> {
    let turns: Vec<Turn> = (0..count).map(exchange).collect();
    for turn in &turns {
        append(history, name, turn).unwrap();
    }
    turns
}

/// Returns the text of all files of a folder.
fn all_text(folder: &Folder) -> String {
    let entries = fs::read_dir(folder.path()).unwrap();
    entries.map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap()).collect()
}

/// Returns what each line of a session's file says besides the turn or note.
fn outlines(folder: &Folder, name: &str) -> Vec<String> {
    let text = String::from_utf8(folder.read(name)).unwrap();
    let outline = |line: &str| {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let fields = ["turn", "branch", "alternative", "tip", "note"];
        let kind = fields.into_iter().find(|field| line.get(field).is_some()).unwrap();
        format!("{kind} {}", line.get("first").cloned().unwrap_or_default())
    };
    text.lines().skip(1).map(outline).collect()
}

#[test]
fn a_line_says_what_it_follows_unless_that_is_the_tip_before_it() {
    let folder = Folder::new();
    let history = folder.open();
    let turns = fill(&history, "a", 2);
    let (first, second) = (turns[0].id(), turns[1].id());
    let seen = load(&history, "a").unwrap().version;
    append_at(&history, "a", after(&turns[1]), &exchange(2)).unwrap();
    append_at(&history, "a", after(&turns[0]), &exchange(3)).unwrap();
    append(&history, "a", &exchange(4)).unwrap();
    let late = block_on(history.append(&session("a"), &exchange(5), Expect::SameEpoch(seen)));
    assert_eq!(late.unwrap().messages, 6);
    append(&history, "a", &exchange(6)).unwrap();
    block_on(history.set_tip(&session("a"), Point::Start, Expect::Any)).unwrap();
    // The tip is there already.
    block_on(history.set_tip(&session("a"), Point::Start, Expect::Any)).unwrap();
    append(&history, "a", &exchange(7)).unwrap();
    let point = |turn, turns| {
        format!("{{\"after\":\"{turn}\",\"turns\":{turns},\"messages\":{}}}", 2 * turns)
    };
    assert_eq!(
        outlines(&folder, "a"),
        [
            "turn 0".to_owned(),
            "turn 2".to_owned(),
            "turn 4".to_owned(),
            format!("branch {}", point(first, 1)),
            "turn 4".to_owned(),
            format!("alternative {}", point(second, 2)),
            "turn 6".to_owned(),
            "tip {\"after\":null,\"turns\":0,\"messages\":0}".to_owned(),
            "turn 0".to_owned(),
        ]
    );
    assert_eq!(texts(&folder.open(), "a"), "question 7;answer 7;");
}

#[test]
fn forks_share_turns_and_the_last_one_removes_them() {
    let folder = Folder::new();
    let history = folder.open();
    let turns = fill(&history, "origin", 40);
    append_at(&history, "origin", after(&turns[5]), &exchange(200)).unwrap();
    let note = Note::new("a private note", Version::new(0, 2));
    block_on(history.put_note(&session("origin"), "summary", &note)).unwrap();
    assert_eq!(fork(&history, "origin", &turns[29], "b").messages, 60);
    assert_eq!(fork(&history, "b", &turns[9], "c").messages, 20);
    assert!(folder.read("b").len() < 400 && folder.read("c").len() < 400);
    append(&history, "b", &exchange(100)).unwrap();
    append(&history, "c", &exchange(101)).unwrap();
    let last = exchange(102);
    append(&history, "b", &last).unwrap();
    fork(&history, "b", &last, "d");
    append_at(&history, "d", after(&turns[3]), &exchange(103)).unwrap();

    // The turns that the forks share stay; the others, the notes and the name are gone.
    block_on(history.delete(&session("origin"))).unwrap();
    let text = all_text(&folder);
    assert!(text.contains("question 29") && !text.contains("question 30"), "{text}");
    assert!(!text.contains("question 200") && !text.contains("private"));
    assert!(!text.contains("\"origin\""));
    assert!(
        texts(&history, "b")
            .ends_with("question 29;answer 29;question 100;answer 100;question 102;answer 102;")
    );
    block_on(history.clear(&session("b"))).unwrap();
    for history in [&history, &folder.open()] {
        assert!(texts(history, "c").ends_with("question 9;answer 9;question 101;answer 101;"));
        assert!(texts(history, "d").ends_with("question 3;answer 3;question 103;answer 103;"));
        let tip = block_on(history.alternatives(&session("d"), after(&turns[3]))).unwrap();
        assert_eq!(tip.first(), Some(&Alternative::new(turns[4].id(), last.id())));
    }
    assert!(all_text(&folder).contains("question 102"));
    block_on(history.delete(&session("d"))).unwrap();
    let text = all_text(&folder);
    assert!(text.contains("question 9") && !text.contains("question 10\""), "{text}");
    assert!(!text.contains("question 102") && !text.contains("question 100"));
    // Sessions that begin now do not meet the shared turns.
    for name in ["origin", "b", "d", "e"] {
        append(&history, name, &turns[0]).unwrap();
        assert_eq!(texts(&history, name), "question 0;answer 0;");
    }
    block_on(history.delete(&session("c"))).unwrap();
    assert!(!folder.endings().contains(&"shared".to_owned()), "{:?}", folder.endings());
}

#[test]
fn a_fork_lives_on_while_its_origin_does() {
    let folder = Folder::new();
    let history = folder.open();
    let turns = fill(&history, "a", 3);
    fork(&history, "a", &turns[1], "b");
    append(&history, "a", &exchange(4)).unwrap();
    append(&history, "b", &exchange(5)).unwrap();
    block_on(history.delete(&session("b"))).unwrap();
    assert_eq!(load(&history, "a").unwrap().version.messages, 8);
    assert!(!folder.endings().contains(&"shared".to_owned()));
    // Another fork, of a session that was one.
    fork(&history, "a", &turns[2], "b");
    assert_eq!(
        texts(&folder.open(), "b"),
        "question 0;answer 0;question 1;answer 1;question 2;answer 2;"
    );
}

/// Each file of the chain has branches, of which the next one has one.
#[test]
fn a_fork_of_a_fork_has_the_turns_of_its_path_alone() {
    for deletes_origins in [false, true] {
        let folder = Folder::new();
        let history = folder.open();
        let mut path: Vec<Turn> = Vec::new();
        let mut number = 0;
        let mut next = || {
            number += 1;
            exchange(number)
        };
        for file in 0..6 {
            let name = file.to_string();
            let point = |turns: &[Turn]| turns.last().map_or(Point::Start, after);
            // From the tip, from a turn of the file before, and from the start.
            for back in [0, 1, 2, 4, path.len()] {
                let mut turns = path[..path.len().saturating_sub(back)].to_vec();
                for _ in 0..3 {
                    let turn = next();
                    append_at(&history, &name, point(&turns), &turn).unwrap();
                    turns.push(turn);
                }
                if back == file {
                    path = turns;
                }
            }
            let into = (file + 1).to_string();
            block_on(history.fork(&session(&name), point(&path), &session(&into))).unwrap();
            if deletes_origins {
                block_on(history.delete(&session(&name))).unwrap();
            }
            for history in [&history, &folder.open()] {
                assert_eq!(block_on(history.turns(&session(&into), Range::All)).unwrap(), path);
                let mut before = Point::Start;
                for turn in &path {
                    let found = block_on(history.alternatives(&session(&into), before)).unwrap();
                    let newest = path.last().map(Turn::id);
                    assert_eq!(found.len(), 1);
                    assert_eq!((found[0].turn, Some(found[0].newest)), (turn.id(), newest));
                    before = after(turn);
                }
            }
        }
    }
}

#[test]
fn the_last_turns_of_a_fork_are_read_from_the_ends_of_its_files() {
    let folder = Folder::new();
    let history = folder.open();
    let turns = fill(&history, "a", 6);
    fork(&history, "a", &turns[3], "b");
    append(&history, "b", &exchange(10)).unwrap();
    let mut expected: Vec<Turn> = turns[..4].to_vec();
    for origin in ["there", "deleted"] {
        if origin == "deleted" {
            block_on(history.delete(&session("a"))).unwrap();
        }
        for count in 0..7 {
            let slice =
                block_on(folder.open().load(&session("b"), Range::LastTurns(count))).unwrap();
            let all = load(&folder.open(), "b").unwrap();
            let start = all.messages.len().saturating_sub(2 * count);
            assert_eq!(slice.messages, all.messages.slice(start..), "{origin}, {count} turns");
            assert_eq!(slice.version, all.version);
        }
    }
    expected.truncate(2);
    let view = history.at(after(&turns[1])).unwrap();
    let shown = block_on(view.load(&session("b"), Range::LastTurns(9))).unwrap();
    assert_eq!(shown.version, Version::new(0, 4).with_tip(turns[1].id().fingerprint()));
    let ids = block_on(view.turns(&session("b"), Range::All)).unwrap();
    assert_eq!(ids, expected);
}

#[test]
fn a_killed_deletion_is_finished_by_the_next_sweep() {
    let folder = Folder::new();
    let history = folder.open();
    let turns = fill(&history, "a", 3);
    fork(&history, "a", &turns[0], "b");
    fork(&history, "a", &turns[1], "c");
    block_on(history.sweep(9)).unwrap();
    assert_eq!(load(&history, "c").unwrap().version.messages, 4);
    // The process ended before it removed what was shared.
    for name in ["a", "c"] {
        fs::remove_file(history.path(&session(name))).unwrap();
    }
    assert!(all_text(&folder).contains("question 2"));
    block_on(history.sweep(9)).unwrap();
    assert!(!all_text(&folder).contains("question 1"));
    assert_eq!(texts(&history, "b"), "question 0;answer 0;");
    fs::remove_file(history.path(&session("b"))).unwrap();
    block_on(history.sweep(9)).unwrap();
    assert!(!folder.endings().contains(&"shared".to_owned()));
}

/// The origin was repaired, so that the damaged file is of no session. No repair reaches it.
#[test]
fn damage_behind_the_turns_that_forks_need_is_removed() {
    let folder = Folder::new();
    let history = folder.open();
    let turns = fill(&history, "a", 5);
    fork(&history, "a", &turns[1], "b");
    fork(&history, "a", &turns[0], "c");
    block_on(history.close());
    let path = history.path(&session("a"));
    let mut bytes = fs::read(&path).unwrap();
    let at = bytes.len() - 30;
    bytes[at] ^= 1;
    // It keeps its other name.
    fs::OpenOptions::new().write(true).open(&path).unwrap().write_all(&bytes).unwrap();
    let history = folder.open();
    let repaired = block_on(history.repair(&session("a"))).unwrap();
    assert_eq!((repaired.turns, repaired.lost), (4, vec![6]));
    block_on(history.delete(&session("a"))).unwrap();
    assert!(all_text(&folder).contains("question 4"));
    block_on(history.sweep(9)).unwrap();
    let text = all_text(&folder);
    assert!(text.contains("question 1") && !text.contains("question 2"), "{text}");
    block_on(history.delete(&session("b"))).unwrap();
    assert_eq!(texts(&history, "c"), "question 0;answer 0;");
    block_on(history.delete(&session("c"))).unwrap();
    assert!(!folder.endings().contains(&"shared".to_owned()));
}

/// Shared turns that cannot be read are left where they are, for the repair of the fork.
#[test]
fn damaged_turns_that_a_fork_needs_keep_no_other_session() {
    let folder = Folder::new();
    let history = folder.open();
    let turns = fill(&history, "a", 3);
    fork(&history, "a", &turns[2], "b");
    fork(&history, "a", &turns[0], "c");
    block_on(history.close());
    let path = history.path(&session("a"));
    let mut bytes = fs::read(&path).unwrap();
    let at = bytes.len() - 30;
    bytes[at] ^= 1;
    fs::OpenOptions::new().write(true).open(&path).unwrap().write_all(&bytes).unwrap();
    let history = folder.open();
    block_on(history.repair(&session("a"))).unwrap();
    block_on(history.sweep(9)).unwrap();
    assert_eq!(texts(&history, "c"), "question 0;answer 0;");
    block_on(history.delete(&session("c"))).unwrap();
    assert_eq!(texts(&history, "a"), "question 0;answer 0;question 1;answer 1;");
    load(&history, "b").unwrap_err();
    assert!(block_on(history.repair(&session("b"))).unwrap().lost_shared);
    block_on(history.sweep(9)).unwrap();
    assert!(!folder.endings().contains(&"shared".to_owned()));
}

#[test]
fn a_fork_whose_shared_turns_are_damaged_or_gone_is_told_and_repaired() {
    for damage in ["gone", "damaged", "of another file"] {
        let folder = Folder::new();
        let history = folder.open();
        let turns = fill(&history, "a", 3);
        fork(&history, "a", &turns[1], "b");
        append(&history, "b", &exchange(7)).unwrap();
        block_on(history.delete(&session("a"))).unwrap();
        let entries = fs::read_dir(folder.path()).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        let shared = paths.filter(|path| path.extension().is_some_and(|end| end == "shared"));
        let shared = shared.last().unwrap();
        match damage {
            "gone" => fs::remove_file(&shared).unwrap(),
            "damaged" => {
                let mut bytes = fs::read(&shared).unwrap();
                bytes[300] ^= 1;
                fs::write(&shared, bytes).unwrap();
            }
            _ => {
                fill(&history, "c", 2);
                fs::write(&shared, folder.read("c")).unwrap();
            }
        }
        for history in [&history, &folder.open()] {
            let error = load(history, "b").unwrap_err();
            assert!(matches!(error, HistoryError::Corrupt { .. }), "{damage}: {error}");
            append(history, "b", &exchange(8)).unwrap_err();
        }
        let repaired = block_on(history.repair(&session("b"))).unwrap();
        assert!(repaired.lost_shared, "{damage}");
        assert_eq!(texts(&folder.open(), "b"), "question 7;answer 7;");
    }
}

#[test]
fn a_repaired_conversation_has_its_branches() {
    let folder = Folder::new();
    let history = folder.open();
    let turns = fill(&history, "a", 3);
    fork(&history, "a", &turns[1], "b");
    for name in ["a", "b"] {
        append(&history, name, &exchange(4)).unwrap();
        append_at(&history, name, after(&turns[0]), &exchange(5)).unwrap();
        let id = session(name);
        let before = block_on(history.alternatives(&id, after(&turns[0]))).unwrap();
        block_on(history.set_tip(&id, after(&turns[1]), Expect::Any)).unwrap();
        let shown = texts(&history, name);
        let repaired = block_on(history.repair(&id)).unwrap();
        assert_eq!((repaired.lost, repaired.lost_shared), (Vec::new(), false));
        assert_eq!(texts(&history, name), shown);
        let found = block_on(history.alternatives(&id, after(&turns[0]))).unwrap();
        let ids = |list: &[Alternative]| -> Vec<_> {
            list.iter().map(|found| (found.turn, found.newest)).collect()
        };
        assert_eq!(ids(&found), ids(&before));
    }
}

#[test]
fn a_fork_into_a_session_with_a_note_keeps_it() {
    let folder = Folder::new();
    let history = folder.open();
    let turns = fill(&history, "a", 1);
    let note = Note::new("met", Version::default());
    let other = Note::new("seen", Version::default());
    for (name, note) in [("summary", &note), ("entities", &other)] {
        block_on(history.put_note(&session("b"), name, note)).unwrap();
    }
    let refused = block_on(history.fork(&session("b"), Point::Start, &session("a")));
    assert!(matches!(refused, Err(HistoryError::Stale { .. })), "{refused:?}");
    let version = block_on(history.fork(&session("a"), after(&turns[0]), &session("b"))).unwrap();
    let next = exchange(7);
    let expect = Expect::Exactly(version);
    block_on(history.append(&session("b"), &next, expect)).unwrap();
    for history in [&history, &folder.open()] {
        assert_eq!(load(history, "b").unwrap().messages.len(), 4);
        for (name, note) in [("summary", &note), ("entities", &other)] {
            let found = block_on(history.note(&session("b"), name)).unwrap();
            assert_eq!(found.as_ref(), Some(note));
        }
    }
}

#[test]
fn a_note_of_turns_that_were_left_does_not_replace_that_of_the_branch() {
    let folder = Folder::new();
    let history = folder.open();
    let turns = fill(&history, "a", 2);
    let left = load(&history, "a").unwrap().version;
    let version = block_on(history.set_tip(&session("a"), after(&turns[0]), Expect::Any)).unwrap();
    let note = Note::new("of this branch", version);
    block_on(history.put_note(&session("a"), "summary", &note)).unwrap();
    let other = Note::new("of the one that was left", left);
    let refused = block_on(history.put_note(&session("a"), "summary", &other));
    assert!(matches!(refused, Err(HistoryError::Stale { .. })), "{refused:?}");
    assert_eq!(block_on(history.note(&session("a"), "summary")).unwrap(), Some(note));
}

/// The new fork has the turns that the expired one shared, and nothing else is left of that.
#[test]
fn a_fork_replaces_an_expired_one() {
    let folder = Folder::new();
    let day = Duration::from_secs(24 * 3600);
    let history = folder.builder().time_to_live(day).open().unwrap();
    let turns = fill(&history, "a", 3);
    fork(&history, "a", &turns[1], "b");
    let own = exchange(9);
    append(&history, "b", &own).unwrap();
    fork(&history, "b", &own, "c");
    append(&history, "b", &exchange(10)).unwrap();
    let file = fs::File::options().write(true).open(history.path(&session("b"))).unwrap();
    file.set_modified(SystemTime::now() - 2 * day).unwrap();
    assert_eq!(fork(&history, "a", &turns[1], "b").messages, 4);
    for name in ["b", "c"] {
        let slice = load(&folder.open(), name).unwrap();
        assert_eq!(slice.messages.len(), if name == "b" { 4 } else { 6 });
    }
    assert!(!all_text(&folder).contains("question 10"));
}

/// A deletion of the fork can remove the file that a session shares with it, at any time until the
/// folder's shared files are locked.
#[test]
fn a_session_and_its_fork_are_cleared_at_once() {
    const ROUNDS: usize = 60;
    let folder = Folder::new();
    let [one, other] = [folder.open(), folder.open()];
    for round in 0..ROUNDS {
        let turn = exchange(round);
        append(&one, "a", &turn).unwrap();
        fork(&one, "a", &turn, "b");
        let start = Barrier::new(2);
        thread::scope(|scope| {
            let cleared = scope.spawn(|| {
                start.wait();
                block_on(one.clear(&session("a")))
            });
            start.wait();
            block_on(other.delete(&session("b"))).unwrap();
            cleared.join().unwrap().unwrap();
        });
        assert!(!all_text(&folder).contains("question"), "round {round}");
    }
}

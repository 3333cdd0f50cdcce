//! Long files, of which a store without an index reads the end.

use std::sync::{Arc, LazyLock};

use conversant_core::{
    ChatHistory, Expect, HistoryError, Message, Messages, Note, Point, Range, Slice, Turn, TurnId,
    Version,
};
use conversant_history_jsonl::JsonlHistory;
use conversant_testkit::block_on;
use proptest::prelude::*;

use crate::support::{Folder, append, append_at, load, session};

/// A file of 500 KB: turns of several lengths, some without messages, as earlier versions stored
/// them, and notes.
static FILE: LazyLock<(Vec<u8>, Vec<Version>)> = LazyLock::new(|| {
    let folder = Folder::new();
    let history = folder.open();
    let mut versions = Vec::new();
    let mut empty = Vec::new();
    for number in 0..400_usize {
        let messages = (0..[2, 1, 0, 5, 2][number % 5]).map(|index| {
            Message::human(format!("{number}.{index} {}", "x".repeat(300 * (number % 4))))
        });
        let turn = Turn::new(messages.collect::<Vec<_>>());
        let version = append(&history, "a", &turn).unwrap();
        if turn.messages().is_empty() {
            let lines = folder.read("a").iter().filter(|byte| **byte == b'\n').count();
            empty.push((lines, version, turn.id()));
        }
        versions.push(version);
        if number % 7 == 0 {
            let note = Note::new("met", version);
            block_on(history.put_note(&session("a"), "summary", &note)).unwrap();
        }
    }
    let mut lines = with_empty_turns(&String::from_utf8(folder.read("a")).unwrap(), &empty);
    lines.push('\n');
    (lines.into_bytes(), versions)
});

/// Adds turns without messages to a file, each after as many lines, as earlier versions wrote them.
fn with_empty_turns(file: &str, empty: &[(usize, Version, TurnId)]) -> String {
    let mut lines: Vec<String> = Vec::new();
    let mut add = |content: &str| {
        let bytes = content.len() + ",\"sum\":\"00000000\"}\n".len();
        let sized = format!("{{\"line\":{},\"bytes\":{bytes}", lines.len());
        let sum = crc32fast::hash(sized.as_bytes());
        let line = format!("{sized},\"bytes_sum\":\"{sum:08x}\",{content}");
        let sum = crc32fast::hash(line.as_bytes());
        lines.push(format!("{line},\"sum\":\"{sum:08x}\"}}"));
    };
    let (header, rest) = file.split_once('\n').unwrap();
    add("");
    for (number, line) in (1..).zip(rest.lines()) {
        for (_, version, id) in empty.iter().filter(|(lines, ..)| *lines == number) {
            add(&format!(
                "\"first\":{},\"turn\":{{\"id\":\"{id}\",\"messages\":[],\
                 \"incomplete\":false,\"base\":null}}",
                version.messages
            ));
        }
        let content = line.split_once("\"bytes_sum\":\"").unwrap().1;
        let (_, content) = content.split_once("\",").unwrap();
        add(content.rsplit_once(",\"sum\"").unwrap().0);
    }
    header.clone_into(&mut lines[0]);
    lines.join("\n")
}

/// Loads a range with a store that has no index.
fn cold(folder: &Folder, range: Range) -> Slice {
    block_on(folder.open().load(&session("a"), range)).unwrap()
}

/// Returns a store that has an index.
fn indexed(folder: &Folder) -> JsonlHistory {
    let history = folder.open();
    load(&history, "a").unwrap();
    history
}

#[test]
fn the_end_of_a_long_file_is_what_the_index_says() {
    let folder = Folder::new();
    let (bytes, versions) = &*FILE;
    assert!(bytes.len() > 400_000, "{} bytes", bytes.len());
    folder.write("a", bytes);
    let mut ranges = vec![Range::All];
    for count in [0, 1, 2, 3, 20, 100, 250, 10_000] {
        ranges.push(Range::LastTurns(count));
        ranges.push(Range::LastMessages(count));
        ranges.push(Range::LastBytes(700 * count as u64));
    }
    for version in versions.iter().rev().step_by(37).chain([&Version::new(0, 0)]) {
        ranges.push(Range::After(*version));
        ranges.push(Range::After(version.with_tip(0)));
        ranges.push(Range::After(version.with_tip(7)));
        ranges.push(Range::After(Version { epoch: 1, ..*version }));
        ranges.push(Range::After(Version { messages: version.messages + 1, ..*version }));
    }
    let history = indexed(&folder);
    for range in ranges {
        let cold = cold(&folder, range);
        let warm = block_on(history.load(&session("a"), range)).unwrap();
        assert_eq!(cold.version, warm.version, "{range:?}");
        assert!(cold.messages == warm.messages, "{range:?}");
    }
}

#[test]
fn lines_without_the_number_of_their_first_message_are_read_with_an_index() {
    let folder = Folder::new();
    let text = String::from_utf8(FILE.0.clone()).unwrap();
    let mut lines = text.lines();
    let mut old = format!("{}\n", lines.next().unwrap());
    for line in lines {
        let (body, _) = line.rsplit_once(",\"sum\"").unwrap();
        let (head, rest) = body.split_once(",\"bytes\"").unwrap();
        let start = rest.find("\"turn\"").or_else(|| rest.find("\"note\"")).unwrap();
        let body = format!("{head},{}", rest.split_at(start).1);
        old.push_str(&format!("{body},\"sum\":\"{:08x}\"}}\n", crc32fast::hash(body.as_bytes())));
    }
    folder.write("a", old.as_bytes());
    let history = indexed(&folder);
    for range in [Range::LastTurns(3), Range::LastMessages(5), Range::After(FILE.1[380])] {
        let cold = cold(&folder, range);
        let warm = block_on(history.load(&session("a"), range)).unwrap();
        assert_eq!((cold.version, cold.messages.len()), (warm.version, warm.messages.len()));
    }
}

#[test]
fn a_store_that_has_read_the_end_notices_damage_before_it_when_it_appends() {
    let folder = Folder::new();
    let mut bytes = FILE.0.clone();
    bytes[1000] ^= 1;
    folder.write("a", &bytes);
    let history = folder.open();
    let end = block_on(history.load(&session("a"), Range::LastTurns(2))).unwrap();
    assert_eq!(end.messages.len(), 7);
    append(&history, "a", &Turn::exchange("hi", "hello")).unwrap_err();
    load(&history, "a").unwrap_err();
    assert!(folder.read("a") == bytes, "the file was changed");
}

/// Grows a session by operations that numbers select, and returns its turns.
fn grow(history: &JsonlHistory, operations: &[(u8, prop::sample::Index)]) -> Vec<Turn> {
    let mut turns: Vec<Turn> = Vec::new();
    for (kind, any) in operations {
        let point = match turns.is_empty() || *kind == 5 {
            true => Point::Start,
            false => Point::After(turns[any.index(turns.len())].id()),
        };
        let number = turns.len();
        let turn = match kind {
            4 => Turn::new(Vec::new()),
            _ => Turn::exchange(format!("question {number}"), "x".repeat(number * 40)),
        };
        match kind {
            0 => {
                block_on(history.set_tip(&session("a"), point, Expect::Any)).unwrap();
                continue;
            }
            1 | 5 => append_at(history, "a", point, &turn).unwrap(),
            2 => {
                // A turn that was made before the tip was moved.
                let view = history.at(point).unwrap();
                let seen = block_on(view.load(&session("a"), Range::LastTurns(1))).unwrap();
                let expect = Expect::SameEpoch(seen.version);
                block_on(history.append(&session("a"), &turn, expect)).unwrap()
            }
            _ => append(history, "a", &turn).unwrap(),
        };
        // A turn without messages is not stored.
        if *kind != 4 {
            turns.push(turn);
        }
    }
    turns
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_damaged_end_is_an_error_or_as_it_was(
        flips in prop::collection::vec((0..40_000_usize, 1..=255_u8), 1..4),
        count in 1..60_usize,
    ) {
        let folder = Folder::new();
        let mut bytes = FILE.0.clone();
        folder.write("a", &bytes);
        let expected = cold(&folder, Range::LastTurns(count));
        let end = bytes.len();
        for (back, flip) in flips {
            bytes[end - 1 - back] ^= flip;
        }
        folder.write("a", &bytes);
        if let Ok(found) = block_on(folder.open().load(&session("a"), Range::LastTurns(count))) {
            prop_assert_eq!(found.version, expected.version);
            prop_assert!(found.messages == expected.messages);
        }
    }

    /// The index has the turns; a store without one reads the end.
    #[test]
    fn the_end_of_a_session_with_branches_is_what_the_index_says(
        operations in prop::collection::vec((0..8_u8, any::<prop::sample::Index>()), 1..30),
        fork in prop::option::of(any::<prop::sample::Index>()),
        ranges in prop::collection::vec((0..12_usize, any::<prop::sample::Index>()), 1..6),
    ) {
        let folder = Folder::new();
        let history = folder.open();
        let mut turns = grow(&history, &operations);
        let mut name = "a";
        if let Some(fork) = fork.filter(|_| !turns.is_empty()) {
            let point = Point::After(turns[fork.index(turns.len())].id());
            block_on(history.fork(&session("a"), point, &session("b"))).unwrap();
            let more = Turn::exchange("one more", "of the fork");
            append(&history, "b", &more).unwrap();
            name = "b";
            turns = block_on(history.turns(&session("b"), Range::All)).unwrap();
            if fork.index(2) == 0 {
                block_on(history.delete(&session("a"))).unwrap();
            }
        }
        let id = session(name);
        for (count, at) in ranges {
            let view: Arc<dyn ChatHistory> = match turns.is_empty() || count % 3 == 0 {
                true => Arc::new(folder.open()),
                false => {
                    folder.open().at(Point::After(turns[at.index(turns.len())].id())).unwrap()
                }
            };
            let all = block_on(view.load(&id, Range::All)).unwrap();
            let cold = block_on(view.load(&id, Range::LastTurns(count))).unwrap();
            let path = block_on(view.turns(&id, Range::All)).unwrap();
            let with_messages = path.iter().filter(|turn| !turn.messages().is_empty());
            let last = with_messages.rev().take(count);
            let messages: usize = last.map(|turn| turn.messages().len()).sum();
            prop_assert_eq!(cold.version, all.version);
            prop_assert!(cold.messages == all.messages.slice(all.messages.len() - messages..));
            let cold = block_on(view.load(&id, Range::LastMessages(count))).unwrap();
            let start = all.messages.len().saturating_sub(count);
            prop_assert!(cold.messages == all.messages.slice(start..));
            let after = block_on(view.load(&id, Range::After(all.version))).unwrap();
            prop_assert!(all.version.tip == 0 || after.messages.is_empty());
        }
    }

    /// Flipped bytes never change a conversation without an error, and a cut leaves one that was.
    #[test]
    fn a_damaged_session_with_branches_is_an_error_or_as_it_was(
        operations in prop::collection::vec((0..8_u8, any::<prop::sample::Index>()), 1..12),
        flips in prop::collection::vec((any::<prop::sample::Index>(), 1..=255_u8), 1..4),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let folder = Folder::new();
        grow(&folder.open(), &operations);
        let path = folder.open().path(&session("a"));
        let Ok(whole) = std::fs::read(path) else { return Ok(()) };
        // The conversation after each line.
        let mut states = Vec::new();
        for end in (0..whole.len()).filter(|&end| whole[end] == b'\n') {
            folder.write("a", &whole[..=end]);
            states.push(load(&folder.open(), "a").unwrap().messages);
        }
        let mut bytes = whole.clone();
        match cut {
            Some(cut) => bytes.truncate(cut.index(whole.len())),
            None => flips.iter().for_each(|(index, flip)| bytes[index.index(whole.len())] ^= flip),
        }
        folder.write("a", &bytes);
        for range in [Range::LastTurns(2), Range::All] {
            match block_on(folder.open().load(&session("a"), range)) {
                Ok(slice) => {
                    let ends = |state: &Messages| {
                        let start = state.len().saturating_sub(slice.messages.len());
                        state.slice(start..) == slice.messages
                    };
                    let is_known = match cut {
                        Some(_) => states.iter().any(ends),
                        None => states.last().is_some_and(ends),
                    };
                    prop_assert!(is_known, "{range:?} gives another conversation");
                }
                Err(HistoryError::Corrupt { .. }) => {}
                Err(error) => prop_assert!(false, "{}", error),
            }
        }
    }
}

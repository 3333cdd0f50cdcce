//! Long files, of which a store without an index reads the end.

use std::sync::LazyLock;

use conversant_core::{ChatHistory, Message, Note, Range, Slice, Turn, Version};
use conversant_history_jsonl::JsonlHistory;
use conversant_testkit::block_on;
use proptest::prelude::*;

use crate::support::{Folder, append, load, session};

/// A file of 500 KB: turns of several lengths, some without messages, and notes.
static FILE: LazyLock<(Vec<u8>, Vec<Version>)> = LazyLock::new(|| {
    let folder = Folder::new();
    let history = folder.open();
    let mut versions = Vec::new();
    for number in 0..400_usize {
        let messages = (0..[2, 1, 0, 5, 2][number % 5]).map(|index| {
            Message::human(format!("{number}.{index} {}", "x".repeat(300 * (number % 4))))
        });
        let turn = Turn::new(messages.collect::<Vec<_>>());
        let version = append(&history, "a", &turn).unwrap();
        versions.push(version);
        if number % 7 == 0 {
            let note = Note::new("met", version);
            block_on(history.put_note(&session("a"), "summary", &note)).unwrap();
        }
    }
    (folder.read("a"), versions)
});

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
    for version in versions.iter().rev().step_by(13).chain([&Version::new(0, 0)]) {
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
}

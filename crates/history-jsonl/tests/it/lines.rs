//! Lines that are torn, damaged, missing, duplicated or edited.

use std::{fs, sync::LazyLock};

use conversant_core::{ChatHistory, HistoryError, Message, Note, Range, Version};
use conversant_history_jsonl::JsonlHistory;
use conversant_testkit::block_on;
use proptest::prelude::*;

use crate::support::{Folder, append, exchange, load, session};

/// The lines of a file with three turns and a note, with their line breaks.
static LINES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let folder = Folder::new();
    let history = folder.open();
    for number in 0..2 {
        append(&history, "a", &exchange(number)).unwrap();
    }
    let covers = load(&history, "a").unwrap().version;
    block_on(history.put_note(&session("a"), "summary", &Note::new("met", covers))).unwrap();
    append(&history, "a", &exchange(2)).unwrap();
    folder.read("a").split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect()
});

fn joined(lines: &[Vec<u8>]) -> Vec<u8> {
    lines.concat()
}

/// The form of a turn's line, which other programs read.
#[test]
fn a_line_has_what_is_not_the_default_of_a_message() {
    let folder = Folder::new();
    let id = "019ac1d0-0000-7000-8000-000000000001".parse().unwrap();
    let turn = exchange(1).with_id(id).with_base(Version::new(0, 4));
    append(&folder.open(), "a", &turn).unwrap();
    let text = String::from_utf8(folder.read("a")).unwrap();
    insta::assert_snapshot!(text.lines().nth(1).unwrap());
    assert_eq!(block_on(folder.open().turns(&session("a"), Range::All)).unwrap(), [turn]);
}

type Edit = fn(&mut Vec<Vec<u8>>);

#[test]
fn what_became_of_the_lines_is_told() {
    let cases: [(&str, Edit); 22] = [
        ("as it was", |_| {}),
        ("a last line cut off", |lines| lines[4].truncate(40)),
        ("a last line that lacks its end", |lines| assert!(lines[4].pop().is_some())),
        ("a last line whose end was changed", |lines| *lines[4].last_mut().unwrap() = b'!'),
        ("a last line that was damaged", |lines| lines[4][60] ^= 1),
        ("a last line that was damaged and lacks its end", |lines| {
            lines[4][60] ^= 1;
            lines[4].pop();
        }),
        ("a last line that was damaged, and its end changed", |lines| {
            lines[4][60] ^= 1;
            *lines[4].last_mut().unwrap() = 0;
        }),
        ("a last line that ends in garbage", |lines| {
            let start = lines[4].len() - 40;
            lines[4][start..].fill(b'#');
        }),
        ("a last line cut off, with zeros up to a sector", |lines| {
            lines[4].truncate(40);
            let bytes = joined(lines).len();
            lines.push(vec![0; bytes.next_multiple_of(512) - bytes]);
        }),
        ("a last line whose last sector is zeros", |lines| {
            let start = joined(&lines[..4]).len();
            let kept = (start + lines[4].len() - 1) / 512 * 512 - start;
            lines[4][kept..].fill(0);
        }),
        ("garbage without an end after the last line", |lines| lines.push(b"garbage".to_vec())),
        ("zeros after the last line", |lines| lines.push(vec![0; 512])),
        ("half a line after the last", |lines| lines.push(br#"{"line":5,"turn":{"id":"#.to_vec())),
        ("a line that was damaged", |lines| lines[2][60] ^= 1),
        ("a line of garbage", |lines| lines.insert(2, b"garbage\n".to_vec())),
        ("an empty line", |lines| lines.insert(2, b"\n".to_vec())),
        ("a line twice", |lines| lines.insert(3, lines[2].clone())),
        ("a line missing", |lines| drop(lines.remove(2))),
        ("lines swapped", |lines| lines.swap(1, 2)),
        ("no first line", |lines| drop(lines.remove(0))),
        ("nothing", Vec::clear),
        ("edited on another system", |lines| {
            lines.iter_mut().for_each(|line| {
                line.pop();
                line.extend_from_slice(b"\r\n");
            });
            lines.insert(0, b"\xef\xbb\xbf".to_vec());
        }),
    ];
    let mut seen = String::new();
    for (name, edit) in cases {
        let mut lines = LINES.clone();
        edit(&mut lines);
        let bytes = joined(&lines);
        let folder = Folder::new();
        let history = folder.open();
        folder.write("a", &bytes);
        let outcome = load(&history, "a");
        let torn = history.torn_tails();
        let torn: u64 = torn.iter().map(|tail| tail.bytes).sum();
        match outcome {
            Ok(slice) => {
                seen.push_str(&format!(
                    "{name}: {} messages, {torn} bytes torn\n",
                    slice.messages.len()
                ));
                // The next turn follows the last whole line.
                let version = append(&history, "a", &exchange(7)).unwrap();
                assert_eq!(version.messages, slice.version.messages + 2, "{name}");
                let again = load(&folder.open(), "a").unwrap();
                assert_eq!(again.messages.slice(..slice.messages.len()), slice.messages, "{name}");
            }
            Err(error) => {
                assert!(matches!(error, HistoryError::Corrupt { .. }), "{name}: {error}");
                seen.push_str(&format!("{name}: {error}\n"));
                append(&history, "a", &exchange(7)).unwrap_err();
                assert_eq!(folder.read("a"), bytes, "{name}: the file was changed");
            }
        }
    }
    insta::assert_snapshot!(seen);
}

/// Returns the number of messages that a store loads, or `None` if the file is corrupt.
fn found(folder: &Folder, history: &JsonlHistory, bytes: &[u8]) -> Option<usize> {
    folder.write("a", bytes);
    match load(history, "a") {
        Ok(slice) => Some(slice.messages.len()),
        Err(HistoryError::Corrupt { .. }) => None,
        Err(error) => panic!("{error}"),
    }
}

/// Returns the file, and one that was written before lines had a length: the lines before the last,
/// the last line, and the number of messages without and with it.
fn files() -> [(Vec<u8>, Vec<u8>, [usize; 2]); 2] {
    let new = (joined(&LINES[..4]), LINES[4].clone(), [4, 6]);
    let text = include_str!("format_1.jsonl").replace("user-7", "a");
    let lines: Vec<_> = text.split_inclusive('\n').collect();
    // The header's checksum covers the name.
    let (header, _) = lines[0].split_once(",\"sum\"").unwrap();
    let header = format!("{header},\"sum\":\"{:08x}\"}}\n", crc32fast::hash(header.as_bytes()));
    let before = [header.as_str(), lines[1], lines[2]].concat().into_bytes();
    [new, (before, lines[3].as_bytes().to_vec(), [2, 4])]
}

#[test]
fn a_last_line_cut_anywhere_is_torn_and_one_damaged_anywhere_is_an_error() {
    for (before, last, [torn, whole]) in files() {
        let folder = Folder::new();
        let history = folder.open();
        assert_eq!(found(&folder, &history, &[&before[..], &last].concat()), Some(whole));
        for kept in 0..last.len() {
            let cut = [&before[..], &last[..kept]].concat();
            let expected = if kept + 1 == last.len() { whole } else { torn };
            assert_eq!(found(&folder, &history, &cut), Some(expected), "{kept} bytes kept");
        }
        for index in 0..last.len() - 1 {
            for (flip, end) in [(1, b'!'), (1, 0), (0xff, b'}'), (0x20, b' ')] {
                let mut last = last.clone();
                last[index] ^= flip;
                *last.last_mut().unwrap() = end;
                let damaged = [&before[..], &last].concat();
                assert_eq!(found(&folder, &history, &damaged), None, "byte {index}, {flip}, {end}");
            }
        }
    }
}

#[test]
fn what_can_be_read_of_a_damaged_file_is_saved() {
    let mut lines = LINES.clone();
    lines[0][20] ^= 1;
    lines.insert(2, b"garbage\n".to_vec());
    lines.push(lines[1].clone());
    let bytes = joined(&lines);
    let folder = Folder::new();
    folder.write("a", &bytes);
    let history = folder.open();
    load(&history, "a").unwrap_err();
    let repaired = block_on(history.repair(&session("a"))).unwrap();
    assert_eq!((repaired.turns, repaired.lost), (3, vec![1, 3]));
    assert_eq!(fs::read(&repaired.damaged).unwrap(), bytes);
    let found = load(&history, "a").unwrap();
    assert_eq!(found.messages.len(), 6);
    assert!(found.version.epoch > 0, "it was {}", found.version);
    append(&history, "a", &exchange(7)).unwrap();
    assert_eq!(load(&folder.open(), "a").unwrap().messages.len(), 8);
    // An undamaged file loses only its notes and its epoch.
    let repaired = block_on(history.repair(&session("a"))).unwrap();
    assert_eq!((repaired.turns, repaired.lost), (4, vec![]));
    // A session without a file cannot be repaired.
    assert!(block_on(history.repair(&session("b"))).is_err());
}

/// The damaged file has all texts of the conversation.
#[test]
fn what_a_repair_has_kept_is_removed_with_the_conversation() {
    for is_cleared in [true, false] {
        let folder = Folder::new();
        let mut lines = LINES.clone();
        lines[2][60] ^= 1;
        let history = folder.open();
        append(&history, "b", &exchange(1)).unwrap();
        block_on(history.repair(&session("b"))).unwrap();
        for _ in 0..3 {
            folder.write("a", &joined(&lines));
            assert!(block_on(history.repair(&session("a"))).unwrap().damaged.exists());
        }
        let damaged =
            || folder.endings().iter().filter(|ending| ending.as_str() == "damaged").count();
        assert_eq!(damaged(), 4);
        match is_cleared {
            true => block_on(history.clear(&session("a"))).unwrap(),
            false => block_on(history.delete(&session("a"))).unwrap(),
        }
        // That of another session stays.
        assert_eq!(damaged(), 1);
    }
}

#[test]
fn a_later_format_is_told_and_left_alone() {
    let folder = Folder::new();
    let body =
        r#"{"conversant":9,"session":"a","epoch":0,"file":"00000000-0000-0000-0000-000000000000""#;
    let line = format!("{body},\"sum\":\"{:08x}\"}}\n", crc32fast::hash(body.as_bytes()));
    folder.write("a", line.as_bytes());
    let error = append(&folder.open(), "a", &exchange(1)).unwrap_err();
    assert!(matches!(error, HistoryError::SchemaTooNew { found: 9, known: 2 }), "{error}");
    assert_eq!(folder.read("a"), line.as_bytes());
}

#[test]
fn files_of_the_first_format_are_read_for_ever() {
    let folder = Folder::new();
    folder.write("user-7", include_bytes!("format_1.jsonl"));
    let history = folder.open();
    let found = load(&history, "user-7").unwrap();
    assert_eq!(found.version.to_string(), "1.4");
    assert_eq!(found.messages.first(), Some(&Message::human("Hi there my friend")));
    let note = block_on(history.note(&session("user-7"), "summary")).unwrap();
    assert_eq!(note, Some(Note::new("They met.", Version::new(1, 2))));
    append(&history, "user-7", &exchange(1)).unwrap();
}

#[test]
fn a_file_under_another_session_s_name_is_told() {
    let folder = Folder::new();
    folder.write("b", &joined(&LINES));
    let error = load(&folder.open(), "b").unwrap_err();
    let expected =
        "cannot use the history: line 1 is of another session; give the file its own name";
    assert_eq!(error.to_string(), expected);
    folder.write("b", b"garbage");
    let error = block_on(folder.open().sessions(None, 9)).unwrap_err().to_string();
    let start = "cannot use the history: line 1 is not the header of a conversation in `3e23e816";
    assert!(error.starts_with(start), "{error}");
}

#[test]
fn a_line_that_was_damaged_after_it_was_read_is_told() {
    let folder = Folder::new();
    folder.write("a", &joined(&LINES));
    let history = folder.open();
    assert_eq!(load(&history, "a").unwrap().messages.len(), 6);
    let mut lines = LINES.clone();
    lines[4][70] ^= 1;
    folder.write("a", &joined(&lines));
    let error = block_on(history.load(&session("a"), Range::LastTurns(1))).unwrap_err();
    let expected = "line 5 is damaged; `repair` keeps the turns that can be read";
    assert_eq!(error.to_string(), format!("cannot use the history: {expected}"));
    // A file that has become shorter is read again.
    folder.write("a", &joined(&LINES[..3]));
    assert_eq!(load(&history, "a").unwrap().messages.len(), 4);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// Flipped bytes never shorten or change a conversation without an error. A cut can shorten it.
    #[test]
    fn a_damaged_file_is_an_error_or_as_it_was(
        flips in prop::collection::vec((any::<prop::sample::Index>(), 1..=255_u8), 1..4),
        cut in prop::option::weighted(0.3, any::<prop::sample::Index>()),
    ) {
        let whole = joined(&LINES);
        let mut bytes = whole.clone();
        for (index, flip) in flips {
            let index = index.index(bytes.len());
            bytes[index] ^= flip;
        }
        if let Some(cut) = cut {
            bytes = whole[..cut.index(whole.len())].to_vec();
        }
        let folder = Folder::new();
        folder.write("a", &whole);
        let before = load(&folder.open(), "a").unwrap().messages;
        folder.write("a", &bytes);
        match load(&folder.open(), "a") {
            Ok(slice) if cut.is_some() => {
                prop_assert_eq!(&slice.messages, &before.slice(..slice.messages.len()));
                prop_assert_eq!(slice.messages.len() % 2, 0);
            }
            Ok(slice) => prop_assert_eq!(slice.messages, before),
            Err(HistoryError::Corrupt { .. }) => {}
            Err(error) => prop_assert!(false, "{}", error),
        }
    }
}

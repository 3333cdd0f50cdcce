//! The memory of an import: it does not grow with the file. The memory of a history in memory: a
//! branch takes as much after many branches as after a few, and so does the import of one.
//!
//! `CONVERSANT_TRANSFER_MB=100 cargo test -p conversant-transfer --test gates -- --nocapture` runs
//! it with a larger file.

#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs)]

use std::{
    env,
    io::{BufReader, Read},
    sync::Mutex,
};

use conversant_core::{
    ChatHistory, Expect, HistoryError, Point, Range, SessionId, Slice, Turn, Version, async_trait,
};
use conversant_memory::InMemoryHistory;
use conversant_testkit::block_on;
use conversant_transfer::Import;

/// The most that an import may hold at a time, for conversations of 2 kB.
const MOST_BYTES: u64 = 128 * 1024;

/// A history that counts the messages of the session that was written last.
#[derive(Default)]
struct Counting(Mutex<(Option<SessionId>, u64)>);

#[async_trait]
impl ChatHistory for Counting {
    async fn load(&self, session: &SessionId, _: Range) -> Result<Slice, HistoryError> {
        let last = self.0.lock().unwrap();
        let messages = if last.0.as_ref() == Some(session) { last.1 } else { 0 };
        Ok(Slice::new(Vec::new(), Version::new(0, messages)))
    }
    async fn append(
        &self,
        session: &SessionId,
        turn: &Turn,
        _: Expect,
    ) -> Result<Version, HistoryError> {
        let mut last = self.0.lock().unwrap();
        if last.0.as_ref() != Some(session) {
            *last = (Some(session.clone()), 0);
        }
        last.1 += turn.messages().len() as u64;
        Ok(Version::new(0, last.1))
    }
    async fn clear(&self, _: &SessionId) -> Result<(), HistoryError> {
        Ok(())
    }
}

/// Makes the text of an entry of a file.
type Entry = fn(u64) -> String;

/// A file of a given size that is made while it is read.
struct Generated {
    piece: Vec<u8>,
    read: usize,
    written: u64,
    bytes: u64,
    number: u64,
    entry: Entry,
}

impl Generated {
    fn new(bytes: u64, entry: Entry) -> Self {
        Self { piece: b"[".to_vec(), read: 0, written: 0, bytes, number: 0, entry }
    }
}

impl Read for Generated {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.read == self.piece.len() {
            if self.written >= self.bytes {
                return Ok(0);
            }
            let before = if self.number == 0 { "" } else { ",\n" };
            self.piece = format!("{before}{}", (self.entry)(self.number)).into_bytes();
            self.number += 1;
            self.written += self.piece.len() as u64;
            if self.written >= self.bytes {
                self.piece.push(b']');
            }
            self.read = 0;
        }
        let read = self.piece.get(self.read..).unwrap().read(buffer)?;
        self.read += read;
        Ok(read)
    }
}

fn chatgpt(number: u64) -> String {
    let words = "What is the sea? ".repeat(40);
    let node = |id: &str, parent: &str, role: &str| {
        format!(
            r#""{id}":{{"id":"{id}","parent":{parent},"children":[],"message":{{"author":{{"role":"{role}"}},"create_time":1736209412.5,"content":{{"content_type":"text","parts":["{words}"]}}}}}}"#
        )
    };
    let (one, two) = (node("a", "null", "user"), node("b", "\"a\"", "assistant"));
    format!(r#"{{"title":"t","id":"c{number}","current_node":"b","mapping":{{{one},{two}}}}}"#)
}

fn sharegpt(number: u64) -> String {
    let words = "What is the sea? ".repeat(60);
    format!(
        r#"{{"id":"c{number}","conversations":[{{"from":"human","value":"{words}"}},{{"from":"gpt","value":"{words}"}}]}}"#
    )
}

fn message(number: u64) -> String {
    let words = "What is the sea? ".repeat(60);
    let kind = if number.is_multiple_of(2) { "human" } else { "ai" };
    format!(r#"{{"type":"{kind}","data":{{"content":"{words}"}}}}"#)
}

#[test]
fn an_import_holds_one_conversation() {
    let megabytes = env::var("CONVERSANT_TRANSFER_MB").ok().and_then(|text| text.parse().ok());
    let bytes = megabytes.unwrap_or(4) * 1_000_000;
    let session = SessionId::new("file").unwrap();
    let formats = [
        ("chatgpt", Import::chatgpt(), chatgpt as Entry),
        ("sharegpt", Import::sharegpt(), sharegpt),
        ("langchain-file", Import::langchain_file(session), message),
    ];
    for (name, import, entry) in formats {
        let mut turns = 0;
        let held = allocation_counter::measure(|| {
            let file = BufReader::new(Generated::new(bytes, entry));
            let done = block_on(import.run(&Counting::default(), file, |_| {})).unwrap();
            assert!(done.bytes >= bytes, "{done:?}");
            assert_eq!(done.omissions, 0);
            turns = done.turns;
        });
        println!("{name}: {turns} turns of {bytes} bytes, at most {} bytes held", held.bytes_max);
        assert!(held.bytes_max < MOST_BYTES, "{name}: {} bytes", held.bytes_max);
    }
}

/// Appends two turns at each point of a path, reads each one, and returns the allocated bytes.
fn branches(points: usize) -> u64 {
    let history = InMemoryHistory::new();
    let session = SessionId::new("a").unwrap();
    let info = allocation_counter::measure(|| {
        let mut after = Point::Start;
        for _ in 0..points {
            for answer in ["one", "another"] {
                let turn = Turn::exchange("q", answer);
                let view = history.at(after).unwrap();
                block_on(view.append(&session, &turn, Expect::Any)).unwrap();
                let read = block_on(view.turns(&session, Range::LastTurns(1))).unwrap();
                assert_eq!(read, [turn]);
            }
            let tip = block_on(history.turns(&session, Range::LastTurns(1))).unwrap();
            after = tip.first().unwrap().id().into();
        }
    });
    info.bytes_total
}

#[test]
fn branches_take_as_much_after_many_others() {
    let [few, many] = [200, 2_000].map(branches);
    assert!(many < few * 12, "{few} {many}");
}

/// Imports a chain of messages that ends in some leaves, and returns the allocated bytes.
fn leaves(number: u64) -> u64 {
    const CHAIN: u64 = 4_000;
    let node = |id: u64, parent: Option<u64>| {
        let role = if id.is_multiple_of(2) { "user" } else { "assistant" };
        let parent = parent.map_or("null".to_owned(), |parent| format!(r#""{parent}""#));
        format!(
            r#""{id}":{{"parent":{parent},"message":{{"author":{{"role":"{role}"}},"content":{{"content_type":"text","parts":["{id}"]}}}}}}"#
        )
    };
    let chain = (0..CHAIN).map(|id| node(id, id.checked_sub(1)));
    let nodes = chain.chain((CHAIN..CHAIN + number).map(|id| node(id, Some(CHAIN - 1))));
    let nodes = nodes.collect::<Vec<_>>().join(",");
    let file = format!(r#"[{{"id":"c","current_node":"{CHAIN}","mapping":{{{nodes}}}}}]"#);
    let info = allocation_counter::measure(|| {
        let history = InMemoryHistory::new();
        let done = block_on(Import::chatgpt().run(&history, file.as_bytes(), |_| {})).unwrap();
        assert!(done.turns >= CHAIN / 2 + number / 2, "{done:?}");
        assert_eq!(done.omissions, 0);
    });
    info.bytes_total
}

#[test]
fn a_branch_is_read_from_the_turn_in_which_it_begins() {
    let [one, many] = [2, 200].map(leaves);
    assert!(many < one * 2, "{one} {many}");
}

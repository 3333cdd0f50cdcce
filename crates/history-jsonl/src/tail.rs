//! Loading the last messages of a long file without an index.
//!
//! Each line has its own checksum and number, and a turn's line the number of its first message.
//! The last lines therefore suffice for a range at the end. Where they do not, the file is indexed.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read, Seek, SeekFrom},
    time::Duration,
};

use conversant_core::{HistoryError, Message, Range, SessionId, Slice, Turn, Version};
use serde::Deserialize;

use crate::{
    conversation::{is_expired, slice_of},
    error::io_error,
    log_record::{self, Header},
    paths::SessionPaths,
};

/// The size from which on a file is read from its end. Indexing a smaller one is as fast.
const MIN_BYTES: u64 = 256 * 1024;

/// The bytes that are read first. If they are not enough, four times as many are read.
const FIRST_BYTES: u64 = 64 * 1024;

/// Loads a range from the end of a session's file, or returns `None` if it takes the whole file.
pub(crate) fn load(
    paths: &SessionPaths,
    session: &SessionId,
    range: Range,
    time_to_live: Option<Duration>,
) -> Result<Option<Slice>, HistoryError> {
    // The index reports what is wrong with a file.
    let Ok(mut file) = File::open(paths.file()) else { return Ok(None) };
    let metadata = file.metadata().map_err(io_error)?;
    if metadata.len() < MIN_BYTES || is_expired(metadata.modified().ok(), time_to_live) {
        return Ok(None);
    }
    let mut line = Vec::new();
    BufReader::with_capacity(1024, &file).read_until(b'\n', &mut line).map_err(io_error)?;
    let Ok(Header { session: Some(found), epoch, .. }) = Header::read(&line) else {
        return Ok(None);
    };
    let mut bytes = FIRST_BYTES;
    while found == *session && bytes < metadata.len() {
        let mut text = Vec::new();
        file.seek(SeekFrom::Start(metadata.len() - bytes)).map_err(io_error)?;
        (&file).take(bytes).read_to_end(&mut text).map_err(io_error)?;
        match Tail::read(&text, epoch, range) {
            Outcome::Found(slice) => return Ok(Some(slice)),
            Outcome::TooShort => bytes *= 4,
            Outcome::Unusable => return Ok(None),
        }
    }
    Ok(None)
}

/// The outcome of reading the last bytes of a file.
enum Outcome {
    Found(Slice),
    /// The range starts before the bytes.
    TooShort,
    /// The range takes the whole file, or the bytes are not lines that say where they belong.
    Unusable,
}

/// A line with all that is read of it.
#[derive(Deserialize)]
struct Line {
    line: u64,
    first: Option<u64>,
    turn: Option<Turn>,
}

/// The last turns of a session, newest first.
struct Tail {
    turns: Vec<Turn>,
    /// The session's version.
    version: Version,
    /// The number of the first message of the oldest turn.
    start: u64,
}

impl Tail {
    fn read(text: &[u8], epoch: u64, range: Range) -> Outcome {
        let Some(text) = text.strip_suffix(b"\n") else { return Outcome::Unusable };
        let mut lines = text.rsplit(|byte| *byte == b'\n').peekable();
        let mut tail: Option<Self> = None;
        let mut number = None;
        while let Some(line) = lines.next() {
            // The oldest line may not be whole.
            if lines.peek().is_none() {
                return Outcome::TooShort;
            }
            let line = log_record::trim(line);
            let parsed =
                if log_record::is_whole(line) { serde_json::from_slice(line).ok() } else { None };
            let Some(Line { line, first, turn }) = parsed else { return Outcome::Unusable };
            if number.is_some_and(|number| line + 1 != number) {
                return Outcome::Unusable;
            }
            number = Some(line);
            let Some(turn) = turn else { continue };
            let Some(first) = first else { return Outcome::Unusable };
            let end = first.saturating_add(turn.messages().len() as u64);
            let tail = tail.get_or_insert_with(|| Self {
                turns: Vec::new(),
                version: Version::new(epoch, end),
                start: end,
            });
            if tail.start != end {
                return Outcome::Unusable;
            }
            if tail.version.tip == 0 && first < end {
                tail.version.tip = turn.id().fingerprint();
            }
            tail.start = first;
            tail.turns.push(turn);
            match tail.start_of(range) {
                Some(Ok(start)) => return Outcome::Found(tail.slice(start)),
                Some(Err(Unusable)) => return Outcome::Unusable,
                None => {}
            }
        }
        Outcome::TooShort
    }

    /// Returns the number of the range's first message, or `None` if it is before these turns.
    fn start_of(&self, range: Range) -> Option<Result<u64, Unusable>> {
        let end = self.version.messages;
        if self.version.tip == 0 {
            return None;
        }
        match range {
            Range::LastMessages(count) => {
                let start = end.saturating_sub(count as u64);
                (self.start <= start).then_some(Ok(start))
            }
            Range::LastTurns(0) => Some(Ok(end)),
            Range::LastTurns(count) => {
                let turns = self.turns.iter().filter(|turn| !turn.messages().is_empty());
                (turns.count() == count).then_some(Ok(self.start))
            }
            Range::LastBytes(bytes) => {
                let mut left = bytes;
                let fits = |message: &&Message| {
                    let rest = left.checked_sub(message.stored_json_len());
                    rest.inspect(|&rest| left = rest).is_some()
                };
                let fitting = self.newest_first().take_while(fits).count() as u64;
                (fitting < end - self.start).then_some(Ok(end - fitting))
            }
            Range::After(seen) if seen.epoch != self.version.epoch || seen.messages > end => {
                Some(Err(Unusable))
            }
            Range::After(seen) => self.start_after(seen),
            _ => Some(Err(Unusable)),
        }
    }

    fn start_after(&self, seen: Version) -> Option<Result<u64, Unusable>> {
        if seen.tip == 0 {
            return (self.start <= seen.messages).then_some(Ok(seen.messages));
        }
        let oldest = self.turns.last().filter(|turn| !turn.messages().is_empty())?;
        match (self.start + oldest.messages().len() as u64).cmp(&seen.messages) {
            std::cmp::Ordering::Greater => None,
            std::cmp::Ordering::Equal if oldest.id().fingerprint() == seen.tip => {
                Some(Ok(seen.messages))
            }
            // Another conversation: all of it is wanted.
            _ => Some(Err(Unusable)),
        }
    }

    fn newest_first(&self) -> impl Iterator<Item = &Message> {
        self.turns.iter().flat_map(|turn| turn.messages().iter().rev())
    }

    fn slice(&self, start: u64) -> Slice {
        slice_of(self.turns.iter().rev(), start, self.version)
    }
}

/// The range takes the whole file.
struct Unusable;

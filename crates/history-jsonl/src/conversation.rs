//! The conversation in a session's file. The caller holds the session's lock.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    time::{Duration, SystemTime},
};

use conversant_core::{
    Expect, HistoryError, Messages, Note, Range, SessionId, Slice, Turn, TurnId, Version,
};
use serde::de::DeserializeOwned;

use crate::{
    error::{corrupt_line, io_error, unexpected_line},
    index::{Index, Span, TurnEntry},
    log_record::{self, FORMAT, Header, Record, WholeNote, WholeTurn},
    paths::SessionPaths,
};

/// The most bytes of lines that are read at once, unless one line has more.
const MAX_READ: u64 = 256 * 1024;

/// A session and its file.
pub(crate) struct Conversation<'c> {
    pub(crate) paths: &'c SessionPaths,
    pub(crate) session: &'c SessionId,
    /// `None` if the session was never written.
    pub(crate) index: Option<Index>,
}

impl Conversation<'_> {
    /// Brings the index up to date with the file.
    pub(crate) fn refresh(&mut self) -> Result<(), HistoryError> {
        self.index = Index::read(&self.paths.file(), self.session, self.index.take())?;
        Ok(())
    }

    /// Treats an expired session as deleted.
    pub(crate) fn expire(&mut self, time_to_live: Option<Duration>) {
        self.index = self.index.take().map(|index| {
            if index.header.session.is_some() && is_expired(index.written, time_to_live) {
                index.deleted()
            } else {
                index
            }
        });
    }

    pub(crate) fn version(&self) -> Version {
        self.index.as_ref().map_or_else(Version::default, Index::version)
    }

    pub(crate) fn load(&self, range: Range) -> Result<Slice, HistoryError> {
        let start = self.start(range)?;
        let turns = self.read_turns(self.turns_from(start))?;
        Ok(slice_of(turns.iter(), start, self.version()))
    }

    pub(crate) fn turns(&self, range: Range) -> Result<Vec<Turn>, HistoryError> {
        self.read_turns(self.turns_from(self.start(range)?))
    }

    /// Returns the session's first messages, at most `count`.
    pub(crate) fn first(&self, count: usize) -> Result<Messages, HistoryError> {
        let wanted = u64::try_from(count).unwrap_or(u64::MAX);
        let entries = self.entries();
        let turns = entries.partition_point(|turn| turn.first < wanted);
        let turns = self.read_turns(entries.get(..turns).unwrap_or_default())?;
        let messages = turns.iter().flat_map(|turn| turn.messages().iter_shared().cloned());
        Ok(messages.take(count).collect())
    }

    /// Returns the number of a range's first message.
    fn start(&self, range: Range) -> Result<u64, HistoryError> {
        let version = self.version();
        match range {
            Range::After(seen) if self.follows(seen) => Ok(seen.messages.min(version.messages)),
            Range::All | Range::After(_) => Ok(0),
            Range::LastMessages(count) => Ok(version.messages.saturating_sub(count as u64)),
            Range::LastTurns(0) => Ok(version.messages),
            Range::LastTurns(count) => {
                let turns = self.entries().iter().rev().filter(|turn| turn.count > 0);
                Ok(turns.take(count).last().map_or(version.messages, |turn| turn.first))
            }
            Range::LastBytes(bytes) => self.start_of_last_bytes(bytes),
            _ => Err(HistoryError::Unsupported { what: "this range" }),
        }
    }

    fn start_of_last_bytes(&self, mut left: u64) -> Result<u64, HistoryError> {
        let mut start = self.version().messages;
        for entry in self.entries().iter().rev() {
            for turn in self.read_turns(std::slice::from_ref(entry))? {
                for message in turn.messages().iter().rev() {
                    match left.checked_sub(message.stored_json_len()) {
                        Some(rest) => left = rest,
                        None => return Ok(start),
                    }
                    start -= 1;
                }
            }
        }
        Ok(start)
    }

    fn follows(&self, version: Version) -> bool {
        match &self.index {
            Some(index) => index.follows(version),
            None => version.epoch == 0 && version.tip == 0,
        }
    }

    fn check(&self, expect: Expect) -> Result<(), HistoryError> {
        let current = self.version();
        expect.check(current)?;
        match expect.version() {
            Some(expected) if !self.follows(expected) => {
                Err(HistoryError::Stale { expected, current })
            }
            _ => Ok(()),
        }
    }

    fn entries(&self) -> &[TurnEntry] {
        self.index.as_ref().map_or(&[], |index| &index.turns)
    }

    /// Returns the turns that end after message `start`, or all turns if it is the first.
    fn turns_from(&self, start: u64) -> &[TurnEntry] {
        let entries = self.entries();
        let first =
            if start == 0 { 0 } else { entries.partition_point(|turn| turn.end() <= start) };
        entries.get(first..).unwrap_or_default()
    }

    fn read_turns(&self, entries: &[TurnEntry]) -> Result<Vec<Turn>, HistoryError> {
        let mut lines = Lines::open(self.paths)?;
        let mut turns = Vec::with_capacity(entries.len());
        let mut rest = entries;
        while let Some(first) = rest.first() {
            // Lines that are near each other are read at once.
            let end = |turn: &TurnEntry| turn.span.offset + turn.span.bytes as u64;
            let is_near = |turn: &TurnEntry| end(turn) - first.span.offset <= MAX_READ;
            let near = rest.iter().take_while(|turn| is_near(turn)).count().max(1);
            let (block, after) = rest.split_at(near);
            lines.read_block(block.iter().map(|turn| turn.span), |turn: WholeTurn| {
                turns.push(turn.turn);
            })?;
            rest = after;
        }
        Ok(turns)
    }

    pub(crate) fn append(&mut self, turn: &Turn, expect: Expect) -> Result<Version, HistoryError> {
        if let Some(version) = self.index.as_ref().and_then(|index| index.version_after(turn.id()))
        {
            return Ok(version);
        }
        self.check(expect)?;
        self.write(&Record::turn(turn, self.version().messages))?;
        Ok(self.version())
    }

    pub(crate) fn put_note(&mut self, name: &str, note: &Note) -> Result<(), HistoryError> {
        self.check(Expect::SameEpoch(note.covers))?;
        self.write(&Record::note(name, note))
    }

    pub(crate) fn note(&self, name: &str) -> Result<Option<Note>, HistoryError> {
        let span = self.index.as_ref().and_then(|index| index.notes.get(name).copied());
        let Some(span) = span else { return Ok(None) };
        Ok(Some(Lines::open(self.paths)?.read::<WholeNote>(span)?.note.into_note()))
    }

    /// Removes the turns and notes and starts a new epoch. Unless `keep_name`, the session's id is
    /// removed too.
    pub(crate) fn clear(&mut self, keep_name: bool) -> Result<(), HistoryError> {
        let was_there = self.index.as_ref().is_some_and(|index| index.header.session.is_some());
        let session = (keep_name && was_there).then(|| self.session.clone());
        let header = header(session, self.version().epoch.saturating_add(1));
        self.paths.replace(&log_record::encode_header(&header)?)?;
        self.refresh()
    }

    /// Writes the next line, durably or not at all.
    fn write(&mut self, record: &Record<'_>) -> Result<(), HistoryError> {
        match &mut self.index {
            Some(index) if index.header.session.is_some() => {
                let line = log_record::encode(index.lines, record)?;
                let mut bytes = Vec::with_capacity(line.len() + 1);
                if index.is_open {
                    bytes.push(b'\n');
                }
                bytes.extend_from_slice(&line);
                let is_whole = index.torn == 0 && !index.is_open;
                let written = extend(self.paths, index, &bytes)?;
                if is_whole {
                    return index.extend(&line, written);
                }
            }
            _ => {
                let header = header(Some(self.session.clone()), self.version().epoch);
                let mut bytes = log_record::encode_header(&header)?;
                bytes.extend_from_slice(&log_record::encode(1, record)?);
                self.paths.replace(&bytes)?;
            }
        }
        self.refresh()
    }
}

/// Returns the messages of a session's last turns from the message `start` on.
pub(crate) fn slice_of<'t>(
    turns: impl Iterator<Item = &'t Turn> + Clone,
    start: u64,
    version: Version,
) -> Slice {
    let count: usize = turns.clone().map(|turn| turn.messages().len()).sum();
    let wanted = usize::try_from(version.messages.saturating_sub(start)).unwrap_or(usize::MAX);
    // A range can begin within a turn.
    let before = count.saturating_sub(wanted);
    let (mut end, mut starts) = (0, Vec::new());
    for turn in turns.clone() {
        if !turn.messages().is_empty() && end >= before {
            starts.push(end - before);
        }
        end += turn.messages().len();
    }
    let messages = turns.flat_map(|turn| turn.messages().iter_shared().cloned()).skip(before);
    Slice::new(messages.collect::<Messages>(), version).with_turns(starts)
}

/// Returns whether the time to live of a file is over that was last written at `written`.
pub(crate) fn is_expired(written: Option<SystemTime>, time_to_live: Option<Duration>) -> bool {
    let age = written.and_then(|written| SystemTime::now().duration_since(written).ok());
    Option::zip(age, time_to_live).is_some_and(|(age, time)| age > time)
}

fn header(session: Option<SessionId>, epoch: u64) -> Header {
    Header { conversant: FORMAT, session, epoch, file: TurnId::random() }
}

/// Writes at the end of the file, over an unfinished line. If that fails, the end is restored.
/// Returns the time of the write.
fn extend(
    paths: &SessionPaths,
    index: &Index,
    bytes: &[u8],
) -> Result<Option<SystemTime>, HistoryError> {
    let mut file = OpenOptions::new().write(true).open(paths.file()).map_err(io_error)?;
    let mut write = || {
        if index.torn > 0 {
            file.set_len(index.end)?;
        }
        file.seek(SeekFrom::Start(index.end))?;
        file.write_all(bytes)?;
        file.sync_data()?;
        Ok(file.metadata().and_then(|metadata| metadata.modified()).ok())
    };
    write().map_err(|error: io::Error| {
        let _ = file.set_len(index.end).and_then(|()| file.sync_data());
        io_error(error)
    })
}

/// Replaces the file by one with these turns.
pub(crate) fn rewrite(
    paths: &SessionPaths,
    session: &SessionId,
    epoch: u64,
    turns: &[Turn],
) -> Result<(), HistoryError> {
    let mut bytes = log_record::encode_header(&header(Some(session.clone()), epoch))?;
    let mut first = 0;
    for (turn, line) in turns.iter().zip(1..) {
        bytes.extend_from_slice(&log_record::encode(line, &Record::turn(turn, first))?);
        first += turn.messages().len() as u64;
    }
    paths.replace(&bytes)
}

/// A file whose lines are read one at a time.
struct Lines(Option<File>);

impl Lines {
    fn open(paths: &SessionPaths) -> Result<Self, HistoryError> {
        match File::open(paths.file()) {
            Ok(file) => Ok(Self(Some(file))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self(None)),
            Err(error) => Err(io_error(error)),
        }
    }

    fn read<T: DeserializeOwned>(&mut self, span: Span) -> Result<T, HistoryError> {
        let mut found = None;
        self.read_block([span].into_iter(), |line| found = Some(line))?;
        found.ok_or_else(|| corrupt_line(span.line, "is missing"))
    }

    /// Reads lines, in the order of the file, by one read of all that is between them.
    fn read_block<T: DeserializeOwned>(
        &mut self,
        spans: impl Iterator<Item = Span> + Clone,
        mut add: impl FnMut(T),
    ) -> Result<(), HistoryError> {
        let (Some(first), Some(last)) = (spans.clone().next(), spans.clone().last()) else {
            return Ok(());
        };
        let gone = |span: Span| corrupt_line(span.line, "is missing");
        let file = self.0.as_mut().ok_or_else(|| gone(first))?;
        let end = last.offset + last.bytes as u64;
        let length = usize::try_from(end - first.offset).map_err(|_| gone(last))?;
        let mut block = Vec::with_capacity(length);
        file.seek(SeekFrom::Start(first.offset)).map_err(io_error)?;
        file.take(length as u64).read_to_end(&mut block).map_err(io_error)?;
        for span in spans {
            let start = usize::try_from(span.offset - first.offset).unwrap_or(usize::MAX);
            let line = block.get(start..start.saturating_add(span.bytes));
            let line = line.ok_or_else(|| gone(span))?;
            if !log_record::is_whole(line) {
                return Err(corrupt_line(span.line, "is damaged"));
            }
            add(serde_json::from_slice(line).map_err(|error| unexpected_line(span.line, &error))?);
        }
        Ok(())
    }
}

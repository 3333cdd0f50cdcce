//! The index of a session's file.

use std::{
    collections::HashMap,
    fs::File,
    io::{BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom},
    path::Path,
    time::SystemTime,
};

use conversant_core::{HistoryError, SessionId, TurnId, Version};

use crate::{
    error::{corrupt_line, io_error, unexpected_line},
    log_record::{self, Header, Outline},
};

/// The place of a line in the file, without its line break.
#[derive(Clone, Copy)]
pub(crate) struct Span {
    pub(crate) offset: u64,
    pub(crate) bytes: usize,
    pub(crate) line: u64,
}

/// A turn in the file.
#[derive(Clone, Copy)]
pub(crate) struct TurnEntry {
    pub(crate) span: Span,
    /// The number of its first message, and the number of its messages.
    pub(crate) first: u64,
    pub(crate) count: u64,
    fingerprint: u64,
}

impl TurnEntry {
    /// Returns the number of messages that the session had after this turn.
    pub(crate) const fn end(&self) -> u64 {
        self.first + self.count
    }

    /// Returns the tip of the session's version after this turn, or 0 if the turn has no messages.
    pub(crate) const fn tip(&self) -> u64 {
        if self.count == 0 { 0 } else { self.fingerprint }
    }
}

/// The number of last bytes that are compared. They contain the checksum of a line.
const LAST_BYTES: usize = 64;

/// The contents of a file, as far as it was read.
pub(crate) struct Index {
    pub(crate) header: Header,
    /// The first line, which differs from that of the file that this one replaced.
    start: Vec<u8>,
    /// The last bytes that were read, with the checksum of the last line. An older copy of the file
    /// that was written again differs in them.
    last: Vec<u8>,
    /// The offset and the number of the next line.
    pub(crate) end: u64,
    pub(crate) lines: u64,
    /// Whether the last line lacks its line break.
    pub(crate) is_open: bool,
    /// The bytes of an unfinished line after the last one.
    pub(crate) torn: u64,
    /// The time of the last write, if the system knows it.
    pub(crate) written: Option<SystemTime>,
    version: Version,
    pub(crate) turns: Vec<TurnEntry>,
    /// The indices of the turns.
    by_id: HashMap<TurnId, usize>,
    pub(crate) notes: HashMap<String, Span>,
}

impl Index {
    /// Reads what was added to a file since `before`, or all of it. Returns `None` if there is no
    /// file.
    pub(crate) fn read(
        path: &Path,
        session: &SessionId,
        before: Option<Self>,
    ) -> Result<Option<Self>, HistoryError> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io_error(error)),
        };
        let metadata = file.metadata().map_err(io_error)?;
        let length = metadata.len();
        let mut index = match before {
            Some(before) if before.continues(&file, length)? => before,
            _ => {
                (&file).rewind().map_err(io_error)?;
                Self::begin(&mut BufReader::with_capacity(LAST_BYTES * 16, &file))?
            }
        };
        if index.header.session.as_ref().is_some_and(|found| found != session) {
            return Err(corrupt_line(1, "is of another session"));
        }
        index.torn = 0;
        if length > index.end {
            (&file).seek(SeekFrom::Start(index.end)).map_err(io_error)?;
            index.scan(&mut BufReader::with_capacity(64 * 1024, file))?;
        }
        index.written = metadata.modified().ok();
        Ok(Some(index))
    }

    /// Adds a line that was written at the end of the file, at a time.
    ///
    /// The file must end with a whole line and its line break.
    pub(crate) fn extend(
        &mut self,
        line: &[u8],
        written: Option<SystemTime>,
    ) -> Result<(), HistoryError> {
        self.add(log_record::trim(line))?;
        self.advance(line);
        self.written = written;
        Ok(())
    }

    /// Moves the end of what was read after a line, with its line break.
    fn advance(&mut self, line: &[u8]) {
        self.last = line.get(line.len().saturating_sub(LAST_BYTES)..).unwrap_or(line).to_vec();
        self.end += line.len() as u64;
        self.is_open = !line.ends_with(b"\n");
    }

    pub(crate) const fn version(&self) -> Version {
        self.version
    }

    /// Returns the version after a turn, if the turn is stored.
    pub(crate) fn version_after(&self, turn: TurnId) -> Option<Version> {
        let entry = self.turns.get(*self.by_id.get(&turn)?)?;
        Some(Version::new(self.version.epoch, entry.end()).with_tip(entry.tip()))
    }

    /// Returns whether the conversation continues from a version: it has the same epoch and, if the
    /// version's tip is known, the same turn there.
    pub(crate) fn follows(&self, version: Version) -> bool {
        if version.epoch != self.version.epoch || version.tip == 0 {
            return version.epoch == self.version.epoch;
        }
        let turns = self.turns.partition_point(|turn| turn.end() <= version.messages);
        // Turns without messages can follow the one that ends there.
        let last = self.turns.iter().take(turns).rev().find(|turn| turn.count > 0);
        last.is_some_and(|last| last.end() == version.messages && last.fingerprint == version.tip)
    }

    /// Returns whether the file is the one that was read, and has only become longer.
    fn continues(&self, mut file: &File, length: u64) -> Result<bool, HistoryError> {
        if length < self.end || self.is_open || self.start.is_empty() {
            return Ok(false);
        }
        let mut read = |offset: u64, expected: &[u8]| {
            let mut found = vec![0; expected.len()];
            file.seek(SeekFrom::Start(offset))?;
            file.read_exact(&mut found)?;
            Ok(found == expected)
        };
        let last = self.end - self.last.len() as u64;
        Ok(read(0, &self.start).map_err(io_error)? && read(last, &self.last).map_err(io_error)?)
    }

    fn begin(reader: &mut impl BufRead) -> Result<Self, HistoryError> {
        let mut start = Vec::new();
        reader.read_until(b'\n', &mut start).map_err(io_error)?;
        let header = Header::read(&start)?;
        Ok(Self {
            end: start.len() as u64,
            is_open: !start.ends_with(b"\n"),
            start,
            ..Self::empty(header)
        })
    }

    fn empty(header: Header) -> Self {
        Self {
            version: Version::new(header.epoch, 0),
            header,
            start: Vec::new(),
            last: Vec::new(),
            end: 0,
            lines: 1,
            is_open: false,
            torn: 0,
            written: None,
            turns: Vec::new(),
            by_id: HashMap::new(),
            notes: HashMap::new(),
        }
    }

    /// Returns the index that the session would have if it had been deleted.
    pub(crate) fn deleted(mut self) -> Self {
        self.header.session = None;
        self.header.epoch = self.header.epoch.saturating_add(1);
        Self::empty(self.header)
    }

    fn scan(&mut self, reader: &mut impl BufRead) -> Result<(), HistoryError> {
        let mut line = Vec::new();
        loop {
            line.clear();
            let bytes = reader.read_until(b'\n', &mut line).map_err(io_error)? as u64;
            if bytes == 0 {
                return Ok(());
            }
            let text = log_record::trim(&line);
            let is_open = !line.ends_with(b"\n");
            if !log_record::is_whole(text) {
                if !(is_open && log_record::is_torn(&line, self.end, self.lines)) {
                    return Err(corrupt_line(self.lines + 1, "is damaged"));
                }
                self.torn = bytes;
                return Ok(());
            }
            self.add(text)?;
            self.advance(&line);
        }
    }

    /// Adds the next line.
    pub(crate) fn add(&mut self, text: &[u8]) -> Result<(), HistoryError> {
        let line = self.lines + 1;
        let outline: Outline =
            serde_json::from_slice(text).map_err(|error| unexpected_line(line, &error))?;
        if outline.line != self.lines {
            return Err(corrupt_line(line, "is out of order"));
        }
        let span = Span { offset: self.end, bytes: text.len(), line };
        if let Some(turn) = outline.turn {
            let first = self.version.messages;
            let (count, fingerprint) = (turn.messages.len() as u64, turn.id.fingerprint());
            let entry = TurnEntry { span, first, count, fingerprint };
            if self.by_id.insert(turn.id, self.turns.len()).is_some() {
                return Err(corrupt_line(line, "repeats a turn"));
            }
            self.turns.push(entry);
            if count > 0 {
                self.version = Version { messages: entry.end(), tip: entry.tip(), ..self.version };
            }
        } else if let Some(note) = outline.note {
            self.notes.insert(note.name, span);
        } else {
            return Err(corrupt_line(line, "is neither a turn nor a note"));
        }
        self.lines += 1;
        Ok(())
    }
}

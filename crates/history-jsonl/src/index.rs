//! What is where in a session's file.

use std::{
    collections::HashMap,
    fs::File,
    io::{BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom},
    path::Path,
    time::SystemTime,
};

use conversant_core::{HistoryError, SessionId, TurnId, Version};

use crate::{
    failure::{failure, wrong_line},
    record::{self, Header, Outline},
};

/// Where a line is in the file, without its end.
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
    /// The number of its first message, and how many there are.
    pub(crate) first: u64,
    pub(crate) count: u64,
}

impl TurnEntry {
    /// Returns how many messages the session had after this turn.
    pub(crate) const fn end(&self) -> u64 {
        self.first + self.count
    }
}

/// What is where in a file, as far as it was read.
pub(crate) struct Index {
    pub(crate) header: Header,
    /// The first line, by which a file is told from the one that was in its place before.
    start: Vec<u8>,
    /// Where the next line goes, and its number.
    pub(crate) end: u64,
    pub(crate) lines: u64,
    /// Whether the last line lacks its end.
    pub(crate) is_open: bool,
    /// How many bytes there are behind it of a line that was never finished.
    pub(crate) torn: u64,
    /// When the file was written last, where the system tells.
    pub(crate) written: Option<SystemTime>,
    pub(crate) messages: u64,
    pub(crate) turns: Vec<TurnEntry>,
    pub(crate) by_id: HashMap<TurnId, u64>,
    pub(crate) notes: HashMap<String, Span>,
}

impl Index {
    /// Reads what has come to a file since it was read before, or all of it. None if there is no file.
    pub(crate) fn read(
        path: &Path,
        session: &SessionId,
        before: Option<Self>,
    ) -> Result<Option<Self>, HistoryError> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failure(error)),
        };
        let metadata = file.metadata().map_err(failure)?;
        let length = metadata.len();
        let mut reader = BufReader::with_capacity(64 * 1024, file);
        let mut index = match before {
            Some(before) if before.continues(&mut reader, length)? => before,
            _ => {
                reader.rewind().map_err(failure)?;
                Self::begin(&mut reader)?
            }
        };
        if index.header.session.as_ref().is_some_and(|found| found != session) {
            return Err(wrong_line(1, "is of another session"));
        }
        reader.seek(SeekFrom::Start(index.end)).map_err(failure)?;
        index.scan(&mut reader)?;
        index.written = metadata.modified().ok();
        Ok(Some(index))
    }

    pub(crate) const fn version(&self) -> Version {
        Version::new(self.header.epoch, self.messages)
    }

    /// Tells whether the file is the one that was read, and has not become shorter.
    fn continues(&self, reader: &mut BufReader<File>, length: u64) -> Result<bool, HistoryError> {
        if length < self.end || self.is_open || self.start.is_empty() {
            return Ok(false);
        }
        let mut start = vec![0; self.start.len()];
        reader.read_exact(&mut start).map_err(failure)?;
        Ok(start == self.start)
    }

    fn begin(reader: &mut BufReader<File>) -> Result<Self, HistoryError> {
        let mut start = Vec::new();
        reader.read_until(b'\n', &mut start).map_err(failure)?;
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
            header,
            start: Vec::new(),
            end: 0,
            lines: 1,
            is_open: false,
            torn: 0,
            written: None,
            messages: 0,
            turns: Vec::new(),
            by_id: HashMap::new(),
            notes: HashMap::new(),
        }
    }

    /// Returns what the index would be if the session had been deleted.
    pub(crate) fn deleted(mut self) -> Self {
        self.header.session = None;
        self.header.epoch = self.header.epoch.saturating_add(1);
        Self::empty(self.header)
    }

    fn scan(&mut self, reader: &mut BufReader<File>) -> Result<(), HistoryError> {
        let mut line = Vec::new();
        self.torn = 0;
        loop {
            line.clear();
            let bytes = reader.read_until(b'\n', &mut line).map_err(failure)? as u64;
            if bytes == 0 {
                return Ok(());
            }
            let text = record::trim(&line);
            let is_open = !line.ends_with(b"\n");
            if !record::is_whole(text) {
                if !(is_open && record::is_torn(&line, self.end, self.lines)) {
                    return Err(wrong_line(self.lines + 1, "is damaged"));
                }
                self.torn = bytes;
                return Ok(());
            }
            self.add(text)?;
            self.end += bytes;
            self.is_open = is_open;
        }
    }

    /// Adds the next line.
    pub(crate) fn add(&mut self, text: &[u8]) -> Result<(), HistoryError> {
        let line = self.lines + 1;
        let outline: Outline =
            serde_json::from_slice(text).map_err(|_| wrong_line(line, "can't be read"))?;
        if outline.line != self.lines {
            return Err(wrong_line(line, "is not the one that belongs here"));
        }
        let span = Span { offset: self.end, bytes: text.len(), line };
        if let Some(turn) = outline.turn {
            let entry = TurnEntry { span, first: self.messages, count: turn.messages.len() as u64 };
            self.messages = entry.end();
            self.turns.push(entry);
            if self.by_id.insert(turn.id, entry.end()).is_some() {
                return Err(wrong_line(line, "has a turn that is there already"));
            }
        } else if let Some(note) = outline.note {
            self.notes.insert(note.name, span);
        } else {
            return Err(wrong_line(line, "is neither a turn nor a note"));
        }
        self.lines += 1;
        Ok(())
    }
}

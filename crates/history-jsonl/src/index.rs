//! The index of a session's file.

use std::{
    collections::{HashMap, HashSet},
    fs::File,
    io::BufRead,
    path::Path,
    time::SystemTime,
};

use conversant_core::{HistoryError, Point, SessionId, TurnId, Version};

use crate::{
    error::{corrupt, corrupt_line, io_error, unexpected_line},
    file_io,
    header::Header,
    log_record::{self, BranchPoint, Content, Line, Record, TurnOutline},
    open_file::{FileState, OpenFile},
    paths::{SessionPaths, shared},
    shared_file::{self, SharedFile},
    turn_tree::{Place, Span, TurnTree},
};

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
    /// The time of the last write before the file was read, if the system knows it.
    pub(crate) written: Option<SystemTime>,
    pub(crate) turns: TurnTree,
    /// The last turn of the conversation.
    pub(crate) tip: Option<Place>,
    pub(crate) notes: HashMap<String, NoteEntry>,
    /// The files whose turns the session shares.
    pub(crate) shared: Vec<SharedFile>,
    /// The file's index in the spans of its lines.
    file: usize,
}

/// A note in the file.
#[derive(Clone, Copy)]
pub(crate) struct NoteEntry {
    pub(crate) span: Span,
    /// The last turn that it covers, if any.
    pub(crate) covers: Option<Place>,
}

impl Index {
    /// Reads what was added to a file since `before`, or all of it.
    pub(crate) fn read(
        file: &OpenFile,
        paths: &SessionPaths,
        session: &SessionId,
        before: Option<Self>,
    ) -> Result<Self, HistoryError> {
        let OpenFile { file, state: FileState { length, written }, .. } = file;
        let (length, written) = (*length, *written);
        let mut index = match before {
            Some(before) if before.continues(file, length)? => before,
            _ => {
                let mut index = Self::begin(file)?;
                index.read_shared(paths.folder())?;
                index
            }
        };
        if index.header.session.as_ref().is_some_and(|found| found != session) {
            return Err(corrupt("line 1 is of another session; give the file its own name"));
        }
        index.torn = 0;
        if length > index.end {
            index.read_rest(file)?;
        }
        index.written = written;
        Ok(index)
    }

    /// Reads the first line of a file.
    pub(crate) fn begin(file: &File) -> Result<Self, HistoryError> {
        let start = file_io::first_line(file).map_err(io_error)?;
        let header = Header::read(&start)?;
        Ok(Self {
            end: start.len() as u64,
            is_open: !start.ends_with(b"\n"),
            start,
            ..Self::empty(header)
        })
    }

    pub(crate) fn empty(header: Header) -> Self {
        Self {
            header,
            start: Vec::new(),
            last: Vec::new(),
            end: 0,
            lines: 1,
            is_open: false,
            torn: 0,
            written: None,
            turns: TurnTree::default(),
            tip: None,
            notes: HashMap::new(),
            shared: Vec::new(),
            file: 0,
        }
    }

    /// Reads the turns that a fork shares, which come before its own. Does nothing if the session
    /// is not a fork.
    pub(crate) fn read_shared(&mut self, folder: &Path) -> Result<(), HistoryError> {
        let (mut bases, mut known) = (Vec::new(), HashSet::new());
        let mut next = self.header.base;
        while let Some(base) = next {
            if !known.insert(base.file) {
                return Err(corrupt("a fork shares its own turns; `repair` keeps the others"));
            }
            // Each file is opened twice, so that a long chain of forks needs one open file.
            next = Self::begin(&shared_file::open(&shared(folder, base.file))?)?.header.base;
            bases.push(base);
        }
        let mut before = None;
        for base in bases.into_iter().rev() {
            let path = shared(folder, base.file);
            let file = shared_file::open(&path)?;
            let mut of_file = Self::begin(&file)?;
            if of_file.header.base != before {
                // It was rewritten meanwhile.
                return Err(shared_file::missing());
            }
            before = Some(base);
            of_file.file = self.shared.len() + 1;
            (of_file.turns, of_file.tip) = (std::mem::take(&mut self.turns), self.tip);
            of_file.scan(&file, Some(base.after))?;
            let last = of_file.turns.find(base.after).ok_or_else(shared_file::missing)?;
            of_file.turns.keep_path(last);
            self.turns = of_file.turns;
            self.tip = self.turns.find(base.after);
            self.shared.push(SharedFile { base, path, start: of_file.start });
        }
        Ok(())
    }

    /// Reads the lines that have not been read.
    pub(crate) fn read_rest(&mut self, file: &File) -> Result<(), HistoryError> {
        self.scan(file, None)
    }

    /// Reads the lines that have not been read up to a turn, if the file has it.
    pub(crate) fn read_to(&mut self, file: &File, turn: TurnId) -> Result<(), HistoryError> {
        self.scan(file, Some(turn))
    }

    /// Returns the first line of the file.
    pub(crate) fn start(&self) -> &[u8] {
        &self.start
    }

    /// Returns the index that the session would have if it had been deleted.
    pub(crate) fn deleted(mut self) -> Self {
        self.header.session = None;
        self.header.epoch = self.header.epoch.saturating_add(1);
        Self::empty(self.header)
    }

    /// Returns whether the file is the one that was read, and has only become longer.
    fn continues(&self, file: &File, length: u64) -> Result<bool, HistoryError> {
        if length < self.end || self.is_open || self.start.is_empty() {
            return Ok(false);
        }
        let has = |offset: u64, expected: &[u8]| {
            file_io::has_at(file, offset, expected).map_err(io_error)
        };
        let last = self.end - self.last.len() as u64;
        Ok(has(0, &self.start)?
            && has(last, &self.last)?
            && self.shared.iter().all(SharedFile::is_current))
    }

    /// Reads the lines from the end of what was read on, up to a turn if one is given.
    fn scan(&mut self, file: &File, until: Option<TurnId>) -> Result<(), HistoryError> {
        let mut reader =
            file_io::reader_at(file, self.end, file_io::BUFFER_BYTES).map_err(io_error)?;
        let mut line = Vec::new();
        while until.is_none_or(|turn| self.turns.find(turn).is_none()) {
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
        Ok(())
    }

    /// Adds a line that was written at the end of the file, which ended with a line break.
    pub(crate) fn extend(&mut self, record: &Record<'_>, line: &[u8]) -> Result<(), HistoryError> {
        self.add_content(record.content(), log_record::trim(line).len())?;
        self.advance(line);
        Ok(())
    }

    /// Moves the end of what was read after a line, with its line break.
    fn advance(&mut self, line: &[u8]) {
        self.last = file_io::last_bytes(line);
        self.end += line.len() as u64;
        self.is_open = !line.ends_with(b"\n");
    }

    /// Adds the next line.
    fn add(&mut self, text: &[u8]) -> Result<(), HistoryError> {
        let number = self.lines + 1;
        let line: Line<TurnOutline> =
            serde_json::from_slice(text).map_err(|error| unexpected_line(number, &error))?;
        if line.line != self.lines {
            return Err(corrupt_line(number, "is out of order"));
        }
        self.add_content(line.content(), text.len())
    }

    /// Adds the content of the next line, which has `bytes` bytes without its line break.
    fn add_content(
        &mut self,
        content: Option<Content<TurnOutline>>,
        bytes: usize,
    ) -> Result<(), HistoryError> {
        let number = self.lines + 1;
        let span = Span { file: self.file, offset: self.end, bytes, line: number };
        match content {
            Some(Content::Turn(turn, _)) => self.tip = Some(self.add_turn(self.tip, &turn, span)?),
            Some(Content::Branch { turn, point, is_tip }) => {
                let before = self.branch_place(point, number)?;
                let place = self.add_turn(before, &turn, span)?;
                if is_tip {
                    self.tip = Some(place);
                }
            }
            Some(Content::Tip(point)) => self.tip = self.branch_place(point, number)?,
            Some(Content::Note(note)) => {
                let covers = self.covered(note.covers());
                self.notes.insert(note.name, NoteEntry { span, covers });
            }
            Some(Content::Title(_) | Content::Label(_)) => {}
            None => return Err(corrupt_line(number, "is neither a turn nor a note")),
        }
        self.lines += 1;
        Ok(())
    }

    fn add_turn(
        &mut self,
        before: Option<Place>,
        turn: &TurnOutline,
        span: Span,
    ) -> Result<Place, HistoryError> {
        let place = self.turns.add(before, turn.id, turn.messages.len() as u64, span);
        place.ok_or_else(|| corrupt_line(span.line, "repeats a turn"))
    }

    fn branch_place(&self, point: BranchPoint, line: u64) -> Result<Option<Place>, HistoryError> {
        let Some(turn) = point.after else { return Ok(None) };
        let place = self.turns.find(turn);
        match place.and_then(|place| self.turns.entry(place)) {
            Some(entry)
                if (entry.end(), TurnTree::count(place)) == (point.messages, point.turns) =>
            {
                Ok(place)
            }
            _ => Err(corrupt_line(line, "follows a turn that is not there")),
        }
    }

    /// Returns the last turn that a note covers. A version that is not known is one of the start.
    fn covered(&self, covers: Version) -> Option<Place> {
        if covers.messages == 0 {
            return None;
        }
        match self.turns.follows(self.tip, covers) {
            true => self.turns.reaching(self.tip, covers.messages),
            false => self.turns.of_version(covers),
        }
    }

    pub(crate) fn version(&self, place: Option<Place>) -> Version {
        self.turns.version(place, self.header.epoch)
    }

    /// Returns the place of a point.
    pub(crate) fn place(&self, point: Point) -> Result<Option<Place>, HistoryError> {
        match point.turn() {
            None => Ok(None),
            Some(turn) => match self.turns.find(turn) {
                Some(place) => Ok(Some(place)),
                None => Err(HistoryError::UnknownTurn { turn }),
            },
        }
    }

    /// Returns how a line names a place.
    pub(crate) fn branch_point(&self, place: Option<Place>) -> BranchPoint {
        let entry = place.and_then(|place| self.turns.entry(place));
        BranchPoint {
            after: entry.map(|entry| entry.id),
            turns: TurnTree::count(place),
            messages: entry.map_or(0, |entry| entry.end()),
        }
    }
}

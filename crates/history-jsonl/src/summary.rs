//! A session's line in a list: what its file says of it, without an index.

use std::{fs::File, io::BufRead, time::SystemTime};

use conversant_core::{
    HistoryError, SessionId, SessionInfo, Turn, TurnId, UsageTotals,
    clock::{millis, time},
};

use crate::{
    error::{corrupt_line, io_error},
    file_io,
    header::{Header, Properties},
    log_record::{self, Content, Line},
    turn_line,
};

/// The sums over a file, as far as it was read.
#[derive(Clone)]
pub(crate) struct Summary {
    pub(crate) session: Option<SessionId>,
    pub(crate) properties: Properties,
    /// The number of turns up to the tip.
    turns: u64,
    /// The number of turns in the file, and the bytes of their lines.
    stored: u64,
    bytes: u64,
    totals: UsageTotals,
    is_fork: bool,
    /// The first line and the last bytes that were read, which show that the file is the same.
    start: Vec<u8>,
    last: Vec<u8>,
    end: u64,
    lines: u64,
}

impl Summary {
    /// Reads what was added to a file since `before`, or all of it. Returns whether that was
    /// anything.
    pub(crate) fn read(file: &File, before: Option<Self>) -> Result<(Self, bool), HistoryError> {
        let metadata = file.metadata().map_err(io_error)?;
        let (mut summary, mut is_changed) = match before {
            Some(before) if before.continues(file, metadata.len()) => (before, false),
            _ => (Self::begin(file)?, true),
        };
        if metadata.len() > summary.end {
            let written = metadata.modified().unwrap_or_else(|_| SystemTime::now());
            summary.scan(file, written)?;
            is_changed = true;
        }
        Ok((summary, is_changed))
    }

    fn begin(file: &File) -> Result<Self, HistoryError> {
        let start = file_io::first_line(file).map_err(io_error)?;
        let header = Header::read(&start)?;
        Ok(Self {
            session: header.session,
            properties: header.properties,
            turns: header.base.map_or(0, |base| base.turns),
            stored: 0,
            bytes: 0,
            totals: UsageTotals::default(),
            is_fork: header.base.is_some(),
            end: start.len() as u64,
            start,
            last: Vec::new(),
            lines: 1,
        })
    }

    fn continues(&self, file: &File, length: u64) -> bool {
        let has = |offset: u64, expected: &[u8]| {
            let found = file_io::read_at(file, offset, expected.len());
            found.is_ok_and(|found| found == expected)
        };
        length >= self.end
            && has(0, &self.start)
            && has(self.end - self.last.len() as u64, &self.last)
    }

    /// Reads lines up to the end, or to a line that is not finished.
    fn scan(&mut self, file: &File, written: SystemTime) -> Result<(), HistoryError> {
        let mut reader =
            file_io::reader_at(file, self.end, file_io::BUFFER_BYTES).map_err(io_error)?;
        let mut line = Vec::new();
        loop {
            line.clear();
            reader.read_until(b'\n', &mut line).map_err(io_error)?;
            let text = log_record::trim(&line);
            let is_finished = line.ends_with(b"\n");
            let is_whole = log_record::is_whole(text);
            let is_torn = || !is_finished && log_record::is_torn(&line, self.end, self.lines);
            if line.is_empty() || (!is_whole && is_torn()) {
                return Ok(());
            }
            let parsed = if is_whole { turn_line::read(text) } else { None };
            match parsed {
                Some(parsed) if parsed.line == self.lines => self.add(parsed, text, written),
                _ => return Err(corrupt_line(self.lines + 1, "is damaged")),
            }
            self.lines += 1;
            if !is_finished {
                // Its line break is added with the next line: the file is read again then.
                self.end = u64::MAX;
                return Ok(());
            }
            self.end += line.len() as u64;
            self.last = file_io::last_bytes(&line);
        }
    }

    fn add(&mut self, line: Line<Turn>, text: &[u8], written: SystemTime) {
        let at = line.at;
        let turn = match line.content() {
            Some(Content::Turn(turn, _)) => {
                self.turns += 1;
                turn
            }
            Some(Content::Branch { turn, point, is_tip }) => {
                if is_tip {
                    self.turns = point.turns + 1;
                }
                turn
            }
            Some(Content::Tip(point)) => {
                self.turns = point.turns;
                return;
            }
            Some(Content::Title(title)) => {
                self.properties.title = title.text;
                return self.properties.begin(title.at);
            }
            Some(Content::Label(label)) => {
                self.properties.set_label(label.name, label.value);
                return self.properties.begin(label.at);
            }
            Some(Content::Note(_)) | None => return,
        };
        self.stored += 1;
        self.bytes += text.len() as u64;
        self.totals = self.totals + UsageTotals::of_turn(&turn);
        self.properties.use_at(at.unwrap_or_else(|| millis(turn.id().stored_at(written))));
    }

    /// Returns whether a list shows the session.
    fn is_listed(&self) -> bool {
        let Properties { title, labels, .. } = &self.properties;
        self.stored > 0 || self.is_fork || title.is_some() || !labels.is_empty()
    }

    /// Returns the description, or `None` if the session would not be listed.
    pub(crate) fn info(&self) -> Option<SessionInfo> {
        let session = self.session.clone().filter(|_| self.is_listed())?;
        let Properties { title, labels, created_at, last_used_at } = &self.properties;
        let mut info = SessionInfo::new(session, time(last_used_at.unwrap_or_default()));
        info.title.clone_from(title);
        info.labels.clone_from(labels);
        info.created_at = created_at.map(time);
        (info.turns, info.bytes, info.totals) = (self.turns, self.bytes, self.totals);
        Some(info)
    }
}

/// Returns the time that a turn's line needs, if the turn's id has none that is right.
pub(crate) fn time_of(turn: TurnId, now: SystemTime) -> Option<u64> {
    let is_right = turn.created_at().is_some_and(|made| made <= now);
    (!is_right).then(|| millis(now))
}

//! Loading the last messages of a conversation without an index.
//!
//! Each line has its own checksum and number, and a turn's line says where the turn begins and
//! which one it follows. The last lines therefore suffice for a range at the end. Where they do
//! not, the file is indexed.

use std::{fs::File, time::Duration};

use conversant_core::{
    BytesLeft, HistoryError, Point, Range, SessionId, Slice, Turn, TurnId, Version,
};

use crate::{
    conversation::is_expired,
    error::io_error,
    header::Header,
    lines_back::LinesBack,
    log_record::{self, BranchPoint, Content},
    page_cache::Source,
    paths::SessionPaths,
    range::slice_of,
    turn_line,
};

/// The bytes that nearly every first line has at most.
const HEADER_BYTES: u64 = 1024;

/// Loads a range that ends at a point from the end of a session's file, or returns `None` if it
/// takes the whole file. `None` as a point is the tip.
pub(crate) fn load(
    source: Source,
    paths: &SessionPaths,
    session: &SessionId,
    point: Option<Point>,
    range: Range,
    time_to_live: Option<Duration>,
) -> Result<Option<Slice>, HistoryError> {
    if range == Range::All {
        return Ok(None);
    }
    // The index reports what is wrong with a file.
    let Ok(file) = source.open(&paths.file()) else { return Ok(None) };
    let metadata = file.metadata().map_err(io_error)?;
    if !metadata.is_file() || is_expired(metadata.modified().ok(), time_to_live) {
        return Ok(None);
    }
    let Some((header, start)) = header(source, &file, metadata.len())? else { return Ok(None) };
    if header.session.as_ref() != Some(session) {
        return Ok(None);
    }
    let wanted = point.map_or(Wanted::Tip, |point| Wanted::after(point.turn()));
    let mut tail = Tail::new(header.epoch, range, wanted);
    let mut lines = LinesBack::new(source, &file, start, metadata.len());
    let mut outcome = tail.read(&mut lines)?;
    let mut base = header.base;
    while let (Outcome::TooShort, Some(shared)) = (&outcome, base) {
        let Ok(file) = source.open(&paths.shared(shared.file)) else { return Ok(None) };
        let metadata = file.metadata().map_err(io_error)?;
        if !metadata.is_file() {
            return Ok(None);
        }
        let length = metadata.len();
        let Some((header, start)) = self::header(source, &file, length)? else { return Ok(None) };
        tail.enter_shared(shared.after);
        // A file that was rewritten has the turn elsewhere.
        let is_last = matches!(tail.wanted, Wanted::Turn(turn) if turn == shared.after);
        let end = if is_last && header.file == shared.file { shared.end } else { length };
        outcome = tail.read(&mut LinesBack::new(source, &file, start, end.min(length)))?;
        base = header.base;
    }
    Ok(match outcome {
        Outcome::Found(slice) => Some(slice),
        Outcome::TooShort => tail.whole(),
        Outcome::Unusable => None,
    })
}

/// Reads the first line of a file. Returns it with its length.
fn header(source: Source, file: &File, length: u64) -> Result<Option<(Header, u64)>, HistoryError> {
    let bytes = usize::try_from(length.min(HEADER_BYTES)).unwrap_or_default();
    let text = source.read_at(file, 0, bytes).map_err(io_error)?;
    let Some(end) = memchr::memchr(b'\n', &text) else { return Ok(None) };
    let header = text.get(..=end).and_then(|line| Header::read(line).ok());
    Ok(header.map(|header| (header, end as u64 + 1)))
}

/// The outcome of reading lines.
enum Outcome {
    Found(Slice),
    /// The range starts before the lines.
    TooShort,
    /// The range takes the whole file, or the lines do not say where they belong.
    Unusable,
}

/// The turn that comes next, from the newest to the oldest.
#[derive(Clone, Copy)]
enum Wanted {
    /// The tip, as it was before the line that was read last.
    Tip,
    Turn(TurnId),
    /// There are no more.
    Nothing,
}

impl Wanted {
    fn after(turn: Option<TurnId>) -> Self {
        turn.map_or(Self::Nothing, Self::Turn)
    }
}

/// The last turns of a path, newest first.
struct Tail {
    range: Range,
    wanted: Wanted,
    /// The last turn of the path, until it is found among the turns that a fork shares.
    sought: Option<TurnId>,
    /// The number of the line that was read last.
    number: Option<u64>,
    turns: Vec<Turn>,
    /// The number of them that have messages.
    with_messages: usize,
    /// The rest of a range of bytes after their messages, and the number of those that fit.
    left: BytesLeft,
    fitting: u64,
    /// The version at the end of the path.
    version: Version,
    /// The number of the first message of the oldest turn.
    start: u64,
}

impl Tail {
    const fn new(epoch: u64, range: Range, wanted: Wanted) -> Self {
        let version = Version::new(epoch, 0);
        let bytes = if let Range::LastBytes(bytes) = range { bytes } else { 0 };
        Self {
            range,
            wanted,
            sought: None,
            number: None,
            turns: Vec::new(),
            with_messages: 0,
            left: BytesLeft::new(bytes),
            fitting: 0,
            version,
            start: 0,
        }
    }

    /// Goes on with a file whose turns up to `after` are shared. The file can have others, of which
    /// none is in the session: only the path to `after` is followed.
    const fn enter_shared(&mut self, after: TurnId) {
        match self.wanted {
            Wanted::Tip => self.wanted = Wanted::Turn(after),
            Wanted::Turn(point) if self.turns.is_empty() && self.sought.is_none() => {
                self.sought = Some(point);
                self.wanted = Wanted::Turn(after);
            }
            Wanted::Turn(_) | Wanted::Nothing => {}
        }
    }

    fn read(&mut self, lines: &mut LinesBack<'_>) -> Result<Outcome, HistoryError> {
        self.number = None;
        if !lines.ends_whole().map_err(io_error)? {
            return Ok(Outcome::Unusable);
        }
        while let Some(line) = lines.next().map_err(io_error)? {
            match self.add(log_record::trim(line)) {
                Err(Unusable) => return Ok(Outcome::Unusable),
                Ok(false) => {}
                Ok(true) => match self.start_of_range() {
                    Some(Ok(start)) => return Ok(Outcome::Found(self.slice(start))),
                    Some(Err(Unusable)) => return Ok(Outcome::Unusable),
                    None => {}
                },
            }
            if matches!(self.wanted, Wanted::Nothing) {
                return Ok(self.whole().map_or(Outcome::Unusable, Outcome::Found));
            }
        }
        Ok(Outcome::TooShort)
    }

    /// Adds the line before. Returns whether it has the next turn.
    fn add(&mut self, line: &[u8]) -> Result<bool, Unusable> {
        let parsed = if log_record::is_whole(line) { turn_line::read(line) } else { None };
        let line = parsed.ok_or(Unusable)?;
        if self.number.is_some_and(|number| line.line + 1 != number) {
            return Err(Unusable);
        }
        self.number = Some(line.line);
        let is_wanted = |turn: &Turn, is_tip| match self.wanted {
            Wanted::Tip => is_tip,
            Wanted::Turn(id) => turn.id() == id,
            Wanted::Nothing => false,
        };
        let (turn, first, before) = match line.content().ok_or(Unusable)? {
            Content::Turn(turn, first) if is_wanted(&turn, true) => {
                (turn, first.ok_or(Unusable)?, Wanted::Tip)
            }
            Content::Branch { turn, point, is_tip } if is_wanted(&turn, is_tip) => {
                let BranchPoint { after, messages, .. } = point;
                (turn, messages, Wanted::after(after))
            }
            Content::Tip(point) if matches!(self.wanted, Wanted::Tip) => {
                self.wanted = Wanted::after(point.after);
                return Ok(false);
            }
            _ => return Ok(false),
        };
        if self.sought.is_some_and(|sought| sought != turn.id()) {
            self.wanted = before;
            return Ok(false);
        }
        self.sought = None;
        let end = first.saturating_add(turn.messages().len() as u64);
        if self.turns.is_empty() {
            self.version.messages = end;
        } else if self.start != end {
            return Err(Unusable);
        }
        if self.version.tip == 0 && first < end {
            self.version.tip = turn.id().fingerprint();
        }
        self.start = first;
        self.with_messages += usize::from(!turn.messages().is_empty());
        self.turns.push(turn);
        self.wanted = before;
        Ok(true)
    }

    /// Returns the number of the range's first message, or `None` if it is before these turns. It
    /// is called for each turn that is added, and looks at that one.
    fn start_of_range(&mut self) -> Option<Result<u64, Unusable>> {
        let end = self.version.messages;
        if self.version.tip == 0 {
            return None;
        }
        match self.range {
            Range::LastMessages(count) => {
                let start = end.saturating_sub(count as u64);
                (self.start <= start).then_some(Ok(start))
            }
            Range::LastTurns(0) => Some(Ok(end)),
            Range::LastTurns(count) => (self.with_messages == count).then_some(Ok(self.start)),
            Range::LastBytes(_) => {
                for message in self.turns.last()?.messages().iter().rev() {
                    if !self.left.takes(message.stored_json_len()) {
                        return Some(Ok(end - self.fitting));
                    }
                    self.fitting += 1;
                }
                None
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

    /// Returns the range if these turns are the whole path, which they do not fill.
    fn whole(&self) -> Option<Slice> {
        let is_found = self.sought.is_none() && !matches!(self.wanted, Wanted::Turn(_));
        let is_whole = self.start == 0 && is_found;
        is_whole.then(|| self.slice(0))
    }

    fn slice(&self, start: u64) -> Slice {
        slice_of(self.turns.iter().rev(), start, self.version)
    }
}

/// The range takes the whole file.
struct Unusable;

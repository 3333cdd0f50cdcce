//! The conversation in a session's file. The caller holds the session's lock.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, ErrorKind},
    time::{Duration, Instant, SystemTime},
};

use conversant_core::{
    Alternative, Expect, HistoryError, Note, Point, SessionId, SessionInfo, Turn, Version,
    clock::millis,
};

use crate::{
    error::{io_error, read_error},
    file_io,
    header::{Header, Properties},
    index::{Index, NoteEntry},
    lines::Lines,
    log_record::{self, LabelChange, Record, TitleChange, WholeNote},
    open_file::OpenFile,
    paths::SessionPaths,
    shared_file,
    shared_turns::{self, Release, SharedTurns},
    summaries::Summaries,
    summary::time_of,
    turn_tree::Place,
};

/// A session and its file.
pub(crate) struct Conversation<'c> {
    pub(crate) paths: &'c SessionPaths,
    pub(crate) session: &'c SessionId,
    /// `None` if the session was never written. A writer has locked it.
    pub(crate) file: Option<OpenFile>,
    pub(crate) index: Option<Index>,
    pub(crate) summaries: &'c Summaries,
    pub(crate) time_to_live: Option<Duration>,
    /// How long an operation waits for another process.
    pub(crate) lock_timeout: Duration,
}

impl<'c> Conversation<'c> {
    /// Opens the file for reading, unless a writer has locked it, and brings an index up to date
    /// with it. An expired session is as if it had been deleted.
    pub(crate) fn open(&mut self, index: Option<Index>) -> Result<(), HistoryError> {
        if self.file.is_none() {
            let path = self.paths.file();
            self.file = match OpenFile::read(&path) {
                Ok(file) => Some(file),
                Err(error) if error.kind() == ErrorKind::NotFound => None,
                Err(error) => return Err(read_error(&path, error)),
            };
        }
        self.index = index;
        self.refresh()?;
        if self.has_expired(self.time_to_live) {
            self.index = self.index.take().map(Index::deleted);
        }
        Ok(())
    }

    fn refresh(&mut self) -> Result<(), HistoryError> {
        let before = self.index.take();
        self.index = match &self.file {
            Some(file) => Some(Index::read(file, self.paths, self.session, before)?),
            None => None,
        };
        Ok(())
    }

    /// Returns the file, if the session was ever written.
    pub(crate) fn own_file(&self) -> Option<&File> {
        self.file.as_ref().map(|open| &open.file)
    }

    /// Returns the last turn of the path to a point. `None` as a point is the tip.
    pub(crate) fn path(&self, point: Option<Point>) -> Result<Option<Place>, HistoryError> {
        match (point, &self.index) {
            (None, index) => Ok(index.as_ref().and_then(|index| index.tip)),
            (Some(point), Some(index)) => index.place(point),
            (Some(point), None) => match point.turn() {
                Some(turn) => Err(HistoryError::UnknownTurn { turn }),
                None => Ok(None),
            },
        }
    }

    fn tip(&self) -> Option<Place> {
        self.index.as_ref().and_then(|index| index.tip)
    }

    pub(crate) fn version_at(&self, path: Option<Place>) -> Version {
        self.index.as_ref().map_or_else(Version::default, |index| index.version(path))
    }

    /// Returns whether a path continues from a version.
    pub(crate) fn follows(&self, path: Option<Place>, version: Version) -> bool {
        match &self.index {
            Some(index) => {
                version.epoch == index.header.epoch && index.turns.follows(path, version)
            }
            None => version.epoch == 0 && version.tip == 0,
        }
    }

    fn check(&self, path: Option<Place>, expect: Expect) -> Result<(), HistoryError> {
        let current = self.version_at(path);
        expect.check(current)?;
        match expect.version() {
            Some(expected) if !self.follows(path, expected) => {
                Err(HistoryError::Stale { expected, current })
            }
            _ => Ok(()),
        }
    }

    /// Returns the turn of an expected version that is not on the path to the tip.
    fn left(&self, expect: Expect) -> Option<Place> {
        match (expect, &self.index) {
            (Expect::SameEpoch(version), Some(index)) if version.epoch == index.header.epoch => {
                index.turns.of_version(version)
            }
            _ => None,
        }
    }

    /// Appends a turn at a point, which becomes the tip. `None` is the tip.
    pub(crate) fn append(
        &mut self,
        point: Option<Point>,
        turn: &Turn,
        expect: Expect,
    ) -> Result<Version, HistoryError> {
        if let Some(version) = self.repeated(turn)? {
            return Ok(version);
        }
        let (tip, mut path, mut is_tip) = (self.tip(), self.path(point)?, true);
        if let Err(error) = self.check(path, expect) {
            // The tip was moved since: the turn is an alternative.
            path = Some(self.left(expect).ok_or(error)?);
            is_tip = false;
        }
        let record = match &self.index {
            Some(index) if path != tip || !is_tip => {
                Record::branch(turn, index.branch_point(path), is_tip)
            }
            _ => Record::turn(turn, self.version_at(path).messages),
        };
        self.write(&record.with_time(time_of(turn.id(), SystemTime::now())))?;
        let stored = self.index.as_ref().and_then(|index| index.turns.find(turn.id()));
        Ok(self.version_at(stored))
    }

    /// Returns the version after a turn, if it is stored already.
    fn repeated(&self, turn: &Turn) -> Result<Option<Version>, HistoryError> {
        let Some(index) = &self.index else { return Ok(None) };
        let Some(place) = index.turns.find(turn.id()) else { return Ok(None) };
        if let Some(entry) = index.turns.entry(place) {
            let mut lines = Lines::new(self.own_file(), &index.shared);
            lines.turns(&[entry])?.iter().try_for_each(|stored| turn.check_stored(stored))?;
        }
        Ok(Some(self.version_at(Some(place))))
    }

    /// Moves the tip to a point.
    pub(crate) fn set_tip(&mut self, tip: Point, expect: Expect) -> Result<Version, HistoryError> {
        self.check(self.tip(), expect)?;
        let place = self.path(Some(tip))?;
        if let Some(index) = self.index.as_ref().filter(|index| index.tip != place) {
            self.write(&Record::tip(index.branch_point(place)))?;
        }
        Ok(self.version_at(place))
    }

    /// Lists the turns that follow a point.
    pub(crate) fn alternatives(&self, point: Point) -> Result<Vec<Alternative>, HistoryError> {
        let place = self.path(Some(point))?;
        let index = self.index.as_ref();
        Ok(index.map_or_else(Vec::new, |index| index.turns.alternatives(place, index.tip)))
    }

    /// Returns the properties that a list shows. An expired session has none.
    fn properties(&self) -> Result<Properties, HistoryError> {
        let is_there = self.index.as_ref().is_some_and(|index| index.header.session.is_some());
        match self.own_file() {
            Some(file) if is_there => Ok(self.summaries.of(&self.paths.file(), file)?.properties),
            _ => Ok(Properties::default()),
        }
    }

    /// Returns the description for a list, if the session would be listed.
    pub(crate) fn info(&self) -> Result<Option<SessionInfo>, HistoryError> {
        let is_there = self.index.as_ref().is_some_and(|index| index.header.session.is_some());
        match self.own_file() {
            Some(file) if is_there => Ok(self.summaries.of(&self.paths.file(), file)?.info()),
            _ => Ok(None),
        }
    }

    /// Sets the title, or removes it.
    pub(crate) fn set_title(&mut self, title: Option<String>) -> Result<(), HistoryError> {
        if self.properties()?.title == title {
            return Ok(());
        }
        self.write(&Record::title(TitleChange { text: title, at: now() }))
    }

    /// Sets a label, or removes it.
    pub(crate) fn set_label(
        &mut self,
        name: String,
        value: Option<String>,
    ) -> Result<(), HistoryError> {
        let labels = self.properties()?.labels;
        if labels.get(&name) == value.as_ref() {
            return Ok(());
        }
        if !labels.contains_key(&name) && labels.len() >= SessionInfo::MAX_LABELS {
            return Err(HistoryError::TooManyLabels { limit: SessionInfo::MAX_LABELS });
        }
        self.write(&Record::label(LabelChange { name, value, at: now() }))
    }

    /// Returns whether there is a session whose time to live is over.
    pub(crate) fn has_expired(&self, time_to_live: Option<Duration>) -> bool {
        self.index.as_ref().is_some_and(|index| {
            index.header.session.is_some() && is_expired(index.written, time_to_live)
        })
    }

    /// Shares the turns up to a point with a fork.
    pub(crate) fn share(&mut self, point: Point) -> Result<Origin, HistoryError> {
        let labels = self.properties()?.labels;
        if self.path(Some(point))?.is_none() {
            return Ok(Origin { labels, turns: None });
        }
        let mut turns = self.share_turns(point)?;
        if turns.is_none() {
            // An older file of the session was restored, and forks need turns of the newer one.
            self.renew()?;
            turns = self.share_turns(point)?;
        }
        let turns = Some(turns.ok_or_else(shared_file::missing)?);
        Ok(Origin { labels, turns })
    }

    fn share_turns(&self, point: Point) -> Result<Option<SharedTurns>, HistoryError> {
        match (self.path(Some(point))?, &self.index, self.own_file()) {
            (Some(place), Some(index), Some(file)) => {
                shared_turns::share(self.paths, file, index, place)
            }
            _ => Ok(None),
        }
    }

    /// Replaces the file by one with the same lines and an id of its own.
    fn renew(&mut self) -> Result<(), HistoryError> {
        let (Some(index), Some(file)) = (&self.index, self.own_file()) else { return Ok(()) };
        let start = index.start().len() as u64;
        let length = usize::try_from(index.end.saturating_sub(start)).unwrap_or(usize::MAX);
        let lines = file_io::read_at(file, start, length).map_err(io_error)?;
        let mut bytes = index.header.clone().with_new_file().encode()?;
        bytes.extend_from_slice(&lines);
        self.replace(&bytes)
    }

    /// Begins the session, which has no turns, with the turns of another one. Returns `None` if the
    /// other one has been cleared since.
    pub(crate) fn begin(&mut self, origin: &Origin) -> Result<Option<Version>, HistoryError> {
        let current = self.version_at(self.tip());
        if let Some(index) = &self.index
            && !index.turns.is_empty()
        {
            let expected = Version::new(current.epoch, 0);
            return Err(HistoryError::Stale { expected, current });
        }
        let mut properties = self.properties()?;
        for (name, value) in &origin.labels {
            if properties.labels.len() < SessionInfo::MAX_LABELS {
                properties.labels.entry(name.clone()).or_insert_with(|| value.clone());
            }
        }
        properties.use_at(now());
        let deadline = self.deadline();
        // An expired session may share turns.
        let release = self.prepare(deadline)?;
        let lock = match &origin.turns {
            Some(_) if release.is_none() => {
                Some(shared_turns::lock(self.paths.folder(), deadline)?)
            }
            _ => None,
        };
        if origin.turns.as_ref().is_some_and(|turns| !turns.is_there(self.paths)) {
            return Ok(None);
        }
        let header = Header::new(Some(self.session.clone()), current.epoch)
            .with_base(origin.turns.as_ref().map(|turns| turns.base))
            .with_properties(properties);
        let mut bytes = header.encode()?;
        for (number, (name, note)) in (1..).zip(&self.notes()?) {
            bytes.extend_from_slice(&log_record::encode(number, &Record::note(name, note))?);
        }
        self.file = Some(self.paths.replace(&bytes, self.file.is_none())?);
        drop(lock);
        if let Some(release) = release {
            release.finish()?;
        }
        // The next operation that needs an index reads the file.
        self.index = None;
        let version = |turns: &SharedTurns| {
            Version::new(current.epoch, turns.base.messages).with_tip(turns.tip)
        };
        let start = Version::new(current.epoch, 0);
        Ok(Some(origin.turns.as_ref().map_or(start, version)))
    }

    /// Stores a note, unless the point is another one than the tip.
    pub(crate) fn put_note(
        &mut self,
        point: Option<Point>,
        name: &str,
        note: &Note,
    ) -> Result<(), HistoryError> {
        if self.path(point)? != self.tip() {
            return Ok(());
        }
        // Nor a note of turns that were left: it would take the place of the one of this branch.
        self.check(self.tip(), Expect::SameEpoch(note.covers))?;
        self.write_within(&Record::note(name, note), Note::check_size)
    }

    /// Returns a note, if the turns that it covers are on the path to a point.
    pub(crate) fn note(
        &self,
        point: Option<Point>,
        name: &str,
    ) -> Result<Option<Note>, HistoryError> {
        let path = self.path(point)?;
        let Some(index) = &self.index else { return Ok(None) };
        let Some(entry) = index.notes.get(name) else { return Ok(None) };
        if entry.covers.is_some_and(|last| !index.turns.has(path, last)) {
            return Ok(None);
        }
        let mut lines = Lines::new(self.own_file(), &index.shared);
        Ok(Some(lines.read::<WholeNote>(entry.span)?.note.into_note()))
    }

    /// Returns all notes.
    fn notes(&self) -> Result<Vec<(String, Note)>, HistoryError> {
        let Some(index) = &self.index else { return Ok(Vec::new()) };
        let mut lines = Lines::new(self.own_file(), &index.shared);
        let mut read = |(name, entry): (&String, &NoteEntry)| {
            Ok((name.clone(), lines.read::<WholeNote>(entry.span)?.note.into_note()))
        };
        index.notes.iter().map(&mut read).collect()
    }

    /// Removes the turns and notes and starts a new epoch, with the damaged files that repairs have
    /// kept. Unless `keep_name`, the session's id and labels are removed too.
    pub(crate) fn clear(&mut self, keep_name: bool) -> Result<(), HistoryError> {
        let was_there = self.index.as_ref().is_some_and(|index| index.header.session.is_some());
        let epoch = self.version_at(None).epoch.saturating_add(1);
        let header = match keep_name && was_there {
            true => {
                let properties = Properties { title: None, ..self.properties()? };
                Header::new(Some(self.session.clone()), epoch).with_properties(properties)
            }
            false => Header::new(None, epoch),
        };
        self.replace(&header.encode()?)?;
        self.paths.remove_damaged().map_err(io_error)
    }

    /// Replaces the file, and removes what only this session shared.
    pub(crate) fn replace(&mut self, bytes: &[u8]) -> Result<(), HistoryError> {
        let deadline = self.deadline();
        let release = self.prepare(deadline)?;
        self.file = Some(self.paths.replace(bytes, self.file.is_none())?);
        if let Some(release) = release {
            release.finish()?;
        }
        self.refresh()
    }

    fn prepare(&self, deadline: Option<Instant>) -> Result<Option<Release<'c>>, HistoryError> {
        match &self.index {
            Some(index) => shared_turns::prepare(self.paths, self.own_file(), index, deadline),
            None => Ok(None),
        }
    }

    fn deadline(&self) -> Option<Instant> {
        Instant::now().checked_add(self.lock_timeout)
    }

    /// Writes the next line, durably or not at all.
    fn write(&mut self, record: &Record<'_>) -> Result<(), HistoryError> {
        self.write_within(record, |_| Ok(()))
    }

    /// Writes a record, if its line has a size that is accepted.
    fn write_within(
        &mut self,
        record: &Record<'_>,
        check: fn(usize) -> Result<(), HistoryError>,
    ) -> Result<(), HistoryError> {
        match (&mut self.index, &mut self.file) {
            (Some(index), Some(open)) if index.header.session.is_some() => {
                let line = log_record::encode(index.lines, record)?;
                check(line.len())?;
                if index.torn == 0 && !index.is_open {
                    extend(&open.file, index, &line)?;
                    return index.extend(record, &line);
                }
                let mut bytes = Vec::with_capacity(line.len() + 1);
                if index.is_open {
                    bytes.push(b'\n');
                }
                bytes.extend_from_slice(&line);
                extend(&open.file, index, &bytes)?;
                open.check().map_err(io_error)?;
                self.refresh()
            }
            _ => {
                let epoch = self.version_at(None).epoch;
                let header = Header::new(Some(self.session.clone()), epoch);
                let mut bytes = header.encode()?;
                let line = log_record::encode(1, record)?;
                check(line.len())?;
                bytes.extend_from_slice(&line);
                self.replace(&bytes)
            }
        }
    }
}

/// The turns and labels that a fork is begun with.
pub(crate) struct Origin {
    labels: BTreeMap<String, String>,
    /// `None` if it is begun at the start.
    turns: Option<SharedTurns>,
}

fn now() -> u64 {
    millis(SystemTime::now())
}

/// Returns whether the time to live of a file is over that was last written at `written`.
pub(crate) fn is_expired(written: Option<SystemTime>, time_to_live: Option<Duration>) -> bool {
    let age = written.and_then(|written| SystemTime::now().duration_since(written).ok());
    Option::zip(age, time_to_live).is_some_and(|(age, time)| age > time)
}

/// Writes at the end of the file, over an unfinished line. If that fails, the end is restored.
fn extend(file: &File, index: &Index, bytes: &[u8]) -> Result<(), HistoryError> {
    let write = || {
        if index.torn > 0 {
            file.set_len(index.end)?;
        }
        file_io::write_at(file, index.end, bytes)?;
        file.sync_data()
    };
    write().map_err(|error: io::Error| {
        let _ = file.set_len(index.end).and_then(|()| file.sync_data());
        io_error(error)
    })
}

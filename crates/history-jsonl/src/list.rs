//! The sessions of a folder.

use std::{
    collections::HashSet,
    fs::{self, File},
    io::ErrorKind,
    path::Path,
    time::Duration,
};

use conversant_core::{
    HistoryError, SessionCursor, SessionFilter, SessionId, SessionInfo, SessionPage,
};

use crate::{
    conversation::is_expired,
    error::{in_file, io_error, read_error},
    file_io,
    header::Header,
    index::Index,
    lines::Lines,
    open_file::OpenFile,
    paths::SessionPaths,
    summaries::Summaries,
    turn_line,
};

/// Calls a function with the path of each session's file that has expired, or has not. A file with
/// the name of one session and the contents of another one is passed too. A file that cannot be
/// read is an error, or one that is kept while the others are read.
fn each_file(
    folder: &Path,
    time_to_live: Option<Duration>,
    expired: bool,
    failed: &mut Failed,
    mut run: impl FnMut(&Path, &File) -> Result<(), HistoryError>,
) -> Result<(), HistoryError> {
    for entry in fs::read_dir(folder).map_err(|error| read_error(folder, error))? {
        let path = entry.map_err(io_error)?.path();
        if !SessionPaths::is_name(&path) {
            continue;
        }
        let file = match file_io::open(&path) {
            Ok(file) => file,
            // It was removed since.
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => {
                failed.file::<()>(Err(read_error(&path, error)))?;
                continue;
            }
        };
        let written = file.metadata().and_then(|metadata| metadata.modified()).ok();
        if is_expired(written, time_to_live) == expired {
            failed.file(run(&path, &file).map_err(|error| in_file(&path, error)))?;
        }
    }
    Ok(())
}

/// The errors of single files.
#[derive(Default)]
pub(crate) enum Failed {
    /// The first one ends the operation.
    #[default]
    Ends,
    /// The first one is kept, and the other files are read: what is deleted for one user does not
    /// wait for the repair of another one's file.
    Kept(Option<HistoryError>),
}

impl Failed {
    /// Returns the outcome of one file, or `None` if its error is kept.
    pub(crate) fn file<T>(
        &mut self,
        outcome: Result<T, HistoryError>,
    ) -> Result<Option<T>, HistoryError> {
        match (outcome, self) {
            (Err(error), Self::Kept(first)) => {
                first.get_or_insert(error);
                Ok(None)
            }
            (outcome, _) => outcome.map(Some),
        }
    }

    /// Returns the error that was kept.
    pub(crate) fn finish(self) -> Result<(), HistoryError> {
        match self {
            Self::Kept(Some(error)) => Err(error),
            Self::Kept(None) | Self::Ends => Ok(()),
        }
    }
}

/// The sessions that are wanted.
pub(crate) enum Wanted<'w> {
    /// Those that have turns, a title or labels, and have not expired.
    Listed(&'w Summaries),
    Expired,
}

/// Lists the wanted sessions, in order.
pub(crate) fn sessions(
    folder: &Path,
    after: Option<&SessionId>,
    limit: usize,
    time_to_live: Option<Duration>,
    wanted: &Wanted<'_>,
    failed: &mut Failed,
) -> Result<Vec<SessionId>, HistoryError> {
    let mut sessions = Vec::new();
    let expired = matches!(wanted, Wanted::Expired);
    if let Wanted::Listed(summaries) = wanted {
        summaries.begin_list();
    }
    each_file(folder, time_to_live, expired, failed, |path, file| {
        let line = file_io::first_line(file).map_err(io_error)?;
        let header = Header::read(&line)?;
        let found = header.session.as_ref().filter(|id| after.is_none_or(|after| *id > after));
        let Some(session) = found.filter(|session| SessionPaths::is_name_of(path, session)) else {
            return Ok(());
        };
        let is_wanted = match wanted {
            Wanted::Listed(summaries) => {
                begins_with_turns(file, &header, line.len())?
                    || summaries.of(path, file)?.info().is_some()
            }
            Wanted::Expired => true,
        };
        if is_wanted {
            sessions.push(session.clone());
        }
        Ok(())
    })?;
    sessions.sort();
    sessions.truncate(limit);
    Ok(sessions)
}

/// Returns whether the second line of a file is that of a turn, or the turns before it are shared.
/// Other files are read whole: that of the facts of a user has notes alone.
fn begins_with_turns(file: &File, header: &Header, second: usize) -> Result<bool, HistoryError> {
    if header.base.is_some() {
        return Ok(true);
    }
    let begin = file_io::begin_at(file, second as u64).map_err(io_error)?;
    Ok(turn_line::begins(&begin))
}

/// The folder whose sessions a list shows.
pub(crate) struct Listed<'l> {
    pub(crate) folder: &'l Path,
    pub(crate) summaries: &'l Summaries,
    pub(crate) time_to_live: Option<Duration>,
    /// The bytes of turns after which a search returns what it has found.
    pub(crate) search_limit: u64,
}

impl Listed<'_> {
    /// Returns the sessions that a filter selects, apart from its text, most recently used first.
    fn selected(
        &self,
        filter: &SessionFilter,
        failed: &mut Failed,
    ) -> Result<Vec<SessionInfo>, HistoryError> {
        let mut found = Vec::new();
        self.summaries.begin_list();
        each_file(self.folder, self.time_to_live, false, failed, |path, file| {
            let info = self.summaries.of(path, file)?.info();
            let info = info.filter(|info| SessionPaths::is_name_of(path, &info.session));
            found.extend(info.filter(|info| filter.matches(info)));
            Ok(())
        })?;
        found.sort_by(|a, b| (b.last_used_at, &b.session).cmp(&(a.last_used_at, &a.session)));
        Ok(found)
    }

    /// Returns a page of the sessions that a filter selects. A search that has read its limit ends
    /// the page with the session that it read last.
    pub(crate) fn page(
        &self,
        filter: &SessionFilter,
        after: Option<&SessionCursor>,
        limit: usize,
    ) -> Result<SessionPage, HistoryError> {
        let is_search = !filter.search_words()?.is_empty();
        let mut found = Vec::new();
        let (mut searched, mut last) = (0_u64, None);
        for info in self.selected(filter, &mut Failed::Ends)? {
            // One more shows that there is a next page.
            if found.len() > limit {
                break;
            }
            if after.is_some_and(|after| !after.is_before(&info)) {
                continue;
            }
            // At least one session is searched, so that each call goes on.
            if last.is_some() && searched >= self.search_limit {
                let mut page = SessionPage::default();
                (page.sessions, page.next) = (found, last);
                return Ok(page);
            }
            if is_search {
                searched = searched.saturating_add(info.bytes);
                last = Some(SessionCursor::after(&info));
            }
            if self.has_words(&info, filter)? {
                found.push(info);
            }
        }
        Ok(SessionPage::of(found, limit))
    }

    /// Returns at most `limit` sessions that a filter selects, apart from some, least recently used
    /// first.
    pub(crate) fn oldest(
        &self,
        filter: &SessionFilter,
        limit: usize,
        except: &HashSet<SessionId>,
        failed: &mut Failed,
    ) -> Result<Vec<SessionInfo>, HistoryError> {
        filter.search_words()?;
        let mut found = Vec::new();
        for info in self.selected(filter, failed)?.into_iter().rev() {
            if found.len() == limit {
                break;
            }
            if except.contains(&info.session) {
                continue;
            }
            if failed.file(self.has_words(&info, filter))? == Some(true) {
                found.push(info);
            }
        }
        Ok(found)
    }

    fn has_words(&self, info: &SessionInfo, filter: &SessionFilter) -> Result<bool, HistoryError> {
        let paths = SessionPaths::new(self.folder, &info.session);
        has_words(&paths, info, filter).map_err(|error| in_file(&paths.file(), error))
    }
}

/// Returns whether the title or the turns of a session have all words of a filter, as parts of
/// words too.
pub(crate) fn has_words(
    paths: &SessionPaths,
    info: &SessionInfo,
    filter: &SessionFilter,
) -> Result<bool, HistoryError> {
    let mut words = filter.finder();
    if words.find(info.title.as_deref().unwrap_or_default()) {
        return Ok(true);
    }
    let path = paths.file();
    let file = match OpenFile::read(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(read_error(&path, error)),
    };
    let index = Index::read(&file, paths, &info.session, None)?;
    let mut lines = Lines::new(Some(&file.file), &index.shared);
    for entry in index.turns.all() {
        let turns = lines.turns(&[entry])?;
        let mut messages = turns.iter().flat_map(|turn| turn.messages().iter());
        if messages.any(|message| words.find(&message.text())) {
            return Ok(true);
        }
    }
    Ok(false)
}

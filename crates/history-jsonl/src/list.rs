//! The sessions of a folder.

use std::{fs, fs::File, path::Path, time::Duration};

use conversant_core::{HistoryError, SessionId};

use crate::{
    conversation::is_expired,
    error::{in_file, io_error},
    file_io,
    log_record::Header,
    paths::EXTENSION,
};

/// Lists the sessions that have expired, or have not, in order.
pub(crate) fn sessions(
    folder: &Path,
    after: Option<&SessionId>,
    limit: usize,
    time_to_live: Option<Duration>,
    expired: bool,
) -> Result<Vec<SessionId>, HistoryError> {
    let mut sessions = Vec::new();
    for entry in fs::read_dir(folder).map_err(io_error)? {
        let path = entry.map_err(io_error)?.path();
        if path.extension().is_none_or(|extension| extension != EXTENSION) {
            continue;
        }
        let file = File::open(&path).map_err(io_error)?;
        let written = file.metadata().and_then(|metadata| metadata.modified()).ok();
        if is_expired(written, time_to_live) != expired {
            continue;
        }
        let line = file_io::first_line(&file).map_err(io_error)?;
        let header = Header::read(&line).map_err(|error| in_file(&path, error))?;
        let found = header.session.filter(|session| after.is_none_or(|after| session > after));
        sessions.extend(found);
    }
    sessions.sort();
    sessions.truncate(limit);
    Ok(sessions)
}

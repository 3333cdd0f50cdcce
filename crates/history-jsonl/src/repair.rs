//! Repairing a damaged conversation.

use std::{
    collections::HashSet,
    fs::{self, File},
    io::{BufRead, BufReader},
    path::PathBuf,
    time::{SystemTime, UNIX_EPOCH},
};

use conversant_core::{HistoryError, SessionId, TurnId};

use crate::{
    conversation,
    error::io_error,
    log_record::{self, Header, WholeTurn},
    paths::SessionPaths,
};

/// The result of [`JsonlHistory::repair`](crate::JsonlHistory::repair).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Repaired {
    /// The number of turns that were kept.
    pub turns: usize,
    /// The numbers of the lines that were lost, counted from 1.
    pub lost: Vec<u64>,
    /// The path of the damaged file.
    pub damaged: PathBuf,
}

pub(crate) fn repair(paths: &SessionPaths, session: &SessionId) -> Result<Repaired, HistoryError> {
    let mut reader = BufReader::new(File::open(paths.file()).map_err(io_error)?);
    let (mut turns, mut lost, mut seen) = (Vec::new(), Vec::new(), HashSet::new());
    let mut epoch = None;
    let mut line = Vec::new();
    for number in 1_u64.. {
        line.clear();
        if reader.read_until(b'\n', &mut line).map_err(io_error)? == 0 {
            break;
        }
        let text = log_record::trim(&line);
        if number == 1 {
            match Header::read(&line) {
                Ok(header) => epoch = Some(header.epoch),
                Err(_) => lost.push(number),
            }
        } else if !log_record::is_whole(text) {
            lost.push(number);
        } else if let Ok(WholeTurn { turn }) = serde_json::from_slice(text)
            && seen.insert(turn.id())
        {
            turns.push(turn);
        }
    }
    let damaged = paths.with_extension(&format!("{}.damaged", TurnId::random()));
    fs::hard_link(paths.file(), &damaged)
        .or_else(|_| fs::copy(paths.file(), &damaged).map(drop))
        .map_err(io_error)?;
    // The unknown epoch must not recur. Seconds since 1970 are more than any session was cleared.
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let epoch = epoch.map_or(since.as_secs(), |epoch| epoch.saturating_add(1));
    conversation::rewrite(paths, session, epoch, &turns)?;
    Ok(Repaired { turns: turns.len(), lost, damaged })
}

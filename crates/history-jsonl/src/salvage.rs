//! Saving what can be read of a damaged conversation.

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
    failure::failure,
    place::Place,
    record::{self, Header, WholeTurn},
};

/// What became of a damaged conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Salvaged {
    /// How many turns could be read.
    pub turns: usize,
    /// The numbers of the lines that could not, counted from 1.
    pub lost: Vec<u64>,
    /// Where the damaged file is now.
    pub damaged: PathBuf,
}

pub(crate) fn salvage(place: &Place, session: &SessionId) -> Result<Salvaged, HistoryError> {
    let mut reader = BufReader::new(File::open(place.file()).map_err(failure)?);
    let (mut turns, mut lost, mut seen) = (Vec::new(), Vec::new(), HashSet::new());
    let mut epoch = None;
    let mut line = Vec::new();
    for number in 1_u64.. {
        line.clear();
        if reader.read_until(b'\n', &mut line).map_err(failure)? == 0 {
            break;
        }
        let text = record::trim(&line);
        if number == 1 {
            match Header::read(&line) {
                Ok(header) => epoch = Some(header.epoch),
                Err(_) => lost.push(number),
            }
        } else if !record::is_whole(text) {
            lost.push(number);
        } else if let Ok(WholeTurn { turn }) = serde_json::from_slice(text)
            && seen.insert(turn.id())
        {
            turns.push(turn);
        }
    }
    let damaged = place.with_ending(&format!("{}.damaged", TurnId::random()));
    fs::hard_link(place.file(), &damaged)
        .or_else(|_| fs::copy(place.file(), &damaged).map(drop))
        .map_err(failure)?;
    // An epoch that can't be read is not to be met again: no session is cleared once a second since 1970.
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let epoch = epoch.map_or(since.as_secs(), |epoch| epoch.saturating_add(1));
    conversation::rewrite(place, session, epoch, &turns)?;
    Ok(Salvaged { turns: turns.len(), lost, damaged })
}

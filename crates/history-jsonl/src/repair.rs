//! Repairing a damaged conversation.

use std::{
    collections::HashMap,
    fs,
    io::{self, BufRead, BufReader},
    path::PathBuf,
    time::SystemTime,
};

use conversant_core::{HistoryError, SessionId, Turn, TurnId, clock};

use crate::{
    error::io_error,
    file_io,
    header::{Header, Properties},
    index::Index,
    log_record::{self, BranchPoint, Content, Line},
    paths::SessionPaths,
    rewrite::Rewritten,
};

/// The result of [`JsonlHistory::repair`](crate::JsonlHistory::repair).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Repaired {
    /// The number of turns of the file that were kept.
    pub turns: usize,
    /// The numbers of the lines that were lost, counted from 1.
    pub lost: Vec<u64>,
    /// Whether the session was a fork, and the turns that it shares were lost.
    pub lost_shared: bool,
    /// The path of the damaged file, which has the texts of the conversation. It is removed when
    /// the session is cleared or deleted.
    pub damaged: PathBuf,
}

/// The turns that can be read, as a tree.
#[derive(Default)]
struct Readable {
    turns: Vec<(Turn, BranchPoint)>,
    /// The numbers of turns and messages up to each turn.
    ends: HashMap<TurnId, (u64, u64)>,
    tip: Option<TurnId>,
    properties: Properties,
}

impl Readable {
    /// Adds the turns that a fork shares. Returns whether they can be read.
    fn add_shared(&mut self, paths: &SessionPaths, header: &Header) -> bool {
        let mut index = Index::empty(header.clone());
        if index.read_shared(paths.folder()).is_err() {
            return false;
        }
        let entries = (1..).zip(index.turns.oldest_first(index.tip));
        self.ends = entries.map(|(turns, entry)| (entry.id, (turns, entry.end()))).collect();
        self.tip = header.base.map(|base| base.after);
        true
    }

    fn point(&self, after: Option<TurnId>) -> BranchPoint {
        let end = after.and_then(|turn| self.ends.get(&turn)).copied();
        let (turns, messages) = end.unwrap_or_default();
        BranchPoint { after, turns, messages }
    }

    /// Adds a line. A turn that follows a lost one follows the tip.
    fn add(&mut self, content: Content<Turn>) {
        let is_known =
            |after: Option<TurnId>| after.is_none_or(|turn| self.ends.contains_key(&turn));
        let (turn, after, is_tip) = match content {
            Content::Turn(turn, _) => (turn, self.tip, true),
            Content::Branch { turn, point, is_tip } => {
                let after = if is_known(point.after) { point.after } else { self.tip };
                (turn, after, is_tip)
            }
            Content::Tip(point) if is_known(point.after) => {
                self.tip = point.after;
                return;
            }
            Content::Title(title) => {
                self.properties.title = title.text;
                return self.properties.begin(title.at);
            }
            Content::Label(label) => {
                self.properties.set_label(label.name, label.value);
                return self.properties.begin(label.at);
            }
            Content::Tip(_) | Content::Note(_) => return,
        };
        if self.ends.contains_key(&turn.id()) {
            return;
        }
        let point = self.point(after);
        let messages = point.messages + turn.messages().len() as u64;
        self.ends.insert(turn.id(), (point.turns + 1, messages));
        if is_tip {
            self.tip = Some(turn.id());
        }
        self.turns.push((turn, point));
    }
}

/// Gives the damaged file another name, under which it is kept.
fn keep(paths: &SessionPaths) -> io::Result<PathBuf> {
    let mut numbers = (1..=u32::MAX).map(|number| paths.damaged(number));
    // The session is locked, so that no other repair takes the name.
    let free = numbers.find(|path| fs::symlink_metadata(path).is_err());
    let damaged = free.unwrap_or_else(|| paths.damaged(0));
    fs::hard_link(paths.file(), &damaged)
        .or_else(|_| fs::copy(paths.file(), &damaged).map(drop))?;
    Ok(damaged)
}

pub(crate) fn repair(paths: &SessionPaths, session: &SessionId) -> Result<Repaired, HistoryError> {
    let mut reader = BufReader::new(file_io::open(&paths.file()).map_err(io_error)?);
    let (mut readable, mut lost, mut lost_shared) = (Readable::default(), Vec::new(), false);
    let (mut epoch, mut base) = (None, None);
    let mut line = Vec::new();
    for number in 1_u64.. {
        line.clear();
        if reader.read_until(b'\n', &mut line).map_err(io_error)? == 0 {
            break;
        }
        let text = log_record::trim(&line);
        if number == 1 {
            match Header::read(&line) {
                Ok(header) => {
                    epoch = Some(header.epoch);
                    readable.properties = header.properties.clone();
                    lost_shared = !readable.add_shared(paths, &header);
                    base = header.base.filter(|_| !lost_shared);
                }
                Err(_) => lost.push(number),
            }
            continue;
        }
        let is_whole = log_record::is_whole(text);
        let parsed = if is_whole { serde_json::from_slice::<Line<Turn>>(text).ok() } else { None };
        match parsed.and_then(Line::content) {
            Some(content) => readable.add(content),
            None => lost.push(number),
        }
    }
    let damaged = keep(paths).map_err(io_error)?;
    // The unknown epoch must not recur. Seconds since 1970 are more than any session was cleared.
    let seconds = clock::millis(SystemTime::now()) / 1000;
    let epoch = epoch.map_or(seconds, |epoch| epoch.saturating_add(1));
    let header = Header::new(Some(session.clone()), epoch)
        .with_base(base)
        .with_properties(readable.properties.clone());
    let mut rewritten = Rewritten::begin(&header)?;
    for (turn, point) in &readable.turns {
        rewritten.add(turn, *point)?;
    }
    rewritten.set_tip(readable.point(readable.tip))?;
    paths.replace(&rewritten.bytes, false)?;
    Ok(Repaired { turns: readable.turns.len(), lost, lost_shared, damaged })
}

//! Conversations from any history to any other, by way of lines of JSON or directly.

use std::io::{self, BufRead, Write};

use conversant_core::{ChatHistory, Expect, HistoryError, Range, SessionId, Turn};
use serde::{Deserialize, Serialize};

/// How many sessions are asked for at a time.
const PAGE: usize = 256;

/// A line of an export: a turn, and the session that it is of.
#[derive(Serialize, Deserialize)]
struct Line<S, T> {
    session: S,
    turn: T,
}

/// How far a transfer has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// How many sessions were begun.
    pub sessions: u64,
    /// How many turns were transferred, those that were there already among them.
    pub turns: u64,
}

/// A transfer that could not be finished. What was transferred before stays, and doing it again adds nothing twice.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransferError {
    /// A history failed.
    #[error("a history failed in the middle of a transfer")]
    History(#[source] HistoryError),
    /// The lines could not be read or written.
    #[error("the lines of a transfer can't be read or written")]
    Io(#[source] io::Error),
    /// A line is no turn of a session.
    #[error("line {line} is no turn of a session")]
    Line {
        /// Its number, counted from 1.
        line: u64,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

impl From<HistoryError> for TransferError {
    fn from(error: HistoryError) -> Self {
        Self::History(error)
    }
}

impl From<io::Error> for TransferError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Writes every turn of a history as a line of JSON, `{"session": …, "turn": …}`, session by session in their order.
///
/// The history has to be able to list its sessions and to load turns. A session that is written to meanwhile is exported as it is when
/// its turn comes. `progress` is told of each session when it is done. Writing blocks: in a server, do this on a thread of its own.
///
/// # Errors
/// [`TransferError`], if the history or the writer fails.
///
/// # Examples
///
/// ```
/// use conversant_core::{ChatHistory, Expect, SessionId, Turn};
/// use conversant_history_jsonl::{JsonlHistory, export, import};
/// use conversant_memory::InMemoryHistory;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// let history = JsonlHistory::open(folder.path())?;
/// let session = SessionId::new("user-7")?;
/// history.append(&session, &Turn::exchange("Hi there my friend", "Hello!"), Expect::Any).await?;
///
/// let mut lines = Vec::new();
/// export(&history, &mut lines, |_| {}).await?;
///
/// let other = InMemoryHistory::new();
/// let done = import(&other, lines.as_slice(), |_| {}).await?;
/// assert_eq!(done.turns, 1);
/// # Ok(())
/// # }
/// ```
pub async fn export(
    history: &dyn ChatHistory,
    mut to: impl Write + Send,
    progress: impl FnMut(Progress) + Send,
) -> Result<Progress, TransferError> {
    let mut pages = Sessions::new(history);
    let mut done = Counter::new(progress);
    while let Some((session, turns)) = pages.next().await? {
        for turn in &turns {
            serde_json::to_writer(&mut to, &Line { session: &session, turn })
                .map_err(io::Error::from)?;
            to.write_all(b"\n")?;
        }
        done.add(turns.len());
    }
    to.flush()?;
    Ok(done.progress)
}

/// Appends the turns of an [`export`] to a history, after what is there. A turn that is there already is not added again.
///
/// `progress` is told of each turn. Reading blocks: in a server, do this on a thread of its own.
///
/// # Errors
/// [`TransferError`], if the history or the reader fails, or a line is no turn of a session; empty lines are passed over.
pub async fn import(
    history: &dyn ChatHistory,
    from: impl BufRead + Send,
    mut progress: impl FnMut(Progress) + Send,
) -> Result<Progress, TransferError> {
    let mut done = Progress::default();
    let mut last = None;
    for (text, number) in from.lines().zip(1..) {
        let text = text?;
        if text.trim().is_empty() {
            continue;
        }
        let Line::<SessionId, Turn> { session, turn } = serde_json::from_str(&text)
            .map_err(|source| TransferError::Line { line: number, source })?;
        history.append(&session, &turn, Expect::Any).await?;
        done.turns += 1;
        if last.as_ref() != Some(&session) {
            done.sessions += 1;
            last = Some(session);
        }
        progress(done);
    }
    Ok(done)
}

/// Appends every turn of one history to another: how conversations move from one store to another, LangChain's tables among them. A turn
/// that is there already is not added again, so it can be repeated, and what was interrupted can be finished.
///
/// The history they come from has to be able to list its sessions and to load turns. `progress` is told of each session when it is done.
///
/// # Errors
/// [`TransferError`], if one of the two histories fails.
///
/// # Examples
///
/// ```
/// use conversant_core::{ChatHistory, Expect, Range, SessionId, Turn};
/// use conversant_history_jsonl::{JsonlHistory, copy};
/// use conversant_memory::InMemoryHistory;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// let (old, new) = (JsonlHistory::open(folder.path())?, InMemoryHistory::new());
/// let session = SessionId::new("user-7")?;
/// old.append(&session, &Turn::exchange("Hi there my friend", "Hello!"), Expect::Any).await?;
///
/// copy(&old, &new, |so_far| println!("{} sessions", so_far.sessions)).await?;
/// assert_eq!(new.load(&session, Range::All).await?.messages.len(), 2);
/// # Ok(())
/// # }
/// ```
pub async fn copy(
    from: &dyn ChatHistory,
    to: &dyn ChatHistory,
    progress: impl FnMut(Progress) + Send,
) -> Result<Progress, TransferError> {
    let mut pages = Sessions::new(from);
    let mut done = Counter::new(progress);
    while let Some((session, turns)) = pages.next().await? {
        for turn in &turns {
            to.append(&session, turn, Expect::Any).await?;
        }
        done.add(turns.len());
    }
    Ok(done.progress)
}

/// The sessions of a history, in their order, with their turns.
struct Sessions<'h> {
    history: &'h dyn ChatHistory,
    page: std::vec::IntoIter<SessionId>,
    last: Option<SessionId>,
}

impl<'h> Sessions<'h> {
    fn new(history: &'h dyn ChatHistory) -> Self {
        Self { history, page: Vec::new().into_iter(), last: None }
    }

    async fn next(&mut self) -> Result<Option<(SessionId, Vec<Turn>)>, HistoryError> {
        if self.page.len() == 0 {
            self.page = self.history.sessions(self.last.as_ref(), PAGE).await?.into_iter();
        }
        let Some(session) = self.page.next() else { return Ok(None) };
        self.last = Some(session.clone());
        let turns = self.history.turns(&session, Range::All).await?;
        Ok(Some((session, turns)))
    }
}

/// Counts what is done, and tells of it.
struct Counter<F> {
    progress: Progress,
    tell: F,
}

impl<F: FnMut(Progress)> Counter<F> {
    fn new(tell: F) -> Self {
        Self { progress: Progress::default(), tell }
    }

    /// Counts a session.
    fn add(&mut self, turns: usize) {
        self.progress.sessions += 1;
        self.progress.turns += turns as u64;
        (self.tell)(self.progress);
    }
}

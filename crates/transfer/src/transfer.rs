//! Export, import and copying of the conversations of any history.

use std::{
    fmt,
    io::{self, BufRead, Write},
};

use conversant_core::{ChatHistory, Expect, HistoryError, Range, SessionId, Turn};
use serde::{Deserialize, Serialize};

/// The number of sessions listed at a time.
const PAGE: usize = 256;

/// A line of an export: a turn and its session.
#[derive(Serialize, Deserialize)]
struct Line<S, T> {
    session: S,
    turn: T,
}

/// The progress of a transfer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// The number of sessions that were started.
    pub sessions: u64,
    /// The number of turns that were transferred, including those that were stored already.
    pub turns: u64,
}

/// A transfer that failed. What was transferred before remains; repeating the transfer adds nothing
/// twice.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum TransferError {
    /// A history failed.
    #[error("cannot transfer a session")]
    History(#[source] HistoryError),
    /// The lines cannot be read or written.
    #[error("cannot read or write the lines")]
    Io(#[source] io::Error),
    /// A line is not a turn of a session. The error quotes none of it.
    #[error("cannot import line {line}: {fault} at byte {column}")]
    Line {
        /// The number of the line, counted from 1.
        line: u64,
        /// The place in the line, counted from 1.
        column: usize,
        /// The fault.
        fault: LineFault,
    },
}

conversant_core::debug_as_report!(TransferError);

/// A fault of a line that is imported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LineFault {
    /// The line is not UTF-8.
    Encoding,
    /// The line is not JSON, or ends too early.
    Syntax,
    /// The line is JSON, but has a missing, unknown or invalid value.
    Value,
}

impl fmt::Display for LineFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Encoding => "invalid UTF-8",
            Self::Syntax => "invalid JSON",
            Self::Value => "missing or invalid value",
        })
    }
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

/// Writes every turn of a history as a line of JSON, `{"session": …, "turn": …}`, session by
/// session in their order.
///
/// The history must support listing sessions and loading turns. A session that is written meanwhile
/// is exported as it is when it is reached. `progress` is called after each session. Writing
/// blocks; in a server, use a blocking thread.
///
/// # Errors
/// [`TransferError`], if the history or the writer fails.
///
/// # Examples
///
/// ```
/// use conversant_core::{ChatHistory, Expect, SessionId, Turn};
/// use conversant_history_jsonl::JsonlHistory;
/// use conversant_memory::InMemoryHistory;
/// use conversant_transfer::{export, import};
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

/// Appends the turns of an [`export`] to a history, after the turns that it has. A turn that is
/// stored already is not appended again.
///
/// `progress` is called after each turn. Empty lines are skipped. Reading blocks; in a server, use
/// a blocking thread.
///
/// # Errors
/// [`TransferError`], if the history or the reader fails, or a line is not a turn of a session.
pub async fn import(
    history: &dyn ChatHistory,
    from: impl BufRead + Send,
    mut progress: impl FnMut(Progress) + Send,
) -> Result<Progress, TransferError> {
    let mut done = Progress::default();
    let mut last = None;
    for (line, number) in from.split(b'\n').zip(1..) {
        let line = line?;
        if line.trim_ascii().is_empty() {
            continue;
        }
        let Line { session, turn }: Line<SessionId, Turn> =
            serde_json::from_slice(&line).map_err(|error| invalid_line(number, &line, &error))?;
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

/// Appends every turn of one history to another, for example to move conversations out of
/// LangChain's tables. A turn that is stored already is not appended again, so a transfer can be
/// repeated, and one that was interrupted can be finished.
///
/// The source must support listing sessions and loading turns. `progress` is called after each
/// session.
///
/// # Errors
/// [`TransferError`], if one of the histories fails.
///
/// # Examples
///
/// ```
/// use conversant_core::{ChatHistory, Expect, Range, SessionId, Turn};
/// use conversant_history_jsonl::JsonlHistory;
/// use conversant_memory::InMemoryHistory;
/// use conversant_transfer::copy;
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

fn invalid_line(number: u64, line: &[u8], error: &serde_json::Error) -> TransferError {
    let (fault, column) = match std::str::from_utf8(line) {
        Err(invalid) => (LineFault::Encoding, invalid.valid_up_to() + 1),
        Ok(_) if error.is_data() => (LineFault::Value, error.column()),
        Ok(_) => (LineFault::Syntax, error.column()),
    };
    TransferError::Line { line: number, column, fault }
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

/// Counts what is transferred, and reports it.
struct Counter<F> {
    progress: Progress,
    report: F,
}

impl<F: FnMut(Progress)> Counter<F> {
    fn new(report: F) -> Self {
        Self { progress: Progress::default(), report }
    }

    /// Counts a session.
    fn add(&mut self, turns: usize) {
        self.progress.sessions += 1;
        self.progress.turns += turns as u64;
        (self.report)(self.progress);
    }
}

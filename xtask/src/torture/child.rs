//! The child processes: they append, and report each append that is done.

use std::{
    error::Error,
    io::{self, BufRead, BufReader, Write},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use conversant_core::{ChatHistory, Expect, HistoryError, Range, SessionId};
use conversant_testkit::block_on;
use tokio::runtime::Runtime;

use super::{
    brancher::{Brancher, Stored},
    store::{Store, kind, session, shown},
    turns,
};
use crate::verdict::Verdict;

/// The pause after an operation that failed, such as that of a server which restarts.
const PAUSE: Duration = Duration::from_millis(5);

/// The way in which a process appends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// Appends after any other turn.
    Any,
    /// Appends after the version that it has loaded, or not at all.
    Exactly,
    /// Appends under a lease.
    Lease,
    /// Appends until an error.
    UntilError,
    /// Regenerates, edits, undoes and forks.
    Branches,
}

const MODES: [(&str, Mode); 5] = [
    ("any", Mode::Any),
    ("exactly", Mode::Exactly),
    ("lease", Mode::Lease),
    ("until-error", Mode::UntilError),
    ("branches", Mode::Branches),
];

/// The task of a child process.
pub(super) struct Task<'t> {
    pub(super) mode: Mode,
    pub(super) store: Store,
    pub(super) folder: &'t Path,
    pub(super) session: &'t str,
    pub(super) writer: u64,
    pub(super) turns: u64,
}

impl Task<'_> {
    /// Returns the command of a process that does it.
    pub(super) fn command(&self) -> Result<Command, Box<dyn Error>> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["torture", "--child"]).args(self.arguments()?);
        command.stdout(Stdio::piped());
        Ok(command)
    }

    fn arguments(&self) -> Result<[String; 6], Box<dyn Error>> {
        let mode = MODES.iter().find(|(_, mode)| *mode == self.mode).map(|(name, _)| *name);
        let folder = self.folder.to_str().ok_or("the folder's name is not UTF-8")?;
        Ok([
            mode.unwrap_or_default().to_owned(),
            self.store.to_string(),
            folder.to_owned(),
            self.session.to_owned(),
            self.writer.to_string(),
            self.turns.to_string(),
        ])
    }
}

/// Returns the reports of a process: a word and its details.
pub(super) fn said(child: &mut Child) -> io::Result<Vec<(String, String)>> {
    let Some(output) = child.stdout.take() else { return Ok(Vec::new()) };
    let mut said = Vec::new();
    for line in BufReader::new(output).lines() {
        // The last line of a killed process can be incomplete.
        if let Some((word, rest)) = line?.split_once(' ')
            && let Some(rest) = rest.strip_suffix('.')
        {
            said.push((word.to_owned(), rest.to_owned()));
        }
    }
    Ok(said)
}

/// Runs a child process.
pub(super) fn run(arguments: &[String]) -> Verdict {
    let [mode, store, folder, name, writer, turns] = arguments else {
        return Err("a child process takes six arguments".into());
    };
    let mode = MODES.iter().find(|(known, _)| known == mode).ok_or("unknown mode")?.1;
    let session = session(name)?;
    // For the stores on a server.
    let runtime = Runtime::new()?;
    let _entered = runtime.enter();
    let history = match store.parse::<Store>()?.open(folder) {
        Ok(history) => history,
        Err(error) => {
            say("error", &format!("{} {}", kind(&error), shown(&error)))?;
            return Ok(true);
        }
    };
    let writer = writer.parse()?;
    let mut brancher = Brancher::new(writer);
    for number in 0..turns.parse()? {
        if mode == Mode::Branches {
            match brancher.run(&*history, &session, number) {
                Ok(Stored::Turn(id)) => say("done", &id.to_string())?,
                Ok(Stored::Fork(id, name)) => say("fork", &format!("{id} {name}"))?,
                Ok(Stored::Nothing) => {}
                Err(error) => {
                    say("error", &format!("{} {}", kind(&error), shown(&error)))?;
                    thread::sleep(PAUSE);
                }
            }
            continue;
        }
        let turn = turns::turn(writer, number);
        let outcome = match mode {
            Mode::Any | Mode::UntilError | Mode::Branches => {
                block_on(history.append(&session, &turn, Expect::Any)).map(drop)
            }
            Mode::Exactly => exactly(&*history, &session, &turn),
            Mode::Lease => leased(&*history, &session, &turn),
        };
        match outcome {
            Ok(()) => say("done", &turn.id().to_string())?,
            Err(error) => {
                say("error", &format!("{} {}", kind(&error), shown(&error)))?;
                if mode == Mode::UntilError {
                    break;
                }
            }
        }
    }
    say("end", "")?;
    Ok(true)
}

/// Appends after the version that it has loaded, once.
fn exactly(
    history: &dyn ChatHistory,
    session: &SessionId,
    turn: &conversant_core::Turn,
) -> Result<(), HistoryError> {
    let seen = block_on(history.load(session, Range::LastMessages(1)))?.version;
    block_on(history.append(session, turn, Expect::Exactly(seen))).map(drop)
}

/// Leases the session, appends, and releases it.
fn leased(
    history: &dyn ChatHistory,
    session: &SessionId,
    turn: &conversant_core::Turn,
) -> Result<(), HistoryError> {
    let lease = loop {
        match block_on(history.lease(session, Duration::from_secs(60))) {
            Ok(lease) => break lease,
            Err(HistoryError::Busy) => thread::sleep(Duration::from_millis(2)),
            Err(error) => return Err(error),
        }
    };
    let outcome = exactly(history, session, turn);
    if let Some(lease) = lease {
        block_on(history.release(&lease))?;
    }
    outcome
}

/// Writes a report as one line and flushes it.
fn say(word: &str, what: &str) -> io::Result<()> {
    let mut output = io::stdout().lock();
    output.write_all(format!("{word} {what}.\n").as_bytes())?;
    output.flush()
}

//! Where a session's files are, the lock over them, and the lease that is kept in the lock's file.

use std::{
    fs::{self, File, OpenOptions},
    io::{ErrorKind, Read, Seek, Write},
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use conversant_core::{HistoryError, SessionId, TurnId};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::failure::failure;

/// How a conversation's file ends.
pub(crate) const ENDING: &str = "jsonl";

/// A session's files. Their name is the SHA-256 of the session's id: an id is never part of a path, and no file system takes two ids for
/// one.
#[derive(Clone)]
pub(crate) struct Place {
    folder: PathBuf,
    name: String,
}

impl Place {
    pub(crate) fn new(folder: &Path, session: &SessionId) -> Self {
        let digest = Sha256::digest(session.as_str().as_bytes());
        let name = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        Self { folder: folder.to_owned(), name }
    }

    /// Returns the path of the conversation's file.
    pub(crate) fn file(&self) -> PathBuf {
        self.with_ending(ENDING)
    }

    /// Returns the path of the session's file with this ending.
    pub(crate) fn with_ending(&self, ending: &str) -> PathBuf {
        self.folder.join(format!("{}.{ending}", self.name))
    }

    /// Waits for those who write, and keeps them away.
    pub(crate) fn read(&self) -> Result<Lock, HistoryError> {
        let file = self.lock_file()?;
        file.lock_shared().map_err(failure)?;
        Ok(Lock(file))
    }

    /// Waits for everybody else, and keeps them away.
    pub(crate) fn write(&self) -> Result<Lock, HistoryError> {
        let file = self.lock_file()?;
        file.lock().map_err(failure)?;
        Ok(Lock(file))
    }

    /// The lock has a file of its own, because the conversation's file is replaced at times.
    fn lock_file(&self) -> Result<File, HistoryError> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        options.open(self.with_ending("lock")).map_err(failure)
    }

    /// Puts a file in the place of the one that is there, at one moment and for good.
    pub(crate) fn replace(&self, bytes: &[u8]) -> Result<(), HistoryError> {
        // Whoever was killed here before left a file of this name, which is written over.
        let new = self.with_ending("new");
        let write = || {
            let mut file = File::create(&new)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&new, self.file())?;
            self.sync_folder()
        };
        write().map_err(|error| {
            let _ = fs::remove_file(&new);
            failure(error)
        })
    }

    /// Makes the folder's names durable, where folders can be opened.
    pub(crate) fn sync_folder(&self) -> std::io::Result<()> {
        if cfg!(unix) { File::open(&self.folder)?.sync_all() } else { Ok(()) }
    }
}

/// A lock, until it is dropped. A process that ends gives up its own.
pub(crate) struct Lock(File);

/// Who has leased the session, and until when, in milliseconds since 1970.
#[derive(Serialize, Deserialize)]
struct Held {
    holder: TurnId,
    until: u64,
}

impl Lock {
    /// Leases the session, if nobody has or the time is up.
    pub(crate) fn lease(&mut self, time: Duration) -> Result<TurnId, HistoryError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        if self.held()?.is_some_and(|held| millis(now) < held.until) {
            return Err(HistoryError::Busy);
        }
        let holder = TurnId::random();
        self.hold(Some(&Held { holder, until: millis(now.saturating_add(time)) }))?;
        Ok(holder)
    }

    /// Gives a lease back, if it still holds.
    pub(crate) fn release(&mut self, holder: TurnId) -> Result<(), HistoryError> {
        match self.held()? {
            Some(held) if held.holder == holder => self.hold(None),
            _ => Ok(()),
        }
    }

    fn held(&mut self) -> Result<Option<Held>, HistoryError> {
        let mut text = String::new();
        self.0.rewind().map_err(failure)?;
        match self.0.read_to_string(&mut text) {
            Err(error) if error.kind() != ErrorKind::InvalidData => Err(failure(error)),
            // What somebody was killed writing is no lease.
            _ => Ok(serde_json::from_str(&text).ok()),
        }
    }

    pub(crate) fn end_lease(&mut self) -> Result<(), HistoryError> {
        self.hold(None)
    }

    fn hold(&mut self, held: Option<&Held>) -> Result<(), HistoryError> {
        let text = held.and_then(|held| serde_json::to_string(held).ok()).unwrap_or_default();
        self.0.set_len(0).and_then(|()| self.0.rewind()).map_err(failure)?;
        self.0.write_all(text.as_bytes()).map_err(failure)
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

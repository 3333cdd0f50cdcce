//! The lock of a session, and the lease that its file contains.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, ErrorKind, Read, Seek, Write},
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use conversant_core::{HistoryError, TurnId};
use conversant_history::{FileIdentity, lease_holder};
use serde::{Deserialize, Serialize};

use crate::{error::io_error, paths::SessionPaths};

/// How an operation locks a session.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum LockMode {
    /// With other readers. A session without a file needs no lock, and leaves none behind.
    Shared,
    /// Alone.
    Exclusive,
}

/// A lock file that is open.
pub(crate) struct LockFile {
    file: File,
    path: PathBuf,
    mode: LockMode,
}

impl LockFile {
    /// Opens the lock file of a session, or returns `None` if the operation needs no lock.
    pub(crate) fn open(paths: &SessionPaths, mode: LockMode) -> Result<Option<Self>, HistoryError> {
        if mode == LockMode::Shared && !paths.file().exists() {
            return Ok(None);
        }
        let path = paths.lock();
        let file = match open(&path) {
            // A reader cannot create the file where nothing can be written.
            Err(error) if mode == LockMode::Shared && is_read_only(&error) => {
                match File::open(&path) {
                    Ok(file) => file,
                    Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
                    Err(error) => return Err(io_error(error)),
                }
            }
            file => file.map_err(io_error)?,
        };
        Ok(Some(Self { file, path, mode }))
    }

    /// Acquires the lock if no other process or store holds it, and gives the file back otherwise.
    pub(crate) fn try_lock(mut self) -> Result<Result<SessionLock, Self>, HistoryError> {
        loop {
            let locked = match self.mode {
                LockMode::Shared => self.file.try_lock_shared(),
                LockMode::Exclusive => self.file.try_lock(),
            };
            match locked {
                Ok(()) if self.is_current()? => return Ok(Ok(SessionLock(self.file))),
                // The folder was emptied, and others lock another file of this name.
                Ok(()) => self.file = open(&self.path).map_err(io_error)?,
                Err(TryLockError::WouldBlock) => return Ok(Err(self)),
                Err(TryLockError::Error(error)) => return Err(io_error(error)),
            }
        }
    }

    /// Returns whether the file still has its name.
    fn is_current(&self) -> Result<bool, HistoryError> {
        match FileIdentity::of(&self.path) {
            Ok(identity) => Ok(identity.is_of(&self.file.metadata().map_err(io_error)?)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(io_error(error)),
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)
}

fn is_read_only(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem)
}

/// A lock that is held until it is dropped, or the process ends.
pub(crate) struct SessionLock(File);

/// A lease, as the lock file contains it.
#[derive(Serialize, Deserialize)]
struct StoredLease {
    holder: TurnId,
    /// The time at which it expires, in milliseconds since 1970.
    until: u64,
}

impl SessionLock {
    /// Leases the session, unless another lease of it has not expired.
    pub(crate) fn acquire_lease(&mut self, time: Duration) -> Result<TurnId, HistoryError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        if self.lease()?.is_some_and(|lease| millis(now) < lease.until) {
            return Err(HistoryError::Busy);
        }
        let holder = lease_holder()?;
        self.write(Some(&StoredLease { holder, until: millis(now.saturating_add(time)) }))?;
        Ok(holder)
    }

    /// Releases a lease. Does nothing if another holder has the session.
    pub(crate) fn release_lease(&mut self, holder: TurnId) -> Result<(), HistoryError> {
        match self.lease()? {
            Some(lease) if lease.holder == holder => self.write(None),
            _ => Ok(()),
        }
    }

    /// Removes the lease of any holder.
    pub(crate) fn remove_lease(&mut self) -> Result<(), HistoryError> {
        self.write(None)
    }

    fn lease(&mut self) -> Result<Option<StoredLease>, HistoryError> {
        let mut text = String::new();
        self.0.rewind().map_err(io_error)?;
        match self.0.read_to_string(&mut text) {
            Err(error) if error.kind() != ErrorKind::InvalidData => Err(io_error(error)),
            // A text that was not written completely is not a lease.
            _ => Ok(serde_json::from_str(&text).ok()),
        }
    }

    fn write(&mut self, lease: Option<&StoredLease>) -> Result<(), HistoryError> {
        let text = lease.and_then(|lease| serde_json::to_string(lease).ok()).unwrap_or_default();
        self.0.set_len(0).and_then(|()| self.0.rewind()).map_err(io_error)?;
        self.0.write_all(text.as_bytes()).map_err(io_error)
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

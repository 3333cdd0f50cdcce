//! The lock of a session, and the lease that its file contains.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{ErrorKind, Read, Seek, Write},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use conversant_core::{HistoryError, TurnId};
use conversant_history::lease_holder;
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
    mode: LockMode,
}

impl LockFile {
    /// Opens the lock file of a session, or returns `None` if the operation needs no lock.
    pub(crate) fn open(paths: &SessionPaths, mode: LockMode) -> Result<Option<Self>, HistoryError> {
        if mode == LockMode::Shared && !paths.file().exists() {
            return Ok(None);
        }
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let file = options.open(paths.lock()).map_err(io_error)?;
        Ok(Some(Self { file, mode }))
    }

    /// Acquires the lock if no other process or store holds it, and gives the file back otherwise.
    pub(crate) fn try_lock(self) -> Result<Result<SessionLock, Self>, HistoryError> {
        let locked = match self.mode {
            LockMode::Shared => self.file.try_lock_shared(),
            LockMode::Exclusive => self.file.try_lock(),
        };
        match locked {
            Ok(()) => Ok(Ok(SessionLock(self.file))),
            Err(TryLockError::WouldBlock) => Ok(Err(self)),
            Err(TryLockError::Error(error)) => Err(io_error(error)),
        }
    }
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

//! The lock of a session, and the lease that its file contains.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, ErrorKind, Read, Seek, Write},
    path::Path,
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use conversant_core::{HistoryError, LeaseHolder, TurnId};
use conversant_history::{begins_later, lease_holder_at};
use serde::{Deserialize, Serialize};

use crate::{
    error::{io_error, no_folder, read_error},
    open_file::OpenFile,
    open_files::SessionFiles,
    page_cache::Source,
    paths::SessionPaths,
};

/// The pauses between attempts to lock a file: the first, which doubles up to the last.
pub(crate) const PAUSES: (Duration, Duration) =
    (Duration::from_millis(1), Duration::from_millis(20));

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
    file: OpenFile,
    mode: LockMode,
    /// Whether an earlier operation opened it: it may have lost its name since.
    was_open: bool,
    /// The file of the conversation, which a writer locks too.
    data: Option<DataFile>,
}

/// The file of a conversation, before it is locked.
struct DataFile {
    paths: SessionPaths,
    /// The file, if an earlier operation opened it.
    open: Option<OpenFile>,
}

impl LockFile {
    /// Opens the lock file of a session for a writer, unless it is among the session's open files.
    pub(crate) fn exclusive(
        paths: SessionPaths,
        open_files: Option<SessionFiles>,
    ) -> Result<Self, HistoryError> {
        let was_open = open_files.is_some();
        let (file, data) = match open_files {
            Some(files) => (files.lock, files.data),
            None => (open(&paths.lock()).map_err(io_error)?, None),
        };
        let data = Some(DataFile { paths, open: data });
        Ok(Self { file, mode: LockMode::Exclusive, was_open, data })
    }

    /// Opens the lock file of a session for a reader, or returns `None` if it needs no lock.
    pub(crate) fn shared(paths: &SessionPaths) -> Result<Option<Self>, HistoryError> {
        let path = paths.lock();
        let file = match OpenFile::open(&options(), &path) {
            Err(error) if error.kind() == ErrorKind::NotFound && !paths.file().exists() => {
                // Only a missing file is an empty session.
                return match paths.folder().is_dir() {
                    true => Ok(None),
                    false => Err(no_folder(paths.folder(), error)),
                };
            }
            Err(error) if error.kind() == ErrorKind::NotFound => open(&path),
            file => file,
        };
        let file = match file {
            // A reader cannot create the file where nothing can be written.
            Err(error) if is_read_only(&error) => match OpenFile::read(&path) {
                Ok(file) => file,
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(read_error(&path, error)),
            },
            file => file.map_err(io_error)?,
        };
        Ok(Some(Self { file, mode: LockMode::Shared, was_open: false, data: None }))
    }

    /// Locks a file that belongs to no session, which is created if it does not exist. Waits for
    /// another process until `deadline`, if there is one.
    ///
    /// # Errors
    /// [`HistoryError::Busy`] once the time is over.
    pub(crate) fn wait(
        path: &Path,
        deadline: Option<Instant>,
    ) -> Result<SessionLock, HistoryError> {
        let file = open(path).map_err(io_error)?;
        let mut lock = Self { file, mode: LockMode::Exclusive, was_open: false, data: None };
        let (mut pause, longest) = PAUSES;
        loop {
            match lock.try_lock()? {
                Ok(locked) => return Ok(locked),
                Err(_) if deadline.is_some_and(|deadline| Instant::now() >= deadline) => {
                    return Err(HistoryError::Busy);
                }
                Err(file) => lock = file,
            }
            thread::sleep(pause);
            pause = (pause * 2).min(longest);
        }
    }

    /// Acquires the lock if no other process or store holds it, and gives the file back otherwise.
    ///
    /// A reader that locks a file which was removed sees only turns that are being written as not
    /// there yet, so that it need not compare the file with its name. Nor need a writer that has
    /// opened the file just now and has locked the conversation's.
    pub(crate) fn try_lock(mut self) -> Result<Result<SessionLock, Self>, HistoryError> {
        loop {
            let is_locked = match lock(&self.file.file, self.mode) {
                Ok(()) => true,
                Err(TryLockError::WouldBlock) => false,
                Err(TryLockError::Error(error)) => return Err(io_error(error)),
            };
            if self.was_open && !self.file.has_name().map_err(io_error)? {
                self.open_again()?;
                continue;
            }
            if !is_locked {
                return Ok(Err(self));
            }
            let data = match &mut self.data {
                Some(data) => data.lock()?,
                None => Ok(None),
            };
            let Ok(data) = data else {
                self.file.file.unlock().map_err(io_error)?;
                return Ok(Err(self));
            };
            let is_checked =
                self.was_open || self.mode == LockMode::Shared || (cfg!(unix) && data.is_some());
            if is_checked || self.file.has_name().map_err(io_error)? {
                return Ok(Ok(SessionLock { file: self.file, mode: self.mode, data }));
            }
            self.open_again()?;
        }
    }

    /// Opens the file that has the name now. The folder was emptied, and others lock that file.
    fn open_again(&mut self) -> Result<(), HistoryError> {
        self.file = open(self.file.path()).map_err(io_error)?;
        self.was_open = false;
        Ok(())
    }
}

/// Another process holds the lock.
struct WouldBlock;

impl DataFile {
    /// Opens and locks the file, so that a lock file that is removed while another process uses it
    /// does not let a second process write. Returns `None` if there is no file.
    ///
    /// Elsewhere than on Unix a lock would keep this process from reading the file, and a file that
    /// is open cannot be removed: it is only opened there.
    fn lock(&mut self) -> Result<Result<Option<OpenFile>, WouldBlock>, HistoryError> {
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true);
        loop {
            let file = match self.open.take() {
                Some(file) => Ok(file),
                None => OpenFile::open(options, &self.paths.file()),
            };
            let mut file = match file {
                Ok(file) => file,
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Ok(None)),
                Err(error) => return Err(io_error(error)),
            };
            if cfg!(unix) {
                match file.file.try_lock() {
                    Ok(()) => {}
                    Err(TryLockError::WouldBlock) => return Ok(Err(WouldBlock)),
                    Err(TryLockError::Error(error)) => return Err(io_error(error)),
                }
            }
            if file.has_name().map_err(io_error)? {
                return Ok(Ok(Some(file)));
            }
            // It was replaced in the meantime.
        }
    }
}

fn lock(file: &File, mode: LockMode) -> Result<(), TryLockError> {
    match mode {
        LockMode::Shared => file.try_lock_shared(),
        LockMode::Exclusive => file.try_lock(),
    }
}

fn open(path: &Path) -> io::Result<OpenFile> {
    OpenFile::open(options().create(true).truncate(false), path)
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    // A lock file that is open cannot be removed: it is shared for reading and writing only.
    #[cfg(windows)]
    std::os::windows::fs::OpenOptionsExt::share_mode(&mut options, 3);
    options
}

fn is_read_only(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem)
}

/// A lock that is held until it is dropped, or the process ends.
pub(crate) struct SessionLock {
    file: OpenFile,
    mode: LockMode,
    /// The conversation's file, which a writer has locked.
    data: Option<OpenFile>,
}

/// Acquires the lock of a reader if that takes no wait. It is held until the file is dropped.
pub(crate) fn shared_at_once(paths: &SessionPaths) -> Option<File> {
    let file = Source::PageCache.open(&paths.lock()).ok()?;
    lock(&file, LockMode::Shared).ok()?;
    Some(file)
}

/// A lease, as the lock file contains it.
#[derive(Serialize, Deserialize)]
struct StoredLease {
    holder: String,
    /// The time at which it expires, in milliseconds since 1970.
    until: i128,
}

impl StoredLease {
    fn begins_later(&self, now: SystemTime) -> bool {
        let holder = self.holder.parse::<TurnId>();
        holder.is_ok_and(|id| begins_later(&LeaseHolder::from_bytes(*id.as_bytes()), now))
    }
}

impl SessionLock {
    /// Takes the file of the conversation, if there is one and the lock is a writer's.
    pub(crate) const fn take_data(&mut self) -> Option<OpenFile> {
        self.data.take()
    }

    /// Gives back the file of the conversation, which may be another one now.
    pub(crate) fn put_data(&mut self, data: Option<OpenFile>) {
        self.data = data;
    }

    /// Unlocks the files of a writer, and returns them. If that fails, they are closed, which
    /// unlocks them too.
    pub(crate) fn unlock(self) -> Option<SessionFiles> {
        let is_unlocked = |file: &OpenFile| file.file.unlock().is_ok();
        let data = self.data.filter(is_unlocked);
        let lock = Some(self.file).filter(|_| self.mode == LockMode::Exclusive);
        Some(SessionFiles { lock: lock.filter(is_unlocked)?, data })
    }

    /// Leases the session, unless another lease of it has not expired.
    pub(crate) fn acquire_lease(&self, time: Duration) -> Result<LeaseHolder, HistoryError> {
        let clock = SystemTime::now();
        let now = since_1970(clock);
        // The clock may have been ahead when it was acquired.
        let is_held = |lease: StoredLease| now < lease.until && !lease.begins_later(clock);
        if self.lease()?.is_some_and(is_held) {
            return Err(HistoryError::Busy);
        }
        let holder = lease_holder_at(clock)?;
        let until = (now + i128::from(millis(time))).min(u64::MAX.into());
        self.write(Some(&StoredLease { holder: holder.stored_text(), until }))?;
        Ok(holder)
    }

    /// Releases a lease. Does nothing if another holder has the session.
    pub(crate) fn release_lease(&self, holder: LeaseHolder) -> Result<(), HistoryError> {
        match self.lease()? {
            Some(lease) if lease.holder == holder.stored_text() => self.write(None),
            _ => Ok(()),
        }
    }

    /// Removes the lease of any holder.
    pub(crate) fn remove_lease(&self) -> Result<(), HistoryError> {
        self.write(None)
    }

    fn lease(&self) -> Result<Option<StoredLease>, HistoryError> {
        let mut text = String::new();
        let mut file = &self.file.file;
        file.rewind().map_err(io_error)?;
        match file.read_to_string(&mut text) {
            Err(error) if error.kind() != ErrorKind::InvalidData => Err(io_error(error)),
            // A text that was not written completely is not a lease.
            _ => Ok(serde_json::from_str(&text).ok()),
        }
    }

    fn write(&self, lease: Option<&StoredLease>) -> Result<(), HistoryError> {
        let text = lease.and_then(|lease| serde_json::to_string(lease).ok()).unwrap_or_default();
        let mut file = &self.file.file;
        file.set_len(0).and_then(|()| file.rewind()).map_err(io_error)?;
        file.write_all(text.as_bytes()).map_err(io_error)
    }
}

/// Returns the milliseconds since 1970. They are negative where the clock is not set, so that a
/// lease ends there too.
fn since_1970(time: SystemTime) -> i128 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => millis(since).into(),
        Err(before) => -i128::from(millis(before.duration())),
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

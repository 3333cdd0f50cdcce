//! Reading what the system has in memory, on a thread that must not wait for the disk.

use std::{fs::File, io, path::Path};

use crate::file_io;

/// Where an operation reads files.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// The disk, for which it may wait.
    Disk,
    /// The system's page cache. A read that would wait fails with
    /// [`ErrorKind::WouldBlock`](io::ErrorKind::WouldBlock).
    PageCache,
}

impl Source {
    /// Opens a file for reading.
    pub(crate) fn open(self, path: &Path) -> io::Result<File> {
        match self {
            Self::Disk => file_io::open(path),
            Self::PageCache => system::open(path),
        }
    }

    /// Reads exactly `length` bytes at an offset.
    pub(crate) fn read_at(self, file: &File, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        match self {
            Self::Disk => file_io::read_at(file, offset, length),
            Self::PageCache => system::read_at(file, offset, length),
        }
    }
}

#[cfg(target_os = "linux")]
mod system {
    use std::{
        fs::File,
        io::{self, ErrorKind, IoSliceMut},
        path::Path,
    };

    use rustix::{
        fs::{CWD, Mode, OFlags, ResolveFlags, openat2},
        io::{ReadWriteFlags, preadv2},
    };

    pub(super) fn open(path: &Path) -> io::Result<File> {
        // A pipe is opened without its other end, and is found not to be a file.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        Ok(openat2(CWD, path, flags, Mode::empty(), ResolveFlags::CACHED)?.into())
    }

    pub(super) fn read_at(file: &File, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        let mut buffers = [IoSliceMut::new(&mut bytes)];
        let read = preadv2(file, &mut buffers, offset, ReadWriteFlags::NOWAIT)?;
        // The rest is not in memory.
        if read == length { Ok(bytes) } else { Err(ErrorKind::WouldBlock.into()) }
    }
}

/// Other systems do not say whether a read would wait.
#[cfg(not(target_os = "linux"))]
mod system {
    use std::{
        fs::File,
        io::{self, ErrorKind},
        path::Path,
    };

    pub(super) fn open(_: &Path) -> io::Result<File> {
        Err(ErrorKind::WouldBlock.into())
    }

    pub(super) fn read_at(_: &File, _: u64, _: usize) -> io::Result<Vec<u8>> {
        Err(ErrorKind::WouldBlock.into())
    }
}

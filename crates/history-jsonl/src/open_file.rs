//! An open file that knows its name, and whether the name still belongs to it.

use std::{
    fs::{File, Metadata, OpenOptions},
    io,
    path::Path,
    time::SystemTime,
};

use conversant_history::FileIdentity;

use crate::file_io;

/// A file that is open, and its name.
pub(crate) struct OpenFile {
    pub(crate) file: File,
    /// Its state when it was opened, or checked last.
    pub(crate) state: FileState,
    identity: FileIdentity,
}

/// The length of a file, and the time of its last write if the system knows it.
#[derive(Clone, Copy)]
pub(crate) struct FileState {
    pub(crate) length: u64,
    pub(crate) written: Option<SystemTime>,
}

impl From<&Metadata> for FileState {
    fn from(metadata: &Metadata) -> Self {
        Self { length: metadata.len(), written: metadata.modified().ok() }
    }
}

impl OpenFile {
    /// Opens a file for reading.
    pub(crate) fn read(path: &Path) -> io::Result<Self> {
        Self::open(OpenOptions::new().read(true), path)
    }

    pub(crate) fn open(options: &OpenOptions, path: &Path) -> io::Result<Self> {
        Self::open_as(options, path, path)
    }

    /// Opens the file that will get the name `name`.
    pub(crate) fn open_as(options: &OpenOptions, path: &Path, name: &Path) -> io::Result<Self> {
        let (file, metadata) = file_io::open_with(options, path)?;
        let identity = FileIdentity::of_metadata(name, &metadata);
        Ok(Self { file, state: FileState::from(&metadata), identity })
    }

    pub(crate) fn path(&self) -> &Path {
        self.identity.path()
    }

    /// Returns whether the name still belongs to the file.
    pub(crate) fn has_name(&mut self) -> io::Result<bool> {
        let metadata = self.identity.current()?;
        self.state = metadata.as_ref().map_or(self.state, FileState::from);
        Ok(metadata.is_some())
    }

    /// Checks the state of the file, even if it has lost its name.
    pub(crate) fn check(&mut self) -> io::Result<()> {
        self.state = FileState::from(&self.file.metadata()?);
        Ok(())
    }
}

//! An open file that knows its name, and whether the name still belongs to it.

use std::{
    fs::{File, Metadata, OpenOptions},
    io,
    path::Path,
    time::SystemTime,
};

use conversant_history::FileIdentity;

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
        Self::new(File::open(path)?, path)
    }

    pub(crate) fn open(options: &OpenOptions, path: &Path) -> io::Result<Self> {
        Self::new(options.open(path)?, path)
    }

    /// Takes a file that was opened by a name.
    pub(crate) fn new(file: File, path: &Path) -> io::Result<Self> {
        let metadata = file.metadata()?;
        let identity = FileIdentity::of_metadata(path, &metadata);
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

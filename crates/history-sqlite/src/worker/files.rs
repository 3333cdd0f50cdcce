//! The files of an open store, and whether they are still the same.

use conversant_history::{SqliteFileFault, SqliteFiles};

use crate::{connection, options::Options};

/// The files of an open store. Each thread drops them after its connection.
pub(super) struct Files {
    files: SqliteFiles,
    options: Options,
}

impl Files {
    pub(super) fn new(files: SqliteFiles, options: &Options) -> Self {
        Self { files, options: options.clone() }
    }

    /// Checks the files after a read. One that failed may have missed a log, which another
    /// connection still has open.
    pub(super) fn check_read(&self, has_failed: bool) -> Result<(), SqliteFileFault> {
        if has_failed {
            return self.check_write();
        }
        self.files.check_read(|| connection::is_whole(&self.options))
    }

    /// Checks the files after a commit, before it is acknowledged.
    pub(super) fn check_write(&self) -> Result<(), SqliteFileFault> {
        self.files.check_write(|| connection::is_whole(&self.options))
    }
}

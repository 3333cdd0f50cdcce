//! The identity of an open file.

use std::{
    fs::{self, Metadata},
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

/// The identity of a file at the time at which it was opened.
///
/// A program that keeps a file open does not notice that another file has taken its name: what it
/// writes is gone with the old one. A store that compares identities before it acknowledges a write
/// notices that the file was moved, deleted or replaced, for example by a backup.
///
/// On systems other than Unix every file with the name is taken for the same one. Windows does not
/// let a file be replaced while it is open.
///
/// # Examples
///
/// ```
/// use conversant_history::FileIdentity;
///
/// # let folder = std::env::temp_dir().join(format!("identity-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder)?;
/// # let path = folder.join("chat.db");
/// std::fs::write(&path, "a")?;
/// let identity = FileIdentity::of(&path)?;
/// assert!(identity.is_current());
///
/// std::fs::write(folder.join("backup.db"), "b")?;
/// std::fs::rename(folder.join("backup.db"), &path)?;
/// assert_eq!(identity.is_current(), !cfg!(unix));
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileIdentity {
    path: PathBuf,
    id: Id,
}

impl FileIdentity {
    /// Returns the identity of the file that has a name now.
    ///
    /// # Errors
    /// The system's error if there is no file with this name.
    pub fn of(path: impl AsRef<Path>) -> io::Result<Self> {
        Ok(Self::of_metadata(&path, &fs::metadata(&path)?))
    }

    /// Returns the identity of the file with this metadata, which was opened by a name. The name
    /// may belong to another file by now.
    #[must_use]
    pub fn of_metadata(path: impl AsRef<Path>, metadata: &Metadata) -> Self {
        Self { path: path.as_ref().to_owned(), id: id(metadata) }
    }

    /// Returns whether the name still belongs to the file.
    #[must_use]
    pub fn is_current(&self) -> bool {
        matches!(self.current(), Ok(Some(_)))
    }

    /// Returns the metadata of the file, or `None` if the name belongs to another file or to none.
    ///
    /// # Errors
    /// The system's error if it cannot say what has the name.
    pub fn current(&self) -> io::Result<Option<Metadata>> {
        match fs::metadata(&self.path) {
            Ok(metadata) => Ok(Some(metadata).filter(|metadata| self.is_of(metadata))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Returns the name.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns what all names of the file have in common, where the system knows it.
    #[cfg(feature = "sqlite")]
    pub(crate) fn key(&self) -> FileKey {
        #[cfg(unix)]
        return self.id;
        #[cfg(not(unix))]
        self.path.clone()
    }

    /// Returns whether metadata is that of the file.
    #[must_use]
    pub fn is_of(&self, metadata: &Metadata) -> bool {
        id(metadata) == self.id
    }
}

/// The device and the number of a file.
#[cfg(unix)]
type Id = (u64, u64);

#[cfg(not(unix))]
type Id = ();

/// The identity that all names of a file share. Elsewhere than on Unix it is the name.
#[cfg(all(feature = "sqlite", unix))]
pub(crate) type FileKey = Id;

#[cfg(all(feature = "sqlite", not(unix)))]
pub(crate) type FileKey = PathBuf;

#[cfg(unix)]
fn id(metadata: &Metadata) -> Id {
    use std::os::unix::fs::MetadataExt;
    (metadata.dev(), metadata.ino())
}

#[cfg(not(unix))]
const fn id(_: &Metadata) -> Id {}

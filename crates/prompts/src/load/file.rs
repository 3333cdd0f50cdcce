//! Reading a prompt's file: the only I/O of this crate.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use super::{error::LoadError, loaded_prompt::LoadedPrompt};

/// The largest file: 16 MiB.
const MAX_BYTES: u64 = 16 * 1024 * 1024;

/// Loads a prompt from a `.json`, `.yaml` or `.yml` file, as LangChain 0.1.20
/// `langchain_core/prompts/loading.py::load_prompt` does.
///
/// Only this file is read, up to 16 MiB. A path inside of it is refused.
///
/// # Errors
///
/// [`LoadError`], if the file cannot be read, or holds no prompt that is known.
///
/// # Examples
///
/// ```no_run
/// let prompt = conversant_prompts::load_prompt("prompts/joke.yaml")?;
/// # Ok::<(), conversant_prompts::LoadError>(())
/// ```
pub fn load_prompt(path: impl AsRef<Path>) -> Result<LoadedPrompt, LoadError> {
    let path = path.as_ref();
    let read = || read(path).map_err(LoadError::File);
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("json") => LoadedPrompt::from_json(&read()?),
        Some("yaml" | "yml") => LoadedPrompt::from_yaml(&read()?),
        _ => Err(LoadError::FileType),
    }
}

/// Reads a file that may be a device without an end.
fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(MAX_BYTES + 1).read_to_string(&mut text)?;
    match text.len() as u64 > MAX_BYTES {
        true => Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("it has more than {} MiB", MAX_BYTES >> 20),
        )),
        false => Ok(text),
    }
}

//! Reading a prompt's file: the only I/O of this crate.

use std::{fs, path::Path};

use super::{error::LoadError, loaded_prompt::LoadedPrompt};

/// Loads a prompt from a `.json`, `.yaml` or `.yml` file, as LangChain 0.1.20
/// `langchain_core/prompts/loading.py::load_prompt` does.
///
/// Only this file is read. A path inside of it is refused.
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
    let read = || fs::read_to_string(path).map_err(LoadError::File);
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("json") => LoadedPrompt::from_json(&read()?),
        Some("yaml" | "yml") => LoadedPrompt::from_yaml(&read()?),
        _ => Err(LoadError::FileType),
    }
}

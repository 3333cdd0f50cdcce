//! The recorded cases of this package, for the crates' tests.

use std::{fmt, io, path::PathBuf};

use crate::{case::Case, runner::compare};

/// Returns the folder of the recorded cases.
#[must_use]
pub fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("data")
}

/// Reads the recorded cases of a file, such as `prompt.jsonl`.
///
/// # Errors
///
/// An error of reading the file, or [`io::ErrorKind::UnexpectedEof`] if it has no cases.
pub fn cases(file: &str) -> io::Result<Vec<Case>> {
    let cases = Case::read_all(&folder().join(file))?;
    if cases.is_empty() {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, format!("`{file}` has no cases")));
    }
    Ok(cases)
}

/// Runs the recorded cases of a file, such as `prompt.jsonl`.
///
/// # Errors
///
/// [`Differences`] if the file cannot be read or a result is not the recorded one.
///
/// # Examples
///
/// ```
/// conversant_conformance::check("buffer_string.jsonl")?;
/// # Ok::<(), conversant_conformance::Differences>(())
/// ```
pub fn check(file: &str) -> Result<(), Differences> {
    let cases = cases(file).map_err(|error| Differences(error.to_string()))?;
    let mut text = String::new();
    let count = compare(&cases, |difference| text += &format!("\n{difference}"));
    if count.failed == 0 {
        return Ok(());
    }
    Err(Differences(format!("{} of {} cases failed{text}", count.failed, cases.len())))
}

/// The differences between recorded results and the crates' results.
#[derive(Clone)]
pub struct Differences(String);

impl fmt::Display for Differences {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Shows the same as `Display`, as a failed test prints this.
impl fmt::Debug for Differences {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Differences {}

//! A case, as its line of JSON says it.

use std::{fs, io, path::Path};

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value as Json;

use super::Failure;

/// The op of a line that is no case.
pub(crate) const UNREADABLE: &str = "unreadable";

/// One case.
#[derive(Debug, Deserialize)]
pub(crate) struct Case {
    /// Its name.
    pub(crate) id: String,
    /// What it is a case of.
    pub(crate) op: String,
    /// What goes in.
    #[serde(rename = "in")]
    pub(crate) input: Json,
    /// What the reference made of it, where it is known.
    pub(crate) out: Option<Json>,
}

impl Case {
    /// Reads the cases of a file. A line that is no case becomes one that fails, under the name of its place.
    pub(crate) fn read_all(file: &Path) -> io::Result<Vec<Self>> {
        let text = fs::read_to_string(file)?;
        let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        let read = |(index, line)| {
            serde_json::from_str(line).unwrap_or_else(|error: serde_json::Error| Self {
                id: format!("{}:{}", file.display(), index + 1),
                op: UNREADABLE.to_owned(),
                input: error.to_string().into(),
                out: Some(Json::Null),
            })
        };
        Ok(lines.map(read).collect())
    }
}

/// Reads what goes into a case of one op.
pub(crate) fn input<T: DeserializeOwned>(input: &Json) -> Result<T, Failure> {
    T::deserialize(input)
        .map_err(|error| Failure::Broken(format!("its `in` can't be read: {error}")))
}

//! A case, as its line of JSON says it.

use std::{error::Error, fs, path::Path};

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value as Json;

use super::Failure;

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
    /// Reads the cases of a file.
    pub(crate) fn read_all(file: &Path) -> Result<Vec<Self>, Box<dyn Error>> {
        let mut cases = Vec::new();
        for (index, line) in fs::read_to_string(file)?.lines().enumerate() {
            if !line.trim().is_empty() {
                let case = serde_json::from_str(line)
                    .map_err(|error| format!("line {}: {error}", index + 1))?;
                cases.push(case);
            }
        }
        Ok(cases)
    }
}

/// Reads what goes into a case of one op.
pub(crate) fn input<T: DeserializeOwned>(input: &Json) -> Result<T, Failure> {
    T::deserialize(input)
        .map_err(|error| Failure::Broken(format!("its `in` can't be read: {error}")))
}

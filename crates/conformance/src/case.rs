//! A case: one line of JSON.

use std::{
    fs, io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value as Json, json};

use crate::{difference::Difference, failure::Failure, ops};

/// The operation of a line that is not a case.
const UNREADABLE: &str = "unreadable";

/// A recorded case.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct Case {
    /// The case's name.
    pub id: String,
    /// The name of the operation.
    pub op: String,
    /// The operation's input.
    #[serde(rename = "in")]
    pub input: Json,
    /// The recorded result, if the case has one: `{"ok": …}` or `{"err": …}`.
    pub out: Option<Json>,
}

impl Case {
    /// Reads the cases of a file. A line that is not a case becomes a case that fails, named after
    /// its place.
    ///
    /// # Errors
    ///
    /// An error of reading the file, which names it.
    pub fn read_all(file: &Path) -> io::Result<Vec<Self>> {
        let name = file.display();
        let text = fs::read_to_string(file)
            .map_err(|error| io::Error::new(error.kind(), format!("`{name}`: {error}")))?;
        let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        let read = |(index, line)| {
            serde_json::from_str(line).unwrap_or_else(|error: serde_json::Error| Self {
                id: format!("{name}:{}", index + 1),
                op: UNREADABLE.to_owned(),
                input: error.to_string().into(),
                out: None,
            })
        };
        Ok(lines.map(read).collect())
    }

    /// Runs the case and returns its result: `{"ok": …}`, `{"err": …}`, or for some operations the
    /// bare result. A panic is an error.
    #[must_use]
    pub fn result(&self) -> Json {
        let run = || match self.op.as_str() {
            UNREADABLE => Err(Failure::Broken(format!("invalid case: {}", self.input))),
            op => ops::run(op, &self.input),
        };
        let result = catch_unwind(AssertUnwindSafe(run));
        match result.unwrap_or_else(|_| Err(Failure::Broken("it panicked".to_owned()))) {
            Ok(value) if ops::find(&self.op).is_none_or(|op| op.wraps) => json!({ "ok": value }),
            Ok(value) => value,
            Err(failure) => json!({ "err": failure.to_json() }),
        }
    }

    /// Returns the first difference between the recorded result and another, if they differ. A case
    /// without a recorded result always differs.
    #[must_use]
    pub fn difference(&self, got: &Json) -> Option<Difference> {
        let expected = self.out.as_ref().unwrap_or(&Json::Null);
        let compare = ops::find(&self.op).map_or(ops::Op::EXACT, |op| op.compare);
        let mismatch = compare(expected, got)?;
        Some(Difference { id: self.id.clone(), mismatch })
    }
}

/// Deserializes the input of an operation.
pub(crate) fn input<T: DeserializeOwned>(input: &Json) -> Result<T, Failure> {
    T::deserialize(input).map_err(|error| Failure::Broken(format!("cannot read `in`: {error}")))
}

//! A fault as data.

use std::borrow::Cow;

use super::step::Step;

/// A way in which a server fails: a name, and the server's steps on each attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub(super) name: Cow<'static, str>,
    pub(super) row: u16,
    pub(super) streamed: bool,
    pub(super) text: &'static str,
    pub(super) scripts: Vec<Vec<Step>>,
}

/// The text of an answer in the table, unless the fault sets another.
const TEXT: &str = "hello";

impl Fault {
    /// Creates a custom fault from the server's steps on every attempt.
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_testkit::{Fault, Step};
    ///
    /// let fails_once = Fault::new("fails_once", [Step::WaitForRequest, Step::Reset])
    ///     .then([Step::WaitForRequest, Step::ok("Hello!")]);
    /// assert_eq!((fails_once.name(), fails_once.scripts().len()), ("fails_once", 2));
    /// ```
    #[must_use]
    pub fn new(name: impl Into<Cow<'static, str>>, script: impl IntoIterator<Item = Step>) -> Self {
        let scripts = vec![script.into_iter().collect()];
        Self { name: name.into(), row: 0, streamed: false, text: TEXT, scripts }
    }

    /// Adds the server's steps on the next attempt. The last script repeats for all further
    /// attempts.
    #[must_use]
    pub fn then(mut self, script: impl IntoIterator<Item = Step>) -> Self {
        self.scripts.push(script.into_iter().collect());
        self
    }

    /// Returns the fault's name, which is stable and unique in the table.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the row of the project's fault matrix, or 0 for a custom fault. Faults of one row
    /// should have the same outcome.
    #[must_use]
    pub fn row(&self) -> u16 {
        self.row
    }

    /// Returns whether the fault concerns a streamed answer. The test must then request a stream.
    #[must_use]
    pub fn is_streamed(&self) -> bool {
        self.streamed
    }

    /// Returns the text of the answer, for a client that gets one: `hello` unless the fault
    /// concerns the text. The text before a stream breaks off is a prefix of it.
    #[must_use]
    pub fn text(&self) -> &str {
        self.text
    }

    /// Returns the server's steps: a script for each attempt, the last for all further ones.
    #[must_use]
    pub fn scripts(&self) -> &[Vec<Step>] {
        &self.scripts
    }

    /// Returns the script of an attempt, counted from 1.
    pub(super) fn script(&self, attempt: usize) -> &[Step] {
        let script = self.scripts.get(attempt.saturating_sub(1)).or_else(|| self.scripts.last());
        script.map_or(&[], Vec::as_slice)
    }
}

/// Returns the fault of the bystander, which answers correctly.
pub(super) fn well() -> Fault {
    Fault::new("none", [Step::WaitForRequest, Step::ok(TEXT)])
}

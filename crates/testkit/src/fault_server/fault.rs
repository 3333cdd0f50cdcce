//! A fault as data.

use std::borrow::Cow;

use super::step::Step;

/// A way in which a server fails, as data: a name, and what the server does on each attempt.
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
    /// Creates a custom fault from what the server does on every attempt.
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

    /// Adds what the server does on the next attempt. The last script holds for all further ones.
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

    /// Returns the row of the project's fault matrix to which it belongs, 0 for a custom fault.
    /// Faults of one row should come to the same end.
    #[must_use]
    pub fn row(&self) -> u16 {
        self.row
    }

    /// Returns whether the fault is one of a streamed answer, so that a stream must be asked for.
    #[must_use]
    pub fn is_streamed(&self) -> bool {
        self.streamed
    }

    /// Returns the text of the answer, for a client that gets one: `hello` unless the fault is
    /// about the text. What was said before a stream broke off is its beginning.
    #[must_use]
    pub fn text(&self) -> &str {
        self.text
    }

    /// Returns what the server does: a script for each attempt, the last for all further ones.
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

/// The bystander's fault is to have none.
pub(super) fn well() -> Fault {
    Fault::new("none", [Step::WaitForRequest, Step::ok(TEXT)])
}

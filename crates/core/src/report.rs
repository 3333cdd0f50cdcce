//! Errors with their causes, as text for people.

use std::{error::Error, fmt};

/// An error with all its causes, on one line: `error: cause: cause of the cause`.
///
/// The errors of this workspace do not repeat their causes in `Display`, so that a log with
/// structured causes shows each text once. Where only text is wanted, print a report. `Debug` of
/// these errors is a report too, so a `main` that returns an error ends with readable text.
///
/// # Examples
///
/// ```
/// use conversant_core::{HistoryError, MemoryError, Report};
///
/// let error = MemoryError::from(HistoryError::Busy);
/// assert_eq!(error.to_string(), "cannot use the conversation's history");
/// let report = "cannot use the conversation's history: cannot use the conversation: it is busy";
/// assert_eq!(Report::new(&error).to_string(), report);
/// assert_eq!(format!("{error:?}"), report);
/// ```
#[derive(Clone, Copy)]
pub struct Report<'e>(&'e dyn Error);

impl<'e> Report<'e> {
    /// Creates the report of an error.
    #[must_use]
    pub const fn new(error: &'e dyn Error) -> Self {
        Self(error)
    }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

impl fmt::Debug for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Implements `Debug` for errors as their [`Report`]. For the crates of this workspace.
#[doc(hidden)]
#[macro_export]
macro_rules! debug_as_report {
    ($($error:ty),+ $(,)?) => {$(
        impl ::std::fmt::Debug for $error {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                ::std::fmt::Display::fmt(&$crate::Report::new(self), f)
            }
        }
    )+};
}

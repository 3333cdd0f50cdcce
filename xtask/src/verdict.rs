//! The result of a command.

use std::error::Error;

/// Whether all is well, or an error that prevented the check.
pub(crate) type Verdict = Result<bool, Box<dyn Error>>;

//! A regular expression whose searches end.
//!
//! A step of `fancy-regex` can take a time that grows with the text, so the number of steps alone
//! limits nothing. A search starts with few steps, and is repeated with more of them only while the
//! last try was quick.

use std::{fmt, sync::OnceLock, time::Duration};

use conversant_core::clock::Instant;
use fancy_regex::{Captures, Error, Regex, RegexBuilder, RuntimeError};

/// The steps back of the first try. An expression without look-around and back-references takes
/// none.
const STEPS: usize = 256;

/// The steps back of the other tries.
const MORE_STEPS: [usize; 3] = [4 * 1024, 64 * 1024, 1024 * 1024];

/// The longest try after which one with 16 times the steps is made: 250 ms. So a search takes a few
/// seconds at most.
const QUICK: Duration = Duration::from_millis(250);

/// An expression, compiled for each try when it is first needed.
#[derive(Clone)]
pub(super) struct BoundedRegex {
    expression: String,
    first: Regex,
    others: [OnceLock<Regex>; MORE_STEPS.len()],
}

impl BoundedRegex {
    pub(super) fn new(expression: String) -> Result<Self, Error> {
        let first = compile(&expression, STEPS)?;
        Ok(Self { expression, first, others: Default::default() })
    }

    /// Searches a text.
    ///
    /// # Errors
    /// [`RuntimeError::BacktrackLimitExceeded`] if the search takes too long.
    pub(super) fn captures<'t>(&self, text: &'t str) -> Result<Option<Captures<'t, str>>, Error> {
        let (mut found, mut took) = search(&self.first, text);
        for (steps, regex) in MORE_STEPS.into_iter().zip(&self.others) {
            let is_unfinished =
                matches!(found, Err(Error::RuntimeError(RuntimeError::BacktrackLimitExceeded)));
            if !is_unfinished || took > QUICK {
                break;
            }
            let regex = match regex.get() {
                Some(regex) => regex,
                None => {
                    let compiled = compile(&self.expression, steps)?;
                    regex.get_or_init(|| compiled)
                }
            };
            (found, took) = search(regex, text);
        }
        found
    }
}

impl fmt::Debug for BoundedRegex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.first.fmt(f)
    }
}

fn compile(expression: &str, steps: usize) -> Result<Regex, Error> {
    RegexBuilder::new(expression).backtrack_limit(steps).build()
}

/// Searches a text, and returns the time that it took.
fn search<'t>(
    regex: &Regex,
    text: &'t str,
) -> (Result<Option<Captures<'t, str>>, Error>, Duration) {
    let start = Instant::now();
    let found = regex.captures(text);
    (found, start.elapsed())
}

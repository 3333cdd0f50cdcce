//! A regular expression whose searches end, after a number of steps that the expression and the
//! text alone decide.
//!
//! A step of `fancy-regex` can read the text to its end, so the number of steps alone limits
//! nothing. What an expression repeats without a limit reads only as far as its characters go. So
//! the text has a longest reach of a step, and the steps times the reach are limited.

use std::{fmt, sync::OnceLock};

use fancy_regex::{Captures, Error, Regex, RegexBuilder, RuntimeError};

use super::python_regex::{FEW, Repeated, Translated};

/// The steps back of the first try. An expression without look-around and back-references takes
/// none.
const STEPS: usize = 256;

/// The steps back of the other tries.
const MORE_STEPS: [usize; 6] = [1 << 10, 1 << 12, 1 << 14, 1 << 16, 1 << 18, 1 << 20];

/// The most steps of a try times the bytes that one can read: 100 million, which take about a
/// second.
const BUDGET: usize = 100_000_000;

/// An expression, compiled for each try when it is first needed.
#[derive(Clone)]
pub(super) struct BoundedRegex {
    expression: String,
    first: Regex,
    others: [OnceLock<Regex>; MORE_STEPS.len()],
    /// The characters that the expression repeats without a limit, as a run; `None` if it repeats
    /// more than single characters.
    runs: Option<Regex>,
    has_runs: bool,
    /// The number of elements of the expression.
    elements: usize,
}

impl BoundedRegex {
    pub(super) fn new(translated: Translated) -> Result<Self, Error> {
        let Translated { expression, repeated, elements } = translated;
        let (runs, has_runs) = match repeated {
            Repeated::Characters(classes) if classes.is_empty() => (None, false),
            // A class with a back-reference cannot be compiled alone.
            Repeated::Characters(classes) => {
                (Regex::new(&format!("(?:{})+", classes.join("|"))).ok(), true)
            }
            Repeated::Groups => (None, true),
        };
        let first = compile(&expression, STEPS)?;
        Ok(Self { expression, first, others: Default::default(), runs, has_runs, elements })
    }

    /// Searches a text.
    ///
    /// # Errors
    /// [`RuntimeError::BacktrackLimitExceeded`] if the search takes too many steps.
    pub(super) fn captures<'t>(&self, text: &'t str) -> Result<Option<Captures<'t, str>>, Error> {
        let mut found = self.first.captures(text);
        if !is_unfinished(&found) {
            return found;
        }
        let reach = self.reach(text);
        for (steps, regex) in MORE_STEPS.into_iter().zip(&self.others) {
            if !is_unfinished(&found) || steps.saturating_mul(reach) > BUDGET {
                break;
            }
            let regex = match regex.get() {
                Some(regex) => regex,
                None => {
                    let compiled = compile(&self.expression, steps)?;
                    regex.get_or_init(|| compiled)
                }
            };
            found = regex.captures(text);
        }
        found
    }

    /// Returns a bound of the bytes that a step reads in a text.
    fn reach(&self, text: &str) -> usize {
        let run = match &self.runs {
            None if self.has_runs => return text.len(),
            None => 0,
            Some(runs) => {
                let runs = runs
                    .find_iter(text)
                    .map(|run| run.map_or(text.len(), |it| it.end() - it.start()));
                runs.max().unwrap_or(0)
            }
        };
        // Each element of the expression reads a run or a few characters at most.
        self.elements.saturating_mul(run + FEW).min(text.len())
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

const fn is_unfinished<T>(found: &Result<T, Error>) -> bool {
    matches!(found, Err(Error::RuntimeError(RuntimeError::BacktrackLimitExceeded)))
}

//! The variables that hold the user's input and the answer.

use std::collections::HashSet;

use crate::{
    nearest::{nearest, nearest_hint},
    prompt::Slot,
    variables::Variables,
};

/// The input of a call that holds the user's text, and the output that holds the answer. Both are
/// named or inferred.
///
/// A chain applies the rule to names when it is built, so that a fault is reported before any call.
/// Code that saves turns itself applies it to values with [`pick`](Self::pick).
///
/// # Examples
///
/// ```
/// use conversant_core::{vars, Slot, TurnKeys};
///
/// let memory = [Slot::text("chat_history")];
/// let keys = TurnKeys::new();
/// let (question, answer) = keys.pick(&vars! { "human_input" => "hi" }, &vars! { "text" => "hello" }, &memory)?;
/// assert_eq!((question.as_str(), answer.as_str()), ("hi", "hello"));
///
/// let two = vars! { "human_input" => "hi", "persona" => "a pirate" };
/// let fault = keys.pick(&two, &vars! { "text" => "hello" }, &memory).unwrap_err();
/// assert_eq!(
///     fault.to_string(),
///     "cannot infer the user's input; call `with_input_key` on the memory with one of `human_input`, `persona`"
/// );
/// # Ok::<(), conversant_core::TurnKeyError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TurnKeys {
    input: Option<String>,
    output: Option<String>,
}

impl TurnKeys {
    /// Creates keys that are both inferred.
    #[must_use]
    pub const fn new() -> Self {
        Self { input: None, output: None }
    }

    /// Sets the name of the user's input.
    #[must_use]
    pub fn with_input_key(mut self, key: impl Into<String>) -> Self {
        self.input = Some(key.into());
        self
    }

    /// Sets the name of the output that is the answer.
    #[must_use]
    pub fn with_output_key(mut self, key: impl Into<String>) -> Self {
        self.output = Some(key.into());
        self
    }

    /// Returns the input's name, if it was set.
    #[must_use]
    pub fn input_key(&self) -> Option<&str> {
        self.input.as_deref()
    }

    /// Returns the output's name, if it was set.
    #[must_use]
    pub fn output_key(&self) -> Option<&str> {
        self.output.as_deref()
    }

    /// Returns the name of the user's input: the configured one, or the only one that is neither
    /// `stop` nor a variable of the memory.
    ///
    /// LangChain 0.1.20 `langchain/memory/utils.py::get_prompt_input_key`.
    ///
    /// # Errors
    /// [`TurnKeyError`] if the input is missing or cannot be inferred.
    pub fn input_name<'n>(
        &self,
        inputs: impl IntoIterator<Item = &'n str>,
        memory: &[Slot],
    ) -> Result<&'n str, TurnKeyError> {
        let mut names = inputs.into_iter();
        if let Some(key) = &self.input {
            let found: Vec<_> = names.collect();
            return found.iter().copied().find(|name| name == key).ok_or_else(|| {
                TurnKeyError::NoInput {
                    key: key.clone(),
                    found: found.iter().map(|&name| name.to_owned()).collect(),
                }
            });
        }
        let from_memory: HashSet<_> = memory.iter().map(Slot::name).collect();
        let is_candidate = |name: &&str| *name != "stop" && !from_memory.contains(*name);
        only(&mut names, is_candidate)
            .map_err(|candidates| TurnKeyError::AmbiguousInput { candidates })
    }

    /// Returns the name of the output that is the answer: the configured one, or the only one, or
    /// the one named `output`.
    ///
    /// # Errors
    /// [`TurnKeyError`] if the output is missing or cannot be inferred.
    pub fn output_name<'n>(
        &self,
        outputs: impl IntoIterator<Item = &'n str>,
    ) -> Result<&'n str, TurnKeyError> {
        let found: Vec<_> = outputs.into_iter().collect();
        let owned = || found.iter().map(|&name| name.to_owned()).collect();
        if let Some(key) = &self.output {
            let named = found.iter().copied().find(|name| name == key);
            return named
                .ok_or_else(|| TurnKeyError::NoOutput { key: key.clone(), found: owned() });
        }
        match found.as_slice() {
            [only] => Ok(only),
            several => several
                .iter()
                .copied()
                .find(|name| *name == "output")
                .ok_or_else(|| TurnKeyError::AmbiguousOutput { candidates: owned() }),
        }
    }

    /// Returns the user's text and the answer from a call's inputs and outputs. The input is
    /// checked first.
    ///
    /// # Errors
    /// [`TurnKeyError`] if either is missing or cannot be inferred.
    pub fn pick(
        &self,
        inputs: &Variables,
        outputs: &Variables,
        memory: &[Slot],
    ) -> Result<(String, String), TurnKeyError> {
        let input = self.input_name(inputs.names(), memory)?;
        let output = self.output_name(outputs.names())?;
        let text = |variables: &Variables, name| {
            variables.get(name).map(|value| value.to_text().into_owned()).unwrap_or_default()
        };
        Ok((text(inputs, input), text(outputs, output)))
    }
}

/// Returns the only candidate, or all candidates if there is not exactly one.
fn only<'n>(
    names: &mut dyn Iterator<Item = &'n str>,
    is_candidate: impl Fn(&&str) -> bool,
) -> Result<&'n str, Vec<String>> {
    let candidates: Vec<_> = names.filter(is_candidate).collect();
    match candidates.as_slice() {
        [only] => Ok(only),
        several => Err(several.iter().map(|&name| name.to_owned()).collect()),
    }
}

/// The user's input or the answer cannot be determined.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TurnKeyError {
    /// The user's input cannot be inferred, because there is not exactly one candidate.
    #[error("cannot infer the user's input; {}", advice("input", candidates))]
    AmbiguousInput {
        /// The candidates.
        candidates: Vec<String>,
    },
    /// The answer cannot be inferred, because there is not exactly one candidate.
    #[error("cannot infer the answer; {}", advice("output", candidates))]
    AmbiguousOutput {
        /// The candidates.
        candidates: Vec<String>,
    },
    /// The configured input does not exist.
    #[error("cannot find input `{key}`, which `with_input_key` names{}", hint(key, found))]
    NoInput {
        /// The name.
        key: String,
        /// The existing inputs.
        found: Vec<String>,
    },
    /// The configured output does not exist.
    #[error("cannot find output `{key}`, which `with_output_key` names{}", hint(key, found))]
    NoOutput {
        /// The name.
        key: String,
        /// The existing outputs.
        found: Vec<String>,
    },
}

fn advice(side: &str, candidates: &[String]) -> String {
    let names = quoted(candidates);
    if names.is_empty() {
        format!("add an {side} besides the memory's variables")
    } else {
        format!("call `with_{side}_key` on the memory with one of {names}")
    }
}

fn hint(key: &str, found: &[String]) -> String {
    match nearest(key, found.iter().map(String::as_str)) {
        near @ Some(_) => nearest_hint(near),
        None if found.is_empty() => String::new(),
        None => format!(" (there is {})", quoted(found)),
    }
}

fn quoted(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

crate::debug_as_report!(TurnKeyError);

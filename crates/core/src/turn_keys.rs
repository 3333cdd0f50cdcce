//! Which variable holds the user's words, and which the answer.

use crate::{nearest::nearest, prompt::Slot, variables::Variables};

/// Which input of a call is the user's, and which of its outputs is the answer: named, or told from what there is.
///
/// This is the one rule for both. A chain applies it to names when it is built, so that a fault is told before any call;
/// whoever keeps a memory by hand applies it to values with [`pick`](Self::pick).
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
///     "which input is the user's can't be told: set `input_key` to one of `human_input`, `persona`"
/// );
/// # Ok::<(), conversant_core::KeyError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TurnKeys {
    input: Option<String>,
    output: Option<String>,
}

impl TurnKeys {
    /// Creates keys that are both told from what there is.
    #[must_use]
    pub const fn new() -> Self {
        Self { input: None, output: None }
    }

    /// Names the input that is the user's.
    #[must_use]
    pub fn with_input_key(mut self, key: impl Into<String>) -> Self {
        self.input = Some(key.into());
        self
    }

    /// Names the output that is the answer.
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

    /// Returns which of these inputs is the user's: the one that was named, or the only one that is neither `stop` nor one of the
    /// memory's own variables.
    ///
    /// # Errors
    /// [`KeyError`], if there is no such input or more than one.
    pub fn input_name<'n>(
        &self,
        inputs: impl IntoIterator<Item = &'n str>,
        memory: &[Slot],
    ) -> Result<&'n str, KeyError> {
        let mut names = inputs.into_iter();
        if let Some(key) = &self.input {
            let found: Vec<_> = names.collect();
            return found.iter().copied().find(|name| name == key).ok_or_else(|| {
                KeyError::NoInput {
                    key: key.clone(),
                    found: found.iter().map(|&name| name.to_owned()).collect(),
                }
            });
        }
        let is_candidate =
            |name: &&str| *name != "stop" && memory.iter().all(|slot| slot.name() != *name);
        only(&mut names, is_candidate).map_err(|candidates| KeyError::AmbiguousInput { candidates })
    }

    /// Returns which of these outputs is the answer: the one that was named, or the only one, or the one named `output`.
    ///
    /// # Errors
    /// [`KeyError`], if there is no such output or it can't be told.
    pub fn output_name<'n>(
        &self,
        outputs: impl IntoIterator<Item = &'n str>,
    ) -> Result<&'n str, KeyError> {
        let found: Vec<_> = outputs.into_iter().collect();
        let owned = || found.iter().map(|&name| name.to_owned()).collect();
        if let Some(key) = &self.output {
            let named = found.iter().copied().find(|name| name == key);
            return named.ok_or_else(|| KeyError::NoOutput { key: key.clone(), found: owned() });
        }
        match found.as_slice() {
            [only] => Ok(only),
            several => several
                .iter()
                .copied()
                .find(|name| *name == "output")
                .ok_or_else(|| KeyError::AmbiguousOutput { candidates: owned() }),
        }
    }

    /// Picks the user's words and the answer out of a call's inputs and outputs. The input is looked at first.
    ///
    /// # Errors
    /// [`KeyError`], if either can't be told.
    pub fn pick(
        &self,
        inputs: &Variables,
        outputs: &Variables,
        memory: &[Slot],
    ) -> Result<(String, String), KeyError> {
        let input = self.input_name(inputs.names(), memory)?;
        let output = self.output_name(outputs.names())?;
        let text = |variables: &Variables, name| {
            variables.get(name).map(|value| value.to_text().into_owned()).unwrap_or_default()
        };
        Ok((text(inputs, input), text(outputs, output)))
    }
}

/// Returns the only name that is a candidate, or all that are.
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

/// Which variable holds the user's words or the answer can't be told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// No input, or more than one, may be the user's.
    #[error("which input is the user's can't be told: {}", advice("input", candidates))]
    AmbiguousInput {
        /// The inputs that may be.
        candidates: Vec<String>,
    },
    /// No output, or more than one, may be the answer.
    #[error("which output is the answer can't be told: {}", advice("output", candidates))]
    AmbiguousOutput {
        /// The outputs that may be.
        candidates: Vec<String>,
    },
    /// The input that was named is not there.
    #[error("there is no input `{key}`, which `input_key` names{}", hint(key, found))]
    NoInput {
        /// The name.
        key: String,
        /// The inputs that are there.
        found: Vec<String>,
    },
    /// The output that was named is not there.
    #[error("there is no output `{key}`, which `output_key` names{}", hint(key, found))]
    NoOutput {
        /// The name.
        key: String,
        /// The outputs that are there.
        found: Vec<String>,
    },
}

fn advice(side: &str, candidates: &[String]) -> String {
    let names = quoted(candidates);
    if names.is_empty() {
        format!("there is no {side} besides the memory's own variables")
    } else {
        format!("set `{side}_key` to one of {names}")
    }
}

fn hint(key: &str, found: &[String]) -> String {
    match nearest(key, found.iter().map(String::as_str)) {
        Some(nearest) => format!(" (nearest: `{nearest}`)"),
        None if found.is_empty() => String::new(),
        None => format!(" (there is {})", quoted(found)),
    }
}

fn quoted(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

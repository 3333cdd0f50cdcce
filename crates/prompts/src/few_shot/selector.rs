//! Choosing examples for a call.

use conversant_core::{Prompt, PromptError, Slot, Variables};

use crate::prompt_template::PromptTemplate;

/// One example: the variables of the template that shows it.
///
/// Needs the feature `few-shot`.
pub type Example = Variables;

/// A choice of examples for each call, by its variables.
///
/// Needs the feature `few-shot`.
///
/// Implemented for custom rules; called by few-shot prompts, once
/// for each call. It does no I/O: to choose by meaning,
/// [`SemanticSelector`](crate::SemanticSelector) searches before the call.
///
/// # Examples
///
/// ```
/// use conversant_core::{PromptError, Slot, Variables, vars};
/// use conversant_prompts::{Example, ExampleSelector};
///
/// /// Takes the examples in the language of the call.
/// struct SameLanguage {
///     examples: Vec<Example>,
///     slots: [Slot; 1],
/// }
///
/// impl ExampleSelector for SameLanguage {
///     fn select(&self, variables: &Variables) -> Result<Vec<Example>, PromptError> {
///         let same = |example: &&Example| example.get("language") == variables.get("language");
///         Ok(self.examples.iter().filter(same).cloned().collect())
///     }
///
///     fn slots(&self) -> &[Slot] {
///         &self.slots
///     }
/// }
/// # let _ = SameLanguage { examples: vec![vars! {}], slots: [Slot::text("language")] };
/// ```
pub trait ExampleSelector: Send + Sync {
    /// Returns the examples for a call with these variables, in the order in which they are shown.
    /// The variables are those of the prompt and of [`slots`](Self::slots): others of a chain, such
    /// as its history, do not change the choice.
    ///
    /// # Errors
    ///
    /// [`PromptError`], if the choice cannot be made.
    fn select(&self, variables: &Variables) -> Result<Vec<Example>, PromptError>;

    /// Returns the variables that the choice depends on beyond those of the prompt; none, unless
    /// said otherwise.
    fn slots(&self) -> &[Slot] {
        &[]
    }
}

/// Selects examples from the front that fit a length.
///
/// Needs the feature `few-shot`.
///
/// This is LangChain's `LengthBasedExampleSelector`. Length is counted as the pieces that a text
/// falls into when it is split at each line break and space. The values of the call count against
/// it first; the first example that does not fit ends the choice.
///
/// # Examples
///
/// ```
/// use conversant_core::vars;
/// use conversant_prompts::{ExampleSelector, LengthBasedSelector, PromptTemplate};
///
/// let selector = LengthBasedSelector::new(
///     PromptTemplate::from_template("{word}: {antonym}")?,
///     [vars! { "word" => "happy", "antonym" => "sad" }, vars! { "word" => "tall", "antonym" => "short" }],
///     5,
/// )?;
/// assert_eq!(selector.select(&vars! { "adjective" => "big" })?.len(), 2);
/// assert_eq!(selector.select(&vars! { "adjective" => "big and huge" })?.len(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct LengthBasedSelector {
    prompt: PromptTemplate,
    /// The examples and their lengths.
    examples: Vec<(Example, usize)>,
    max_length: usize,
}

impl LengthBasedSelector {
    /// Creates a selector that keeps a call's values and examples within `max_length` pieces.
    /// `prompt` is what shows an example.
    ///
    /// # Errors
    ///
    /// [`PromptError`], if an example cannot be shown.
    pub fn new(
        prompt: PromptTemplate,
        examples: impl IntoIterator<Item = Example>,
        max_length: usize,
    ) -> Result<Self, PromptError> {
        let mut selector = Self { prompt, examples: Vec::new(), max_length };
        for example in examples {
            selector.add(example)?;
        }
        Ok(selector)
    }

    /// Adds an example after the others.
    ///
    /// # Errors
    ///
    /// [`PromptError`], if the example cannot be shown.
    pub fn add(&mut self, example: Example) -> Result<(), PromptError> {
        let length = pieces(&self.prompt.format(&example)?.to_text());
        self.examples.push((example, length));
        Ok(())
    }
}

impl ExampleSelector for LengthBasedSelector {
    fn select(&self, variables: &Variables) -> Result<Vec<Example>, PromptError> {
        // Joined by a space, the values have as many pieces together as each has alone.
        let values: usize = variables.iter().map(|(_, value)| pieces(&value.to_text())).sum();
        let mut left = self.max_length.saturating_sub(values.max(1));
        let mut chosen = Vec::new();
        for (example, length) in &self.examples {
            match left.checked_sub(*length) {
                Some(rest) if left > 0 => left = rest,
                _ => break,
            }
            chosen.push(example.clone());
        }
        Ok(chosen)
    }
}

fn pieces(text: &str) -> usize {
    text.split(['\n', ' ']).count()
}

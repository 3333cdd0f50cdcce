//! Few-shot prompts as text.

use std::sync::Arc;

use conversant_core::{
    Prompt, PromptError, PromptFault, PromptValue, Report, Slot, SlotKind, Variables, prompt_inputs,
};

use super::{
    examples::{Examples, check},
    selector::{Example, ExampleSelector},
};
use crate::{
    error::{TemplateError, TemplateFault},
    known_values::KnownValues,
    partials::{Partials, Values, partial_methods},
    prompt_template::PromptTemplate,
    slot_set::SlotSet,
    template_format::TemplateFormat,
    work_limit::OutputSize,
};

/// A text of examples between a prefix and a suffix.
///
/// Needs the feature `few-shot`.
///
/// LangChain 0.1.20 `langchain_core/prompts/few_shot.py::FewShotPromptTemplate`.
///
/// The parts are joined by a separator, those that are empty left out. Examples are values: braces
/// in them are text, unlike in LangChain, where they are read as syntax a second time.
///
/// # Examples
///
/// ```
/// use conversant_core::{Prompt, vars};
/// use conversant_prompts::{FewShotPromptTemplate, PromptTemplate};
///
/// let example = PromptTemplate::from_template("Input: {input}\nOutput: {output}")?;
/// let prompt = FewShotPromptTemplate::builder(example)
///     .prefix("Write antonyms for the following words.")
///     .examples([
///         vars! { "input" => "happy", "output" => "sad" },
///         vars! { "input" => "tall", "output" => "short" },
///     ])
///     .suffix("Input: {adjective}\nOutput:")
///     .build()?;
///
/// assert_eq!(
///     prompt.format(&vars! { "adjective" => "big" })?.to_string(),
///     "Write antonyms for the following words.\n\n\
///      Input: happy\nOutput: sad\n\n\
///      Input: tall\nOutput: short\n\n\
///      Input: big\nOutput:",
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct FewShotPromptTemplate {
    example: PromptTemplate,
    examples: Examples,
    prefix: PromptTemplate,
    suffix: PromptTemplate,
    separator: String,
    partials: Partials,
    slots: SlotSet,
}

/// A builder of a [`FewShotPromptTemplate`].
///
/// Needs the feature `few-shot`.
///
/// | setting | default |
/// |---|---|
/// | [`examples`](Self::examples), [`selector`](Self::selector) | no examples |
/// | [`prefix`](Self::prefix), [`suffix`](Self::suffix) | empty |
/// | [`example_separator`](Self::example_separator) | an empty line |
/// | [`template_format`](Self::template_format) | [`TemplateFormat::FString`] |
#[derive(Debug, Clone)]
#[must_use]
pub struct FewShotPromptBuilder {
    example: PromptTemplate,
    examples: Examples,
    prefix: String,
    suffix: String,
    separator: String,
    format: TemplateFormat,
}

impl FewShotPromptTemplate {
    /// Returns a builder of a prompt whose examples are shown by the template `example`.
    pub fn builder(example: PromptTemplate) -> FewShotPromptBuilder {
        FewShotPromptBuilder {
            example,
            examples: Examples::Fixed(Arc::new([])),
            prefix: String::new(),
            suffix: String::new(),
            separator: "\n\n".to_owned(),
            format: TemplateFormat::FString,
        }
    }

    /// Replaces the examples.
    ///
    /// # Errors
    ///
    /// [`TemplateError`], if an example lacks a variable of the template that shows it, or a value
    /// does not fit it.
    pub fn with_examples(
        mut self,
        examples: impl IntoIterator<Item = Example>,
    ) -> Result<Self, TemplateError> {
        let examples: Arc<[Example]> = examples.into_iter().collect();
        check_examples(&self.example, &examples)?;
        self.examples = Examples::Fixed(examples);
        Ok(self)
    }

    partial_methods!();

    /// Returns the template that shows an example.
    #[must_use]
    pub fn example_prompt(&self) -> &PromptTemplate {
        &self.example
    }

    /// Returns the examples, or `None` if a selector chooses them.
    #[must_use]
    pub fn examples(&self) -> Option<&[Example]> {
        self.examples.fixed()
    }

    /// Returns the template before the examples.
    #[must_use]
    pub fn prefix(&self) -> &PromptTemplate {
        &self.prefix
    }

    /// Returns the template after the examples.
    #[must_use]
    pub fn suffix(&self) -> &PromptTemplate {
        &self.suffix
    }

    /// Returns the text between the parts.
    #[must_use]
    pub fn example_separator(&self) -> &str {
        &self.separator
    }

    #[cfg(feature = "json")]
    pub(crate) fn partials(&self) -> &Partials {
        &self.partials
    }
}

impl Prompt for FewShotPromptTemplate {
    fn slots(&self) -> &[Slot] {
        self.slots.as_slice()
    }

    fn format(&self, variables: &Variables) -> Result<PromptValue, PromptError> {
        PromptError::check_missing(self.slots(), variables)?;
        let values = Values::new(variables, &self.partials, &|name| self.slots.contains(name));
        let (mut parts, mut made) = (Vec::new(), OutputSize::default());
        let mut add = |text: String| {
            let separator = if parts.is_empty() { 0 } else { self.separator.len() };
            made.add(text.len() + separator, &values).map(|()| parts.push(text))
        };
        if !self.prefix.template().is_empty() {
            add(self.prefix.render(&values)?)?;
        }
        let own = || values.merged(|name| self.slots.contains(name));
        for example in self.examples.pick(own)? {
            let text = self.example.format(&prompt_inputs(self.example.slots(), &example))?;
            let text = text.into_text();
            if !text.is_empty() {
                add(text)?;
            }
        }
        if !self.suffix.template().is_empty() {
            add(self.suffix.render(&values)?)?;
        }
        Ok(parts.join(&self.separator).into())
    }

    fn gives(&self) -> Option<SlotKind> {
        Some(SlotKind::Text)
    }

    fn faults(&self, given: &[Slot]) -> Vec<PromptFault> {
        let mut faults = Vec::new();
        let known = KnownValues::new(&self.slots, &self.partials, given);
        self.prefix.check(&known, &mut faults);
        self.suffix.check(&known, &mut faults);
        faults.extend(self.example.faults(&[]));
        faults
    }
}

/// Checks that each example fits the template that shows it.
fn check_examples(template: &PromptTemplate, examples: &[Example]) -> Result<(), TemplateError> {
    check(template, examples)?;
    if template.partials().has_functions() {
        return Ok(());
    }
    for (index, example) in examples.iter().enumerate() {
        template.format(&prompt_inputs(template.slots(), example)).map_err(|error| {
            let reason = Report::new(&error).to_string();
            TemplateError::new(TemplateFault::Example { index, reason })
        })?;
    }
    Ok(())
}

impl FewShotPromptBuilder {
    /// Sets the template before the examples.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Sets the template after the examples.
    pub fn suffix(mut self, suffix: impl Into<String>) -> Self {
        self.suffix = suffix.into();
        self
    }

    /// Sets the text between the parts. The default is an empty line. It is not a template.
    pub fn example_separator(mut self, separator: impl Into<String>) -> Self {
        self.separator = separator.into();
        self
    }

    /// Sets the format of the prefix and the suffix.
    pub fn template_format(mut self, format: TemplateFormat) -> Self {
        self.format = format;
        self
    }

    /// Sets the examples.
    pub fn examples(mut self, examples: impl IntoIterator<Item = Example>) -> Self {
        self.examples = Examples::Fixed(examples.into_iter().collect());
        self
    }

    /// Sets a selector that chooses the examples of each call.
    pub fn selector(mut self, selector: impl ExampleSelector + 'static) -> Self {
        self.examples = Examples::Selected(Arc::new(selector));
        self
    }

    /// Builds the prompt.
    ///
    /// # Errors
    ///
    /// [`TemplateError`], if the prefix or the suffix is not a template, an example lacks a
    /// variable of the template that shows it, or a value of an example does not fit it. Where
    /// functions compute partial variables of the template, values are checked in each call.
    pub fn build(self) -> Result<FewShotPromptTemplate, TemplateError> {
        let prefix = PromptTemplate::parse(self.prefix, self.format)?;
        let suffix = PromptTemplate::parse(self.suffix, self.format)?;
        if let Some(examples) = self.examples.fixed() {
            check_examples(&self.example, examples)?;
        }
        let mut slots = SlotSet::default();
        let parts = prefix.slots().iter().chain(suffix.slots()).chain(self.examples.slots());
        for slot in parts {
            slots.add(slot);
        }
        Ok(FewShotPromptTemplate {
            example: self.example,
            examples: self.examples,
            prefix,
            suffix,
            separator: self.separator,
            partials: Partials::default(),
            slots,
        })
    }
}

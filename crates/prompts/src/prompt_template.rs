//! The string prompt: one text with variables.

use std::{fmt, ops::Add, str::FromStr};

use conversant_core::{Prompt, PromptError, PromptFault, PromptValue, Slot, SlotKind, Variables};

use crate::{
    error::{TemplateError, TemplateFault},
    known_values::KnownValues,
    partials::{Partials, Values, partial_methods},
    slot_set::{RESERVED, SlotSet},
    template_format::TemplateFormat,
    text::TextTemplate,
};

/// A text with variables, for completion models and for messages.
///
/// LangChain 0.1.20 `langchain_core/prompts/prompt.py::PromptTemplate`.
///
/// Its format is fixed and its syntax checked when it is made; `Display` is its source.
///
/// # Examples
///
/// ```
/// use conversant_core::{Prompt, vars};
/// use conversant_prompts::PromptTemplate;
///
/// let prompt = PromptTemplate::from_template(
///     "You are a chatbot having a conversation with a human.
///
/// {chat_history}
/// Human: {human_input}
/// Chatbot:",
/// )?;
/// assert_eq!(prompt.input_variables(), ["chat_history", "human_input"]);
///
/// let value = prompt.format(&vars! { "chat_history" => "", "human_input" => "Hi there my friend" })?;
/// assert!(value.to_string().ends_with("\n\n\nHuman: Hi there my friend\nChatbot:"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct PromptTemplate {
    template: TextTemplate,
    partials: Partials,
    slots: SlotSet,
}

impl PromptTemplate {
    /// Parses an f-string template.
    ///
    /// # Errors
    ///
    /// A [`TemplateError`] that names the first fault and where it is.
    pub fn from_template(template: impl Into<String>) -> Result<Self, TemplateError> {
        Self::parse(template, TemplateFormat::FString)
    }

    /// Parses a template of a given format.
    ///
    /// # Errors
    ///
    /// A [`TemplateError`] that names the first fault and where it is.
    pub fn parse(
        template: impl Into<String>,
        format: TemplateFormat,
    ) -> Result<Self, TemplateError> {
        Self::of(TextTemplate::parse(template.into(), format)?)
    }

    fn of(template: TextTemplate) -> Result<Self, TemplateError> {
        let mut slots = SlotSet::default();
        for (name, required) in template.names() {
            if name == RESERVED {
                return Err(TemplateError::new(TemplateFault::ReservedName(name.to_owned())));
            }
            let slot = Slot::text(name.to_owned());
            slots.add(&if required { slot } else { slot.optional() });
        }
        Ok(Self { template, partials: Partials::default(), slots })
    }

    /// Returns the template's source.
    #[must_use]
    pub fn template(&self) -> &str {
        self.template.source()
    }

    /// Returns the format that the template is written in.
    #[must_use]
    pub fn template_format(&self) -> TemplateFormat {
        self.template.format()
    }

    partial_methods!();

    /// Joins another template of the same format to the end of this one, partial variables
    /// included.
    ///
    /// # Errors
    ///
    /// [`TemplateError`], if the formats differ, or both have a partial variable of the same name.
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_prompts::PromptTemplate;
    ///
    /// let question = PromptTemplate::from_template("Tell me about {topic}")?;
    /// let style = PromptTemplate::from_template(", in {language}.")?;
    /// let prompt = (question + style)?;
    /// assert_eq!(prompt.template(), "Tell me about {topic}, in {language}.");
    /// # Ok::<(), conversant_prompts::TemplateError>(())
    /// ```
    pub fn append(self, other: Self) -> Result<Self, TemplateError> {
        let (left, right) = (self.template_format(), other.template_format());
        if left != right {
            return Err(TemplateError::new(TemplateFault::Formats(left, right)));
        }
        if let Some(name) = other.partials.names().find(|name| self.partials.contains(name)) {
            return Err(TemplateError::new(TemplateFault::PartialTwice(name.to_owned())));
        }
        let Self { template, mut partials, mut slots } = self;
        let template = template.append(&other.template)?;
        if left != TemplateFormat::FString {
            let mut joined = Self::of(template)?;
            partials.extend(other.partials);
            for name in partials.names() {
                joined.slots.provide(name);
            }
            joined.partials = partials;
            return Ok(joined);
        }
        // Only what the other template adds is looked at, so that many can be joined.
        for slot in other.slots.as_slice() {
            slots.add(slot);
            if partials.contains(slot.name()) {
                slots.provide(slot.name());
            }
        }
        for name in other.partials.names() {
            slots.provide(name);
        }
        partials.extend(other.partials);
        Ok(Self { template, partials, slots })
    }

    #[cfg(any(feature = "few-shot", feature = "json"))]
    pub(crate) fn partials(&self) -> &Partials {
        &self.partials
    }

    /// Renders the text, when the required variables are known to be there.
    pub(crate) fn render(&self, values: &Values<'_>) -> Result<String, PromptError> {
        let inner = values.with_inner(&self.partials, &|name| self.slots.contains(name));
        self.template.render(&inner)
    }

    /// Finds the fields that known values do not fit.
    pub(crate) fn check(&self, known: &KnownValues<'_>, faults: &mut Vec<PromptFault>) {
        self.template.check(&known.with_inner(&self.partials), faults);
    }
}

impl Prompt for PromptTemplate {
    fn slots(&self) -> &[Slot] {
        self.slots.as_slice()
    }

    fn format(&self, variables: &Variables) -> Result<PromptValue, PromptError> {
        PromptError::check_missing(self.slots(), variables)?;
        let values = Values::new(variables, &self.partials, &|name| self.slots.contains(name));
        self.template.render(&values).map(PromptValue::from)
    }

    fn gives(&self) -> Option<SlotKind> {
        Some(SlotKind::Text)
    }

    fn faults(&self, given: &[Slot]) -> Vec<PromptFault> {
        let mut faults = Vec::new();
        let known = KnownValues::new(&self.slots, &self.partials, given);
        self.template.check(&known, &mut faults);
        faults
    }
}

impl Add for PromptTemplate {
    type Output = Result<Self, TemplateError>;

    /// Joins two templates, as [`append`](Self::append) does.
    fn add(self, other: Self) -> Self::Output {
        self.append(other)
    }
}

impl FromStr for PromptTemplate {
    type Err = TemplateError;

    fn from_str(template: &str) -> Result<Self, TemplateError> {
        Self::from_template(template)
    }
}

impl fmt::Display for PromptTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.template())
    }
}

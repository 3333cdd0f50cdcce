//! The chat prompt: literal messages, message templates and placeholders.

use std::ops::Add;

use conversant_core::{
    Messages, Prompt, PromptError, PromptFault, PromptValue, Slot, SlotKind, Variables,
};

mod body;
#[cfg(feature = "few-shot")]
mod message_source;
mod message_template;
mod part_template;
mod placeholder;

use self::body::Body;
pub(crate) use self::body::Part;
#[cfg(feature = "few-shot")]
pub(crate) use self::message_source::MessageSource;
#[cfg(feature = "json")]
pub(crate) use self::part_template::ParsedPart;
pub use self::{
    message_template::{MessageTemplate, MessageTemplates},
    part_template::PartTemplate,
    placeholder::MessagesPlaceholder,
};
use crate::{
    error::TemplateError,
    known_values::KnownValues,
    partials::{Values, partial_methods},
    template_format::TemplateFormat,
    work_limit::OutputSize,
};

/// A prompt of messages with variables, for chat models.
///
/// LangChain 0.1.20 `langchain_core/prompts/chat.py::ChatPromptTemplate`.
///
/// Formatting shares the literal messages and those of the placeholders: its cost does not depend
/// on how long the conversation is.
///
/// # Examples
///
/// From pairs of role and template, as LangChain's `from_messages` takes them:
///
/// ```
/// use conversant_core::{Prompt, vars};
/// use conversant_prompts::ChatPromptTemplate;
///
/// let prompt = ChatPromptTemplate::from_messages([
///     ("system", "You are {name}."),
///     ("placeholder", "{chat_history}"),
///     ("human", "{human_input}"),
/// ])?;
/// let value = prompt.format(&vars! { "name" => "Ada", "human_input" => "Hi" })?;
/// assert_eq!(format!("{value:#}"), "[system]\nYou are Ada.\n\n[human]\nHi");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct ChatPromptTemplate {
    body: Body,
}

impl ChatPromptTemplate {
    /// Creates a prompt from messages, templates and placeholders: an array or `Vec` of one kind,
    /// or a tuple that mixes them.
    ///
    /// A [`Message`](conversant_core::Message) is literal: braces in it are text. A pair is a role
    /// and an f-string template; with the role `placeholder` it is an optional
    /// [`MessagesPlaceholder`], `{name}`.
    ///
    /// # Errors
    ///
    /// The first [`TemplateError`], with the message that it is in.
    pub fn from_messages(messages: impl MessageTemplates) -> Result<Self, TemplateError> {
        Self::parse(messages, TemplateFormat::FString)
    }

    /// Creates a prompt as [`from_messages`](Self::from_messages) does, from templates of a given
    /// format. Elements that name a format of their own keep it.
    ///
    /// # Errors
    ///
    /// The first [`TemplateError`], with the message that it is in.
    pub fn parse(
        messages: impl MessageTemplates,
        format: TemplateFormat,
    ) -> Result<Self, TemplateError> {
        let mut prompt = Self::default();
        for (index, message) in messages.into_message_templates().into_iter().enumerate() {
            let part = message.into_part(format).and_then(|part| prompt.body.push(part));
            part.map_err(|error| error.in_message(index))?;
        }
        Ok(prompt)
    }

    /// Creates a prompt of one human message from an f-string template.
    ///
    /// # Errors
    ///
    /// The template's [`TemplateError`].
    pub fn from_template(template: impl Into<String>) -> Result<Self, TemplateError> {
        Self::from_messages([MessageTemplate::human(template)])
    }

    /// Adds a message, template or placeholder at the end. Templates are f-strings, unless they say
    /// otherwise.
    ///
    /// # Errors
    ///
    /// The message's [`TemplateError`].
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_core::Message;
    /// use conversant_prompts::{ChatPromptTemplate, MessageTemplate};
    ///
    /// let prompt = ChatPromptTemplate::from_messages([("system", "You are {name}.")])?
    ///     .append(Message::human("Who are you?"))?
    ///     .append(("ai", "I am {name}."))?
    ///     .extend([("human", "{question}")])?;
    /// assert_eq!(prompt.input_variables(), ["name", "question"]);
    /// # Ok::<(), conversant_prompts::TemplateError>(())
    /// ```
    pub fn append(mut self, message: impl Into<MessageTemplate>) -> Result<Self, TemplateError> {
        self.body.push(message.into().into_part(TemplateFormat::FString)?)?;
        Ok(self)
    }

    /// Adds messages, templates and placeholders at the end.
    ///
    /// # Errors
    ///
    /// The first [`TemplateError`], with the message that it is in.
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_prompts::{ChatPromptTemplate, MessageTemplate, MessagesPlaceholder};
    ///
    /// let persona = ChatPromptTemplate::from_messages([("system", "You are {name}.")])?;
    /// let prompt = persona.extend((
    ///     MessagesPlaceholder::new("history"),
    ///     MessageTemplate::human("{question}"),
    /// ))?;
    /// assert_eq!(prompt.input_variables(), ["history", "name", "question"]);
    /// # Ok::<(), conversant_prompts::TemplateError>(())
    /// ```
    pub fn extend(self, messages: impl MessageTemplates) -> Result<Self, TemplateError> {
        Ok(self + Self::from_messages(messages)?)
    }

    partial_methods!(body);

    /// Fills in the messages. [`Prompt::format`] gives them as a [`PromptValue`].
    ///
    /// # Errors
    ///
    /// [`PromptError`], if a required variable is missing or a value does not fit its slot.
    pub fn format_messages(&self, variables: &Variables) -> Result<Messages, PromptError> {
        PromptError::check_missing(self.slots(), variables)?;
        let body = &self.body;
        let values = Values::new(variables, &body.partials, &|name| body.slots.contains(name));
        let mut messages = Messages::new();
        body.fill(&values, &mut messages, &mut OutputSize::default())?;
        Ok(messages)
    }

    /// Returns whether functions or selectors decide at each call what the messages are.
    #[cfg(feature = "few-shot")]
    pub(crate) fn is_computed(&self) -> bool {
        self.body.is_computed()
    }

    #[cfg(feature = "json")]
    pub(crate) fn parts(&self) -> &[Part] {
        &self.body.parts
    }

    #[cfg(feature = "json")]
    pub(crate) fn partials(&self) -> &crate::partials::Partials {
        &self.body.partials
    }
}

impl Add for ChatPromptTemplate {
    type Output = Self;

    /// Joins two prompts, partial variables included; where both have one, the right one's counts.
    fn add(mut self, other: Self) -> Self {
        self.body.append(other.body);
        self
    }
}

impl Prompt for ChatPromptTemplate {
    fn slots(&self) -> &[Slot] {
        self.body.slots.as_slice()
    }

    fn format(&self, variables: &Variables) -> Result<PromptValue, PromptError> {
        self.format_messages(variables).map(PromptValue::from)
    }

    fn gives(&self) -> Option<SlotKind> {
        Some(SlotKind::Messages)
    }

    fn faults(&self, given: &[Slot]) -> Vec<PromptFault> {
        let mut faults = Vec::new();
        let Body { slots, partials, .. } = &self.body;
        self.body.check(&KnownValues::new(slots, partials, given), &mut faults);
        faults
    }
}

impl From<ChatPromptTemplate> for MessageTemplate {
    fn from(chat: ChatPromptTemplate) -> Self {
        Self::from_part(Part::Nested(Box::new(chat.body)))
    }
}

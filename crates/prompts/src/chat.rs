//! The chat prompt: messages, some of them literal, some with variables, some filled in as messages.

use std::{borrow::Cow, ops::Add, sync::Arc};

use conversant_core::{
    Message, Messages, Prompt, PromptError, PromptValue, Role, Slot, Value, Variables,
};

mod message_template;
mod part_template;
mod placeholder;

pub(crate) use self::part_template::ParsedPart;
pub use self::{
    message_template::{MessageTemplate, MessageTemplates},
    part_template::PartTemplate,
    placeholder::MessagesPlaceholder,
};
use crate::{
    FewShotChatPromptTemplate, PromptTemplate, TemplateError, TemplateFault, TemplateFormat,
    partials::{Partials, Values},
    slots::{RESERVED, Slots},
};

/// Messages with variables, as chat models take them.
///
/// Formatting shares the literal messages and those of the placeholders: its cost does not depend on
/// how long the conversation is.
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
    parts: Vec<Part>,
    partials: Partials,
    slots: Slots,
}

#[derive(Debug, Clone)]
pub(crate) enum Part {
    /// Literal messages that stand side by side, made once and shared by every prompt.
    Literal(Messages),
    Template {
        role: Role,
        template: PromptTemplate,
    },
    /// A message of several parts.
    Parts {
        role: Role,
        parts: Vec<ParsedPart>,
    },
    Placeholder(MessagesPlaceholder),
    /// Examples that a selector chooses.
    FewShot(FewShotChatPromptTemplate),
    /// Another chat prompt, whose partial variables stay its own.
    Chat(Box<ChatPromptTemplate>),
}

impl ChatPromptTemplate {
    /// Creates a prompt from messages, templates and placeholders: an array or `Vec` of one kind, or a
    /// tuple that mixes them.
    ///
    /// A [`Message`] is literal: braces in it are text. A pair is a role and an f-string template;
    /// with the role `placeholder` it is an optional [`MessagesPlaceholder`], `{name}`.
    ///
    /// # Errors
    ///
    /// The first [`TemplateError`], with the message that it is in.
    pub fn from_messages(messages: impl MessageTemplates) -> Result<Self, TemplateError> {
        Self::parse(messages, TemplateFormat::FString)
    }

    /// Creates a prompt as [`from_messages`](Self::from_messages) does, from templates of a given format.
    /// Elements that name a format of their own keep it.
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
            prompt.push(message, format).map_err(|error| error.in_message(index))?;
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
        self.push(message.into(), TemplateFormat::FString)?;
        Ok(self)
    }

    /// Adds messages, templates and placeholders at the end.
    ///
    /// # Errors
    ///
    /// The first [`TemplateError`], with the message that it is in.
    pub fn extend(self, messages: impl MessageTemplates) -> Result<Self, TemplateError> {
        Ok(self + Self::from_messages(messages)?)
    }

    /// Sets a partial variable: a value that a call need not give, and may replace.
    #[must_use]
    pub fn with_partial(
        mut self,
        name: impl Into<Cow<'static, str>>,
        value: impl Into<Value>,
    ) -> Self {
        let name = name.into();
        self.slots.provide(&name);
        self.partials.set(name, value.into());
        self
    }

    /// Sets a partial variable that a function gives at each call, such as the date.
    #[must_use]
    pub fn with_partial_fn<V: Into<Value>>(
        mut self,
        name: impl Into<Cow<'static, str>>,
        function: impl Fn() -> V + Send + Sync + 'static,
    ) -> Self {
        let name = name.into();
        self.slots.provide(&name);
        self.partials.set_function(name, Arc::new(move || function().into()));
        self
    }

    /// Returns the names of the variables that a call must give, sorted; partial ones and optional
    /// placeholders are not among them.
    #[must_use]
    pub fn input_variables(&self) -> Vec<&str> {
        self.slots.required()
    }

    /// Fills in the messages. [`Prompt::format`] gives them as a [`PromptValue`].
    ///
    /// # Errors
    ///
    /// [`PromptError`], if a required variable is missing or a value does not fit its slot.
    pub fn format_messages(&self, variables: &Variables) -> Result<Messages, PromptError> {
        PromptError::check_missing(self.slots(), variables)?;
        let values = Values::new(variables, &self.partials, &|name| self.slots.contains(name));
        let mut messages = Messages::new();
        self.fill(&values, &mut messages)?;
        Ok(messages)
    }

    pub(crate) fn parts(&self) -> &[Part] {
        &self.parts
    }

    pub(crate) fn partials(&self) -> &Partials {
        &self.partials
    }

    /// Appends the messages, when the required variables are known to be there.
    fn fill(&self, values: &Values<'_>, messages: &mut Messages) -> Result<(), PromptError> {
        for part in &self.parts {
            match part {
                Part::Literal(literal) => messages.append(literal),
                Part::Template { role, template } => {
                    messages.push(Message::new(role.clone(), template.render(values)?));
                }
                Part::Parts { role, parts } => {
                    let parts: Result<Vec<_>, _> =
                        parts.iter().map(|part| part.render(values)).collect();
                    messages.push(Message::new(role.clone(), parts?));
                }
                Part::Placeholder(placeholder) => {
                    placeholder.fill(values.get(placeholder.name()), messages)?;
                }
                Part::FewShot(examples) => {
                    messages.append(&examples.format_messages(&values.merged())?);
                }
                Part::Chat(chat) => {
                    let used = |name: &str| chat.slots.contains(name);
                    chat.fill(&values.with_inner(&chat.partials, &used), messages)?;
                }
            }
        }
        Ok(())
    }

    fn push(
        &mut self,
        message: MessageTemplate,
        format: TemplateFormat,
    ) -> Result<(), TemplateError> {
        let part = message.into_part(format)?;
        match &part {
            Part::Literal(_) => {}
            Part::Template { template, .. } => self.need(template.slots()),
            Part::Parts { parts, .. } => {
                for part in parts {
                    self.need(part.slots());
                }
            }
            Part::Placeholder(placeholder) => {
                if placeholder.name() == RESERVED {
                    let name = placeholder.name().to_owned();
                    return Err(TemplateError::new(TemplateFault::ReservedName(name)));
                }
                self.need([&placeholder.slot()]);
            }
            Part::FewShot(examples) => self.need(examples.slots()),
            Part::Chat(chat) => self.need(chat.slots()),
        }
        self.put(part);
        Ok(())
    }

    /// Adds uses of names, which partial variables may already stand in for.
    fn need<'s>(&mut self, slots: impl IntoIterator<Item = &'s Slot>) {
        for slot in slots {
            let provided = self.partials.contains(slot.name());
            self.slots.add(slot.name(), slot.kind(), slot.is_required() && !provided);
        }
    }

    /// Adds a part, and joins literal messages that stand side by side.
    fn put(&mut self, part: Part) {
        match (self.parts.last_mut(), part) {
            (Some(Part::Literal(run)), Part::Literal(literal)) => {
                run.extend(literal.iter_shared().cloned());
            }
            (_, part) => self.parts.push(part),
        }
    }
}

impl Add for ChatPromptTemplate {
    type Output = Self;

    /// Joins two prompts, partial variables included; where both have one, the right one's counts.
    fn add(mut self, other: Self) -> Self {
        self.need(other.slots.as_slice());
        for part in other.parts {
            self.put(part);
        }
        for name in other.partials.names() {
            self.slots.provide(name);
        }
        self.partials.extend(other.partials);
        self
    }
}

impl Prompt for ChatPromptTemplate {
    fn slots(&self) -> &[Slot] {
        self.slots.as_slice()
    }

    fn format(&self, variables: &Variables) -> Result<PromptValue, PromptError> {
        self.format_messages(variables).map(PromptValue::from)
    }
}

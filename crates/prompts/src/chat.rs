//! The chat prompt: messages, some of them literal, some with variables, some filled in as messages.

use std::{borrow::Cow, sync::Arc};

use conversant_core::{
    Message, Messages, Prompt, PromptError, PromptValue, Role, Slot, SlotKind, Value, Variables,
};

mod message_template;
mod placeholder;

pub use self::{
    message_template::{MessageTemplate, MessageTemplates},
    placeholder::MessagesPlaceholder,
};
use crate::{
    PromptTemplate, TemplateError, TemplateFault,
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
#[derive(Debug, Clone)]
pub struct ChatPromptTemplate {
    parts: Vec<Part>,
    partials: Partials,
    slots: Slots,
}

#[derive(Debug, Clone)]
enum Part {
    /// Literal messages that stand side by side, made once and shared by every prompt.
    Literal(Messages),
    Template {
        role: Role,
        template: PromptTemplate,
    },
    Placeholder(MessagesPlaceholder),
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
        let mut prompt =
            Self { parts: Vec::new(), partials: Partials::default(), slots: Slots::default() };
        for (index, message) in messages.into_message_templates().into_iter().enumerate() {
            prompt.push(message).map_err(|error| error.in_message(index))?;
        }
        Ok(prompt)
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
        for part in &self.parts {
            match part {
                Part::Literal(literal) => messages.append(literal),
                Part::Template { role, template } => {
                    messages.push(Message::new(role.clone(), template.render(&values)?));
                }
                Part::Placeholder(placeholder) => {
                    placeholder.fill(values.get(placeholder.name()), &mut messages)?;
                }
            }
        }
        Ok(messages)
    }

    fn push(&mut self, message: MessageTemplate) -> Result<(), TemplateError> {
        match message.into_part()? {
            Part::Literal(literal) => match self.parts.last_mut() {
                Some(Part::Literal(run)) => run.extend(literal.iter_shared().cloned()),
                _ => self.parts.push(Part::Literal(literal)),
            },
            Part::Template { role, template } => {
                for slot in template.slots() {
                    self.need(slot.name(), SlotKind::Text, slot.is_required());
                }
                self.parts.push(Part::Template { role, template });
            }
            Part::Placeholder(placeholder) => {
                if placeholder.name() == RESERVED {
                    let name = placeholder.name().to_owned();
                    return Err(TemplateError::new(TemplateFault::ReservedName(name)));
                }
                let required = !placeholder.is_optional();
                self.need(placeholder.name(), SlotKind::Messages, required);
                self.parts.push(Part::Placeholder(placeholder));
            }
        }
        Ok(())
    }

    /// Adds a use of a name, which a partial variable may already stand in for.
    fn need(&mut self, name: &str, kind: SlotKind, required: bool) {
        let provided = self.partials.contains(name);
        self.slots.add(name, kind, required && !provided);
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

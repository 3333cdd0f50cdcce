//! The elements of a chat prompt: literal messages, templates and placeholders.

use conversant_core::{Message, Messages, Role};

use super::{body::Part, part_template::PartTemplate, placeholder::MessagesPlaceholder};
use crate::{
    error::{TemplateError, TemplateFault},
    prompt_template::PromptTemplate,
    template_format::TemplateFormat,
};

/// One element of a chat prompt: a message template, a literal message or a placeholder.
///
/// A template's text is parsed when the prompt is made, so that making the list needs no `?` for
/// each.
///
/// # Examples
///
/// ```
/// use conversant_core::{Message, Prompt, vars};
/// use conversant_prompts::{ChatPromptTemplate, MessageTemplate};
///
/// let prompt = ChatPromptTemplate::from_messages([
///     MessageTemplate::system("You are {name}."),
///     MessageTemplate::from(Message::human("{braces} are text here")),
///     MessageTemplate::chat("critic", "Judge {name}."),
/// ])?;
/// assert_eq!(
///     prompt.format(&vars! { "name" => "Ada" })?.to_string(),
///     "System: You are Ada.\nHuman: {braces} are text here\ncritic: Judge Ada.",
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct MessageTemplate(Kind);

#[derive(Debug, Clone)]
enum Kind {
    Literal(Message),
    /// Without a format, the prompt's is taken.
    Source {
        role: Role,
        template: String,
        format: Option<TemplateFormat>,
    },
    Parsed {
        role: Role,
        template: PromptTemplate,
    },
    Parts {
        role: Role,
        parts: Vec<PartTemplate>,
    },
    Placeholder(MessagesPlaceholder),
    /// The text of a pair with the role `placeholder`.
    PlaceholderText(String),
    /// A part that needs no parsing.
    Part(Part),
}

impl MessageTemplate {
    /// Creates a template for a message of any role, in a given format.
    #[must_use]
    pub fn new(role: Role, template: impl Into<String>, format: TemplateFormat) -> Self {
        Self(Kind::Source { role, template: template.into(), format: Some(format) })
    }

    /// Creates a template for a message of several parts, such as text and images.
    #[must_use]
    pub fn parts<P: Into<PartTemplate>>(role: Role, parts: impl IntoIterator<Item = P>) -> Self {
        Self(Kind::Parts { role, parts: parts.into_iter().map(Into::into).collect() })
    }

    /// Creates a template for a human message of several parts, such as text and images.
    #[must_use]
    pub fn human_parts<P: Into<PartTemplate>>(parts: impl IntoIterator<Item = P>) -> Self {
        Self::parts(Role::Human, parts)
    }

    /// Creates a template for a system message.
    #[must_use]
    pub fn system(template: impl Into<String>) -> Self {
        Self::source(Role::System, template)
    }

    /// Creates a template for a human message.
    #[must_use]
    pub fn human(template: impl Into<String>) -> Self {
        Self::source(Role::Human, template)
    }

    /// Creates a template for an AI message.
    #[must_use]
    pub fn ai(template: impl Into<String>) -> Self {
        Self::source(Role::Ai, template)
    }

    /// Creates a template for a message of a custom role.
    #[must_use]
    pub fn chat(role: impl Into<String>, template: impl Into<String>) -> Self {
        Self::source(Role::Chat(role.into()), template)
    }

    /// Creates a message template from a string prompt, whose partial variables it keeps.
    #[must_use]
    pub fn from_prompt(role: Role, prompt: PromptTemplate) -> Self {
        Self(Kind::Parsed { role, template: prompt })
    }

    /// Creates an element from a part that needs no parsing.
    pub(crate) fn from_part(part: Part) -> Self {
        Self(Kind::Part(part))
    }

    /// Creates a template in the format of the prompt that it becomes a part of.
    fn source(role: Role, template: impl Into<String>) -> Self {
        Self(Kind::Source { role, template: template.into(), format: None })
    }

    /// Parses what is still source.
    pub(super) fn into_part(self, format: TemplateFormat) -> Result<Part, TemplateError> {
        let (role, template) = match self.0 {
            Kind::Literal(message) => return Ok(Part::Literal(Messages::from(message))),
            Kind::Placeholder(placeholder) => return Ok(Part::Placeholder(placeholder)),
            Kind::PlaceholderText(text) => return placeholder(&text).map(Part::Placeholder),
            Kind::Source { role, template, format: own } => {
                (role, PromptTemplate::parse(template, own.unwrap_or(format))?)
            }
            Kind::Parts { role, parts } => {
                let parts: Result<_, _> =
                    parts.into_iter().map(|part| part.parse(format)).collect();
                return Ok(Part::Parts { role, parts: parts? });
            }
            Kind::Part(part) => return Ok(part),
            Kind::Parsed { role, template } => (role, template),
        };
        Ok(Part::Template { role, template })
    }
}

/// Reads the text of a pair with the role `placeholder`: `{name}`, as LangChain writes it.
fn placeholder(text: &str) -> Result<MessagesPlaceholder, TemplateError> {
    match text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
        Some(name) if !name.is_empty() && !name.contains(['{', '}']) => {
            Ok(MessagesPlaceholder::new(name.to_owned()).optional())
        }
        _ => Err(TemplateError::new(TemplateFault::Placeholder(text.to_owned()))),
    }
}

impl From<Message> for MessageTemplate {
    fn from(message: Message) -> Self {
        Self(Kind::Literal(message))
    }
}

impl From<MessagesPlaceholder> for MessageTemplate {
    fn from(placeholder: MessagesPlaceholder) -> Self {
        Self(Kind::Placeholder(placeholder))
    }
}

impl From<&str> for MessageTemplate {
    /// Makes a template for a human message.
    fn from(template: &str) -> Self {
        Self::human(template)
    }
}

impl<R: AsRef<str>, T: Into<String>> From<(R, T)> for MessageTemplate {
    /// Reads a pair of role and template. The roles `system`, `human` (or `user`) and `ai` (or
    /// `assistant`) are known; any other is a custom role.
    fn from((role, template): (R, T)) -> Self {
        let (role, template) = (role.as_ref(), template.into());
        match role {
            "placeholder" => Self(Kind::PlaceholderText(template)),
            "system" | "human" | "user" | "ai" | "assistant" => {
                Self::source(Role::from_name(role), template)
            }
            other => Self::chat(other, template),
        }
    }
}

impl From<PromptTemplate> for MessageTemplate {
    /// Makes a human message of a string prompt.
    fn from(prompt: PromptTemplate) -> Self {
        Self::from_prompt(Role::Human, prompt)
    }
}

/// A list of messages, templates, placeholders and pairs for a chat prompt: an array, a `Vec`, or a
/// tuple of up to twelve.
pub trait MessageTemplates {
    /// Returns the elements, in order.
    fn into_message_templates(self) -> Vec<MessageTemplate>;
}

impl<T: Into<MessageTemplate>> MessageTemplates for Vec<T> {
    fn into_message_templates(self) -> Vec<MessageTemplate> {
        self.into_iter().map(Into::into).collect()
    }
}

impl<T: Into<MessageTemplate>, const N: usize> MessageTemplates for [T; N] {
    fn into_message_templates(self) -> Vec<MessageTemplate> {
        self.into_iter().map(Into::into).collect()
    }
}

macro_rules! tuples {
    ($($name:ident)*) => {
        impl<$($name: Into<MessageTemplate>),*> MessageTemplates for ($($name,)*) {
            #[expect(non_snake_case, reason = "a tuple's parts take the names of their types")]
            fn into_message_templates(self) -> Vec<MessageTemplate> {
                let ($($name,)*) = self;
                vec![$($name.into()),*]
            }
        }
    };
}
tuples!(A);
tuples!(A B);
tuples!(A B C);
tuples!(A B C D);
tuples!(A B C D E);
tuples!(A B C D E F);
tuples!(A B C D E F G);
tuples!(A B C D E F G H);
tuples!(A B C D E F G H I);
tuples!(A B C D E F G H I J);
tuples!(A B C D E F G H I J K);
tuples!(A B C D E F G H I J K L);

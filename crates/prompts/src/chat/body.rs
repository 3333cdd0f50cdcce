//! The parts of a chat prompt, and how they become messages.

use conversant_core::{Message, Messages, Prompt, PromptError, PromptFault, Role, Slot};

#[cfg(feature = "few-shot")]
use super::message_source::MessageSource;
use super::{part_template::ParsedPart, placeholder::MessagesPlaceholder};
use crate::{
    error::{TemplateError, TemplateFault},
    known_values::KnownValues,
    partials::{Partials, Values},
    prompt_template::PromptTemplate,
    slot_set::{RESERVED, SlotSet},
    work_limit::OutputSize,
};

/// A part of a chat prompt whose templates are parsed.
#[derive(Debug, Clone)]
pub(crate) enum Part {
    /// Consecutive literal messages, made once and shared by every formatted prompt.
    Literal(Messages),
    Template {
        role: Role,
        template: PromptTemplate,
    },
    /// A message with several content parts.
    Parts {
        role: Role,
        parts: Vec<ParsedPart>,
    },
    Placeholder(MessagesPlaceholder),
    /// Messages that are selected for each call.
    #[cfg(feature = "few-shot")]
    Selected(std::sync::Arc<dyn MessageSource>),
    /// Another chat prompt, which keeps its own partial variables.
    Nested(Box<Body>),
}

/// The parts, partial variables and slots of a chat prompt.
#[derive(Debug, Clone, Default)]
pub(crate) struct Body {
    pub(super) parts: Vec<Part>,
    pub(super) partials: Partials,
    pub(super) slots: SlotSet,
}

impl Body {
    /// Appends a part and its slots.
    pub(super) fn push(&mut self, part: Part) -> Result<(), TemplateError> {
        match &part {
            Part::Literal(_) => {}
            Part::Template { template, .. } => self.require(template.slots()),
            Part::Parts { parts, .. } => {
                for part in parts {
                    self.require(part.slots());
                }
            }
            Part::Placeholder(placeholder) => {
                if placeholder.name() == RESERVED {
                    let name = placeholder.name().to_owned();
                    return Err(TemplateError::new(TemplateFault::ReservedName(name)));
                }
                self.require([&placeholder.slot()]);
            }
            #[cfg(feature = "few-shot")]
            Part::Selected(source) => self.require(source.slots()),
            Part::Nested(body) => self.require(body.slots.as_slice()),
        }
        self.push_part(part);
        Ok(())
    }

    /// Appends another body. Of two partial variables with one name, the other body's is kept.
    pub(super) fn append(&mut self, other: Self) {
        self.require(other.slots.as_slice());
        for part in other.parts {
            self.push_part(part);
        }
        for name in other.partials.names() {
            self.slots.provide(name);
        }
        self.partials.extend(other.partials);
    }

    /// Appends the messages to `messages`, and their text to what is made. The required variables
    /// are known to be present.
    pub(super) fn fill(
        &self,
        values: &Values<'_>,
        messages: &mut Messages,
        made: &mut OutputSize,
    ) -> Result<(), PromptError> {
        for part in &self.parts {
            match part {
                Part::Literal(literal) => messages.append(literal),
                Part::Template { role, template } => {
                    let text = template.render(values)?;
                    made.add(text.len(), values)?;
                    messages.push(Message::new(role.clone(), text));
                }
                Part::Parts { role, parts } => {
                    let parts: Result<Vec<_>, _> =
                        parts.iter().map(|part| part.render(values, made)).collect();
                    messages.push(Message::new(role.clone(), parts?));
                }
                Part::Placeholder(placeholder) => {
                    placeholder.fill(values.get(placeholder.name()), messages)?;
                }
                #[cfg(feature = "few-shot")]
                Part::Selected(source) => {
                    let own = values.merged(|name| self.decides(name, source.slots()));
                    messages.append(&source.messages(&own)?);
                }
                Part::Nested(body) => {
                    let used = |name: &str| body.slots.contains(name);
                    body.fill(&values.with_inner(&body.partials, &used), messages, made)?;
                }
            }
        }
        Ok(())
    }

    /// Finds the fields and placeholders that known values do not fit.
    pub(super) fn check(&self, known: &KnownValues<'_>, faults: &mut Vec<PromptFault>) {
        for part in &self.parts {
            match part {
                Part::Template { template, .. } => template.check(known, faults),
                Part::Parts { parts, .. } => {
                    let templates = parts.iter().flat_map(ParsedPart::templates);
                    templates.for_each(|template| template.check(known, faults));
                }
                Part::Placeholder(placeholder) => known.check_messages(placeholder.name(), faults),
                Part::Nested(body) => body.check(&known.with_inner(&body.partials), faults),
                Part::Literal(_) => {}
                #[cfg(feature = "few-shot")]
                Part::Selected(source) => faults.extend(source.faults(&[])),
            }
        }
    }

    /// Returns whether functions or selectors decide at each call what the messages are.
    #[cfg(feature = "few-shot")]
    pub(crate) fn is_computed(&self) -> bool {
        let has_functions = |template: &PromptTemplate| template.partials().has_functions();
        let mut parts = self.parts.iter();
        self.partials.has_functions()
            || parts.any(|part| match part {
                Part::Literal(_) | Part::Placeholder(_) => false,
                Part::Template { template, .. } => has_functions(template),
                Part::Parts { parts, .. } => {
                    parts.iter().flat_map(ParsedPart::templates).any(has_functions)
                }
                Part::Selected(_) => true,
                Part::Nested(body) => body.is_computed(),
            })
    }

    /// Returns whether a variable decides which messages are selected: one that the selector asks
    /// for, or that is not messages, which grow with the conversation.
    #[cfg(feature = "few-shot")]
    fn decides(&self, name: &str, asked_for: &[Slot]) -> bool {
        let is_text = |slot: &&Slot| slot.kind() != conversant_core::SlotKind::Messages;
        let own = self.slots.as_slice().iter().filter(is_text);
        own.chain(asked_for).any(|slot| slot.name() == name)
    }

    /// Adds uses of names. A partial variable makes its slot partial.
    fn require<'s>(&mut self, slots: impl IntoIterator<Item = &'s Slot>) {
        for slot in slots {
            self.slots.add(slot);
            if self.partials.contains(slot.name()) {
                self.slots.provide(slot.name());
            }
        }
    }

    /// Appends a part; consecutive literal messages become one part.
    fn push_part(&mut self, part: Part) {
        match (self.parts.last_mut(), part) {
            (Some(Part::Literal(run)), Part::Literal(literal)) => {
                run.extend(literal.iter_shared().cloned());
            }
            (_, part) => self.parts.push(part),
        }
    }
}

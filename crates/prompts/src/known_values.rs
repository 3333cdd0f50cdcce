//! Knowledge of a prompt's values before a call: its partial variables, and the kinds of
//! variables that have one kind in every call.

use conversant_core::{PromptFault, Slot, SlotKind, Value};
use conversant_template::{Argument, Piece, Template};

use crate::{partials::Partials, slot_set::SlotSet, value_to_argument::argument};

/// Knowledge of the values of a prompt, or of a part of it.
pub(crate) struct KnownValues<'a> {
    slots: &'a SlotSet,
    given: &'a [Slot],
    partials: &'a Partials,
    outer: Option<&'a Self>,
}

/// Knowledge of one value.
pub(crate) enum Known<'a> {
    Value(&'a Value),
    Kind(SlotKind),
}

impl<'a> KnownValues<'a> {
    /// Creates it for a whole prompt.
    pub(crate) const fn new(slots: &'a SlotSet, partials: &'a Partials, given: &'a [Slot]) -> Self {
        Self { slots, given, partials, outer: None }
    }

    /// Adds a template's own partial variables, which count least.
    pub(crate) const fn with_inner(&'a self, partials: &'a Partials) -> Self {
        Self { slots: self.slots, given: self.given, partials, outer: Some(self) }
    }

    pub(crate) fn get(&self, name: &str) -> Option<Known<'a>> {
        if self.slots.get(name)?.is_partial() {
            // Of several partial variables, the outermost counts. That of a function is not known.
            return self.partial(name)?.map(Known::Value);
        }
        let given = self.given.iter().find(|given| given.name() == name)?;
        Some(Known::Kind(given.kind()))
    }

    /// Returns the value of a partial variable, or `None` inside if a function computes it.
    fn partial(&self, name: &str) -> Option<Option<&'a Value>> {
        let outer = self.outer.and_then(|outer| outer.partial(name));
        outer.or_else(|| self.partials.contains(name).then(|| self.partials.get(name)))
    }

    /// Checks that the known values fit the fields of a template.
    pub(crate) fn check_fields(&self, template: &Template, faults: &mut Vec<PromptFault>) {
        for piece in template.pieces() {
            let Piece::Field(field) = piece else { continue };
            let known = if field.is_plain() { None } else { self.get(field.name()) };
            let value = match known {
                Some(Known::Value(value)) => argument(value),
                // Messages are formatted as text. Any text fits, or none does.
                Some(Known::Kind(_)) => Argument::from(""),
                None => continue,
            };
            if let Err(error) = field.check(&value) {
                let (name, reason) = (field.name().to_owned(), error.to_string());
                faults.push(PromptFault::Format { name, reason });
            }
        }
    }

    /// Checks that the known value of a placeholder is messages.
    pub(crate) fn check_messages(&self, name: &str, faults: &mut Vec<PromptFault>) {
        let name = || name.to_owned();
        match self.get(&name()) {
            Some(Known::Value(Value::Messages(_))) => {}
            Some(Known::Value(Value::Data(data))) if data.as_array().is_some_and(Vec::is_empty) => {
            }
            Some(Known::Value(value)) => {
                faults.push(PromptFault::PartialNotMessages { name: name(), found: value.kind() });
            }
            Some(Known::Kind(SlotKind::Text)) => {
                faults.push(PromptFault::TextForMessages { name: name() });
            }
            _ => {}
        }
    }
}

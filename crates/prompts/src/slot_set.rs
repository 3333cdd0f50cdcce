//! The slots of a prompt, collected from its parts.

use conversant_core::{Slot, SlotKind};

use crate::name_index::NameIndex;

/// The name that LangChain reserves for the stop words of a call.
pub(crate) const RESERVED: &str = "stop";

/// The slots of a prompt, each name once, in order of first appearance.
#[derive(Debug, Clone, Default)]
pub(crate) struct SlotSet {
    slots: Vec<Slot>,
    index: NameIndex,
}

impl SlotSet {
    /// Adds a use of a name. The strictest use determines the slot: messages over text, because a
    /// text slot accepts messages too, and required over optional over partial.
    pub(crate) fn add(&mut self, used: &Slot) {
        let name = used.name();
        match self.position(name).and_then(|position| self.slots.get_mut(position)) {
            Some(known) => {
                let messages = [known.kind(), used.kind()].contains(&SlotKind::Messages);
                let name = name.to_owned();
                let slot = if messages { Slot::messages(name) } else { Slot::text(name) };
                *known = if used.is_required() || known.is_required() {
                    slot
                } else if used.is_partial() && known.is_partial() {
                    slot.partial()
                } else {
                    slot.optional()
                };
            }
            None => {
                self.slots.push(used.clone());
                self.index.appended(self.slots.iter().map(Slot::name));
            }
        }
    }

    /// Makes a slot partial, because a partial variable provides its value.
    pub(crate) fn provide(&mut self, name: &str) {
        let position = self.position(name);
        if let Some(known) = position.and_then(|position| self.slots.get_mut(position)) {
            *known = known.clone().partial();
        }
    }

    pub(crate) fn as_slice(&self) -> &[Slot] {
        &self.slots
    }

    /// Returns the names that a call must provide, sorted, as LangChain lists them.
    pub(crate) fn required(&self) -> Vec<&str> {
        let mut names: Vec<_> =
            self.slots.iter().filter(|slot| slot.is_required()).map(Slot::name).collect();
        names.sort_unstable();
        names
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Slot> {
        self.position(name).and_then(|position| self.slots.get(position))
    }

    pub(crate) fn contains(&self, name: &str) -> bool {
        self.position(name).is_some()
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.index.position(name, self.slots.iter().map(Slot::name))
    }
}

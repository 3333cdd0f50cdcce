//! Collecting the slots of a prompt from its parts.

use conversant_core::{Slot, SlotKind};

/// The name that LangChain keeps for a call's stop words.
pub(crate) const RESERVED: &str = "stop";

/// The slots of a prompt, each name once, in order of first appearance.
#[derive(Debug, Clone, Default)]
pub(crate) struct Slots(Vec<Slot>);

impl Slots {
    /// Adds a use of a name. Of several uses the strictest counts: messages over text, since a text
    /// slot takes messages too, and required over optional.
    pub(crate) fn add(&mut self, name: &str, kind: SlotKind, required: bool) {
        match self.0.iter_mut().find(|slot| slot.name() == name) {
            Some(known) => {
                let messages = [known.kind(), kind].contains(&SlotKind::Messages);
                let kind = if messages { SlotKind::Messages } else { kind };
                *known = slot(name, kind, required || known.is_required());
            }
            None => self.0.push(slot(name, kind, required)),
        }
    }

    /// Makes a slot optional, because a partial variable stands in for it.
    pub(crate) fn provide(&mut self, name: &str) {
        for known in self.0.iter_mut().filter(|slot| slot.name() == name) {
            *known = known.clone().optional();
        }
    }

    pub(crate) fn as_slice(&self) -> &[Slot] {
        &self.0
    }

    /// Returns the names that a call must give, sorted, as LangChain lists them.
    pub(crate) fn required(&self) -> Vec<&str> {
        let mut names: Vec<_> =
            self.0.iter().filter(|slot| slot.is_required()).map(Slot::name).collect();
        names.sort_unstable();
        names
    }

    pub(crate) fn contains(&self, name: &str) -> bool {
        self.0.iter().any(|slot| slot.name() == name)
    }
}

fn slot(name: &str, kind: SlotKind, required: bool) -> Slot {
    let slot = match kind {
        SlotKind::Messages => Slot::messages(name.to_owned()),
        _ => Slot::text(name.to_owned()),
    };
    if required { slot } else { slot.optional() }
}

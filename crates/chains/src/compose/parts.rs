//! The names and the depth of chains that run on the same variables.

use std::{borrow::Cow, collections::HashMap, sync::Arc};

use conversant_core::{Slot, SlotKind};

use crate::{chain::Chain, wiring::WiringFault};

/// The slots of different chains, each name once, in the order in which they were added.
#[derive(Debug, Default)]
pub(super) struct MergedSlots {
    slots: Vec<Slot>,
    places: HashMap<String, usize>,
}

impl MergedSlots {
    pub(super) fn contains(&self, name: &str) -> bool {
        self.places.contains_key(name)
    }

    /// Adds a slot. One of the same name becomes as strict as both.
    pub(super) fn add(&mut self, slot: &Slot) {
        let place = self.places.get(slot.name()).copied();
        match place.and_then(|place| self.slots.get_mut(place)) {
            Some(known) => {
                let is_required = known.is_required() || slot.is_required();
                let takes_messages =
                    SlotKind::Messages == known.kind() || SlotKind::Messages == slot.kind();
                let name = slot.name().to_owned();
                let strict = if takes_messages { Slot::messages(name) } else { Slot::text(name) };
                *known = if is_required { strict } else { strict.optional() };
            }
            None => {
                self.places.insert(slot.name().to_owned(), self.slots.len());
                self.slots.push(slot.clone());
            }
        }
    }

    pub(super) fn into_slots(self) -> Vec<Slot> {
        self.slots
    }
}

impl<'s> FromIterator<&'s Slot> for MergedSlots {
    fn from_iter<I: IntoIterator<Item = &'s Slot>>(slots: I) -> Self {
        let mut merged = Self::default();
        slots.into_iter().for_each(|slot| merged.add(slot));
        merged
    }
}

/// Returns the depth of a chain made of others.
pub(super) fn depth_of<'c>(parts: impl IntoIterator<Item = &'c Arc<dyn Chain>>) -> usize {
    parts.into_iter().map(|part| part.depth()).max().unwrap_or_default().saturating_add(1)
}

/// Returns a fault for each part whose outputs are not those of the first.
pub(super) fn other_outputs<'p>(
    parts: impl IntoIterator<Item = (String, &'p [Cow<'static, str>])>,
) -> Vec<WiringFault> {
    let sorted = |outputs: &[Cow<'static, str>]| {
        let mut names: Vec<_> = outputs.iter().map(|name| name.clone().into_owned()).collect();
        names.sort();
        names
    };
    let mut parts = parts.into_iter();
    let Some((other, expected)) = parts.next() else { return Vec::new() };
    let expected = sorted(expected);
    parts
        .map(|(part, outputs)| (part, sorted(outputs)))
        .filter(|(_, found)| *found != expected)
        .map(|(part, found)| {
            let (other, expected) = (other.clone(), expected.clone());
            WiringFault::OtherOutputs { part, found, other, expected }
        })
        .collect()
}

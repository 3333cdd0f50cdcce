//! The names of chains that run on the same variables.

use std::borrow::Cow;

use conversant_core::{Slot, SlotKind};

use crate::wiring::WiringFault;

/// Adds a slot to slots of different chains. One of the same name becomes as strict as both.
pub(super) fn merge(slots: &mut Vec<Slot>, slot: &Slot) {
    match slots.iter_mut().find(|known| known.name() == slot.name()) {
        Some(known) => {
            let is_required = known.is_required() || slot.is_required();
            let takes_messages =
                SlotKind::Messages == known.kind() || SlotKind::Messages == slot.kind();
            let name = slot.name().to_owned();
            let strict = if takes_messages { Slot::messages(name) } else { Slot::text(name) };
            *known = if is_required { strict } else { strict.optional() };
        }
        None => slots.push(slot.clone()),
    }
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

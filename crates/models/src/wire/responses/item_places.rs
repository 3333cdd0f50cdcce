//! Which item of a streamed response an event is about.
//!
//! Servers differ: an index may be missing or the same for all items, and an id may be missing,
//! another with each event, or the same for all items.

use serde_json::Value as Json;

use super::{
    item_accumulator::ItemAccumulator,
    item_kind::ItemKind,
    output::{arguments, item_type, message_text},
};

/// The place of its item that an event names.
#[derive(Debug, Clone, Copy)]
pub(super) struct ItemPlace<'e> {
    pub(super) output_index: Option<u64>,
    pub(super) id: Option<&'e str>,
}

impl ItemPlace<'_> {
    fn has_index_of(&self, known: &ItemAccumulator) -> bool {
        self.output_index.is_some() && known.output_index == self.output_index
    }

    fn may_have_index_of(&self, known: &ItemAccumulator) -> bool {
        self.output_index.is_none()
            || known.output_index.is_none()
            || known.output_index == self.output_index
    }

    /// Returns the position of the item that an event with a piece of a kind continues: by its
    /// index and id, else by its index, else by its id, else the last one that is open.
    pub(super) fn of_piece(&self, items: &[ItemAccumulator], kind: ItemKind) -> Option<usize> {
        let (mut open, mut named, mut done, mut last) = (None, None, None, None);
        for (position, known) in items.iter().enumerate().rev() {
            if known.kind().is_some_and(|known| known != kind) {
                continue;
            }
            let is_named = self.id.is_some() && known.id.as_deref() == self.id;
            let found = match self.has_index_of(known) {
                true if is_named => return Some(position),
                true if known.is_done() => &mut done,
                true => &mut open,
                false if is_named => &mut named,
                false if self.output_index.is_none() && !known.is_done() => &mut last,
                false => continue,
            };
            found.get_or_insert(position);
        }
        open.or(named).or(done).or(last)
    }

    /// Returns the position of an item that is added, if something of it has come before.
    pub(super) fn of_added(&self, items: &[ItemAccumulator], item: &Json) -> Option<usize> {
        items.iter().rposition(|known| {
            let same = is_same(known, self.id, item);
            match known.kind() {
                // Pieces of it may have come under another id.
                None => self.has_index_of(known) || same == Some(true),
                Some(_) if !may_be(known, item) => false,
                Some(_) => match same {
                    Some(same) => same && self.may_have_index_of(known),
                    None => self.has_index_of(known) && !known.is_done(),
                },
            }
        })
    }

    /// Returns the position of an item that is done, if something of it has come before.
    pub(super) fn of_done(&self, items: &[ItemAccumulator], item: &Json) -> Option<usize> {
        let (mut open, mut named, mut other, mut repeated, mut last) =
            (None, None, None, None, None);
        // Whether a later item has the index as well, so that the index names none of them.
        let mut is_shared = false;
        for (position, known) in items.iter().enumerate().rev() {
            let has_index = self.has_index_of(known);
            let was_shared = is_shared;
            is_shared |= has_index;
            if !may_be(known, item) {
                continue;
            }
            let same = is_same(known, self.id, item);
            let found = match (has_index, same) {
                (_, Some(true)) if self.may_have_index_of(known) => return Some(position),
                (false, Some(true)) if !known.is_done() => &mut named,
                (true, None) if !known.is_done() => &mut open,
                // Its id is another one with each event.
                (true, Some(_)) if !known.is_done() => &mut other,
                (true, None) if !was_shared && says_the_same(known, item) => &mut repeated,
                (false, _) if self.output_index.is_none() && !known.is_done() => &mut last,
                _ => continue,
            };
            found.get_or_insert(position);
        }
        open.or(named).or(other).or(repeated).or(last)
    }
}

/// Returns whether an item that came in part may be another one, by their kinds.
pub(super) fn may_be(known: &ItemAccumulator, item: &Json) -> bool {
    match (known.kind_or_guess(), ItemKind::of(item)) {
        (Some(ItemKind::Other), Some(ItemKind::Other)) => {
            known.field("type") == Some(item_type(item))
        }
        (Some(known), Some(kind)) => known == kind,
        _ => true,
    }
}

/// Returns whether an item that came in part is another one, by their ids, if both have one.
pub(super) fn is_same(known: &ItemAccumulator, id: Option<&str>, item: &Json) -> Option<bool> {
    let text = |name: &str| item.get(name)?.as_str().filter(|text| !text.is_empty());
    if let (Some(known), Some(call_id)) = (known.field("call_id"), text("call_id")) {
        return Some(known == call_id);
    }
    Some(known.id.as_deref()? == id.or_else(|| text("id"))?)
}

/// Returns whether an item that came says what another one does.
pub(super) fn says_the_same(known: &ItemAccumulator, item: &Json) -> bool {
    match ItemKind::of(item) {
        Some(ItemKind::Message) => known.text() == message_text(item).unwrap_or_default(),
        Some(ItemKind::FunctionCall) => {
            known.field("name") == item.get("name").and_then(Json::as_str)
                && known.arguments() == arguments(item)
        }
        _ => true,
    }
}

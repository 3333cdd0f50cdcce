//! Compares the output at the end of a streamed response with the items that were streamed. What
//! either of them lacks is taken from the other.

use serde_json::Value as Json;

use super::{
    item_accumulator::ItemAccumulator,
    item_kind::ItemKind,
    item_places::{is_same, may_be, says_the_same},
    output::{Output, message_text},
};

/// The maximum number of comparisons of texts.
const MAX_COMPARED: usize = 1024;

/// Which messages count, where those at the end are not those that were streamed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Messages {
    /// Each is compared with its own.
    Each,
    /// Those at the end, which have all that was streamed, and a rest.
    AtEnd(String),
    /// Those that were streamed, which have all that those at the end have.
    Streamed,
}

/// Returns which of the streamed items each item of the output is.
pub(super) fn matches(output: &[Json], items: &[ItemAccumulator]) -> Vec<Option<usize>> {
    let mut taken = vec![false; items.len()];
    let mut found = vec![None; output.len()];
    let mut pair = |index: usize, item: &Json, test: &dyn Fn(&ItemAccumulator) -> bool| {
        let is_it = |position: usize| {
            let known = items.get(position);
            !taken.get(position).is_none_or(|taken| *taken)
                && known.is_some_and(|known| may_be(known, item) && test(known))
        };
        let position = match is_it(index) {
            true => Some(index),
            false => (0..items.len()).find(|position| is_it(*position)),
        };
        if let Some(taken) = position.and_then(|position| taken.get_mut(position)) {
            *taken = true;
        }
        position
    };
    for (index, (item, found)) in output.iter().zip(&mut found).enumerate() {
        *found = pair(index, item, &|known| is_same(known, None, item) == Some(true));
    }
    let others = found.iter().filter(|found| found.is_none()).count();
    if others.saturating_mul(items.len()) <= MAX_COMPARED {
        for (index, (item, found)) in output.iter().zip(&mut found).enumerate() {
            if found.is_none() {
                *found = pair(index, item, &|known| says_the_same(known, item));
            }
        }
    }
    for (index, (item, found)) in output.iter().zip(&mut found).enumerate() {
        if found.is_none() {
            *found = pair(index, item, &|known| may_be_renamed(known, item));
        }
    }
    found
}

/// Returns whether an item may be another one although their ids differ: of calls, those of another
/// tool are others.
fn may_be_renamed(known: &ItemAccumulator, item: &Json) -> bool {
    let name = item.get("name").and_then(Json::as_str).filter(|name| !name.is_empty());
    match (known.kind(), known.field("name"), name) {
        (Some(ItemKind::FunctionCall), Some(known), Some(name)) => known == name,
        _ => true,
    }
}

/// Returns which messages count: if they were divided otherwise, those with more text.
pub(super) fn messages(
    output: &[Json],
    items: &[ItemAccumulator],
    found: &[Option<usize>],
) -> Messages {
    let is_known = |known: &ItemAccumulator| known.kind_or_guess() == Some(ItemKind::Message);
    let at_end = output.iter().filter(|item| is_message(item)).count();
    let streamed = items.iter().filter(|known| is_known(known)).count();
    let paired = output.iter().zip(found).filter(|(item, it)| is_message(item) && it.is_some());
    if at_end == streamed && paired.count() == streamed {
        return Messages::Each;
    }
    let at_end: String =
        output.iter().filter(|item| is_message(item)).filter_map(message_text).collect();
    let in_order = in_order(items).into_iter().filter_map(|position| items.get(position));
    let streamed: String =
        in_order.filter(|known| is_known(known)).map(ItemAccumulator::text).collect();
    if at_end.is_empty() || streamed.is_empty() {
        return Messages::Each;
    }
    match at_end.strip_prefix(&*streamed) {
        Some(rest) => Messages::AtEnd(rest.to_owned()),
        None if streamed.starts_with(&at_end) => Messages::Streamed,
        None => Messages::Each,
    }
}

/// Puts the output together. `positions` has the streamed item that each item of the output is.
pub(super) fn merge(
    output: Vec<Json>,
    items: Vec<ItemAccumulator>,
    positions: &[Option<usize>],
    messages: &Messages,
) -> Output {
    let order = in_order(&items);
    if output.is_empty() {
        let mut streamed: Vec<_> = items.into_iter().map(Some).collect();
        let in_order = order.iter().filter_map(|position| streamed.get_mut(*position)?.take());
        return in_order.filter_map(finished).collect();
    }
    let mut places = vec![None; items.len()];
    let mut items: Vec<_> = items.into_iter().map(Some).collect();
    let mut merged = Vec::with_capacity(output.len());
    for (place, (item, position)) in output.into_iter().zip(positions).enumerate() {
        if *messages == Messages::Streamed && is_message(&item) {
            continue;
        }
        if let Some(known) = position.and_then(|position| places.get_mut(position)) {
            *known = Some(place + 1);
        }
        let known = position.and_then(|position| items.get_mut(position)?.take());
        let is_disputed = known.as_ref().is_some_and(ItemAccumulator::is_disputed);
        let known = known.filter(|known| known.has_more_than(&item));
        let item = known.and_then(ItemAccumulator::finish).unwrap_or(item);
        merged.push((place + 1, (item, is_disputed)));
    }
    // What the output lacks follows the item that it followed in the stream.
    let mut place_before = 0;
    for position in order {
        if let Some(Some(place)) = places.get(position) {
            place_before = *place;
        }
        let known = items.get_mut(position).and_then(Option::take);
        let is_repeated = |known: &ItemAccumulator| {
            matches!(messages, Messages::AtEnd(_))
                && known.kind_or_guess() == Some(ItemKind::Message)
        };
        let known = known.filter(|known| known.is_needed() && !is_repeated(known));
        merged.extend(known.and_then(finished).map(|item| (place_before, item)));
    }
    merged.sort_by_key(|(place, _)| *place);
    merged.into_iter().map(|(_, item)| item).collect()
}

fn finished(known: ItemAccumulator) -> Option<(Json, bool)> {
    let is_disputed = known.is_disputed();
    Some((known.finish()?, is_disputed))
}

pub(super) fn is_message(item: &Json) -> bool {
    ItemKind::of(item) == Some(ItemKind::Message)
}

/// Returns the positions of items in the order of their indexes.
fn in_order(items: &[ItemAccumulator]) -> Vec<usize> {
    let mut positions: Vec<_> = (0..items.len()).collect();
    let index = |position: &usize| items.get(*position).and_then(|item| item.output_index);
    positions.sort_by_key(|position| index(position).unwrap_or(u64::MAX));
    positions
}

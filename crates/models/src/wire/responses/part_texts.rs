//! The texts of an item's parts, of one kind.

use serde_json::Value as Json;

/// The maximum number of parts of an item.
const MAX_PARTS: usize = 1024;

/// The texts of the parts that have come, by their index. A part that has not come takes no memory:
/// servers choose the indexes.
#[derive(Debug, Default, Clone)]
pub(super) struct PartTexts {
    texts: Vec<(usize, String)>,
}

impl PartTexts {
    pub(super) fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// Returns the index of the last part, or zero.
    pub(super) fn last_index(&self) -> usize {
        self.texts.last().map_or(0, |(index, _)| *index)
    }

    /// Returns the index at which a part is kept: that of the last part, if it came without one.
    /// Those after the last that is allowed are one part.
    pub(super) fn place(&self, index: Option<usize>) -> usize {
        index.unwrap_or_else(|| self.last_index()).min(MAX_PARTS)
    }

    pub(super) fn get(&self, index: usize) -> Option<&str> {
        let at = self.texts.binary_search_by_key(&index, |(index, _)| *index).ok()?;
        self.texts.get(at).map(|(_, text)| text.as_str())
    }

    /// Adds to the text of the part at a [place](Self::place).
    pub(super) fn push(&mut self, index: usize, piece: &str) {
        let at = self.texts.binary_search_by_key(&index, |(index, _)| *index);
        if let Err(at) = at {
            self.texts.insert(at, (index, String::new()));
        }
        if let Some((_, text)) = self.texts.get_mut(at.unwrap_or_else(|at| at)) {
            text.push_str(piece);
        }
    }

    /// Returns the texts, in the order of their indexes.
    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, &str)> {
        self.texts.iter().map(|(index, text)| (*index, text.as_str()))
    }

    /// Returns the number of bytes of all texts.
    pub(super) fn length(&self) -> usize {
        self.iter().map(|(_, text)| text.len()).sum()
    }

    /// Returns whether there is more than another text, which has at least `length` bytes: whether
    /// the texts begin with it, and go on.
    pub(super) fn has_more_than(
        &self,
        length: usize,
        other: impl FnOnce() -> Option<String>,
    ) -> bool {
        let known = self.length();
        if known <= length {
            return false;
        }
        let other = other().unwrap_or_default();
        known > other.len() && self.concat().starts_with(&other)
    }

    /// Returns whether there is more than the texts of a list of parts.
    pub(super) fn has_more_than_list(&self, parts: Option<&Json>) -> bool {
        let parts = parts.and_then(Json::as_array).map_or(&[][..], Vec::as_slice);
        self.has_more_than(texts_length(parts), || Some(texts_of(parts).collect()))
    }

    pub(super) fn concat(&self) -> String {
        self.iter().map(|(_, text)| text).collect()
    }
}

/// Returns the texts of a list of parts.
fn texts_of(parts: &[Json]) -> impl Iterator<Item = &str> {
    parts.iter().filter_map(|part| part.get("text")?.as_str())
}

/// Returns the number of bytes of the texts of a list of parts.
pub(super) fn texts_length(parts: &[Json]) -> usize {
    texts_of(parts).map(str::len).sum()
}

//! The texts of an item's parts, of one kind.

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

    pub(super) fn concat(&self) -> String {
        self.iter().map(|(_, text)| text).collect()
    }
}

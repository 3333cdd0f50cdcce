//! A template whose operators measure their operands.

use std::ops::Range;

use super::operands::{self, Operand};

/// The text of a template for minijinja, in which operands are measured before they are used: those
/// of `~`, `+`, `in` and comparisons, products, keys, and the values of `set` and `with`.
///
/// A measured operand goes through a filter, `a ~ b` as `(a)|filter ~ (b)|filter`, and keeps its
/// value. A template that has none of these is left as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeasuredSource {
    text: String,
    /// The offsets of the insertions in the template, and their lengths, in order.
    insertions: Vec<(usize, usize)>,
}

impl MeasuredSource {
    /// Creates the text of a template. Its line breaks must be `\n`.
    #[must_use]
    pub fn new(source: &str) -> Self {
        let mut inserted: Vec<(usize, usize, String)> = Vec::new();
        for Operand { start, end, measure } in operands::find(source) {
            inserted.push((start, 0, "(".to_owned()));
            // Of operands that end together, the one that begins last is the innermost.
            inserted.push((end, source.len() - start, format!(")|{}", measure.filter())));
        }
        inserted.sort_by_key(|(offset, order, _)| (*offset, *order));
        let (mut text, mut at) = (String::with_capacity(source.len() + inserted.len() * 8), 0);
        for (offset, _, inserted) in &inserted {
            text.push_str(source.get(at..*offset).unwrap_or_default());
            text.push_str(inserted);
            at = *offset;
        }
        text.push_str(source.get(at..).unwrap_or_default());
        let insertions = inserted.into_iter().map(|(offset, _, text)| (offset, text.len()));
        let insertions = insertions.collect();
        Self { text, insertions }
    }

    /// Returns the text for minijinja.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the range of the template for a range of the text, such as that of an error.
    #[must_use]
    pub fn source_range(&self, range: &Range<usize>) -> Range<usize> {
        self.source_offset(range.start)..self.source_offset(range.end)
    }

    fn source_offset(&self, offset: usize) -> usize {
        let mut inserted = 0;
        for (at, length) in &self.insertions {
            let place = at + inserted;
            if offset <= place {
                break;
            }
            if offset < place + length {
                return *at;
            }
            inserted += length;
        }
        offset - inserted
    }
}

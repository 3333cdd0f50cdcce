//! A template whose operators measure their operands.

use std::ops::Range;

use super::operands::{self, Measure, Operand};

/// The text of a template for minijinja, in which operands are measured before they are used: those
/// of `~`, `+`, `in` and comparisons, products, keys, and the values of `set` and `with`.
///
/// A measured operand goes through a filter, `a ~ b` as `(a)|filter ~ (b)|filter`, and keeps its
/// value, but for a float that `~` makes a text of. The value that a loop goes over has a filter
/// too, which makes a list of the characters of a text, and so has that of a subscript, `a[i]` as
/// `((a)|filter)[i]`. A template that has none of these is left as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeasuredSource {
    text: String,
    /// The insertions, in order.
    insertions: Vec<Insertion>,
}

/// A bracket before an operand, or the one after it with its filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Insertion {
    /// The offset in the template.
    at: usize,
    length: usize,
    /// The start of the operand in the template.
    operand: usize,
}

impl MeasuredSource {
    /// Creates the text of a template. Its line breaks must be `\n`.
    #[must_use]
    pub fn new(source: &str) -> Self {
        let mut inserted: Vec<(usize, usize, String)> = Vec::new();
        for Operand { start, end, measure } in operands::find(source) {
            let (open, close) =
                if measure == Measure::Subscripted { ("((", ")") } else { ("(", "") };
            inserted.push((start, 0, open.to_owned()));
            // Of operands that end together, the one that begins last is the innermost.
            inserted.push((end, source.len() - start, format!(")|{}{close}", measure.filter())));
        }
        inserted.sort_by_key(|(offset, order, _)| (*offset, *order));
        let (mut text, mut at) = (String::with_capacity(source.len() + inserted.len() * 8), 0);
        for (offset, _, inserted) in &inserted {
            text.push_str(source.get(at..*offset).unwrap_or_default());
            text.push_str(inserted);
            at = *offset;
        }
        text.push_str(source.get(at..).unwrap_or_default());
        let insertions = inserted.into_iter().map(|(at, order, text)| {
            let operand = if order == 0 { at } else { source.len() - order };
            Insertion { at, length: text.len(), operand }
        });
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
        let at = |insertion: &Insertion| insertion.at;
        self.source_offset(range.start, at)..self.source_offset(range.end, at)
    }

    /// Returns the range of the template for that of an expression, such as one without a value.
    /// That of the filter of an operand is the operand.
    #[must_use]
    pub fn expression_range(&self, range: &Range<usize>) -> Range<usize> {
        let start = self.source_offset(range.start, |insertion| insertion.operand);
        start..self.source_range(range).end
    }

    /// Returns the offset in the template, or `inside` of the insertion where it is in one.
    fn source_offset(&self, offset: usize, inside: impl Fn(&Insertion) -> usize) -> usize {
        let mut inserted = 0;
        for insertion in &self.insertions {
            let place = insertion.at + inserted;
            if offset <= place {
                break;
            }
            if offset < place + insertion.length {
                return inside(insertion);
            }
            inserted += insertion.length;
        }
        offset - inserted
    }
}

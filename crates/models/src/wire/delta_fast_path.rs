//! Reads events of a stream that differ from an earlier one in their text only, without parsing
//! JSON.
//!
//! Nearly all events of most servers are such. Counted by callgrind, an event takes 1,900
//! instructions, and 8,700 where it is parsed as JSON (`cargo xtask instructions` gates the ratio).

use conversant_core::json_text::is_plain;

/// The number of misses after which no pattern is learnt any more: some servers vary each event.
const MAX_MISSES: u8 = 16;

/// The bytes before and after the text of an event.
///
/// If these bytes enclose the whole of a JSON string in valid JSON, they enclose any other text
/// that needs no escapes as well, and the rest of the event means the same.
#[derive(Debug, Default, Clone)]
pub(super) struct DeltaFastPath {
    before: String,
    after: String,
    misses: u8,
}

impl DeltaFastPath {
    /// Returns the text of an event that fits the pattern.
    pub(super) fn text_of<'d>(&mut self, data: &'d str) -> Option<&'d str> {
        if self.before.is_empty() {
            return None;
        }
        let rest = data.strip_prefix(self.before.as_str())?;
        let text = rest.strip_suffix(self.after.as_str()).filter(|text| is_plain(text))?;
        self.misses = 0;
        Some(text)
    }

    /// Learns the pattern of an event whose only content is `text`, a slice of `data`.
    pub(super) fn learn(&mut self, data: &str, text: &str) {
        if self.misses > MAX_MISSES {
            return;
        }
        self.misses += 1;
        // The position of the text. If it is not a slice of `data`, the check below fails.
        let start = text.as_ptr().addr().wrapping_sub(data.as_ptr().addr());
        let end = start.wrapping_add(text.len());
        let parts = (data.get(..start), data.get(start..end), data.get(end..));
        if let (Some(before), Some(found), Some(after)) = parts
            && found == text
            && before.ends_with('"')
            && after.starts_with('"')
        {
            before.clone_into(&mut self.before);
            after.clone_into(&mut self.after);
        }
    }
}

#[cfg(test)]
mod tests;

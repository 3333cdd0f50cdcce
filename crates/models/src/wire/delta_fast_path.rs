//! Events of a stream that differ from one before in their text alone, as nearly all do: they need not be read as JSON again.

use super::json_text::is_plain;

/// How often in a row an event may fit no pattern before none is looked for: some servers vary more than the text.
const MISSES: u8 = 16;

/// What stands before and after the text of an event.
///
/// If an event is JSON, and the text between the two is all of a JSON string, so is an event with another text between them, as long as
/// nothing in it is escaped; and all else that it says is the same.
#[derive(Debug, Default, Clone)]
pub(super) struct DeltaFastPath {
    before: String,
    after: String,
    misses: u8,
}

impl DeltaFastPath {
    /// Returns the text of an event, if it is as the one that was learnt.
    pub(super) fn text_of<'d>(&mut self, data: &'d str) -> Option<&'d str> {
        if self.before.is_empty() {
            return None;
        }
        let rest = data.strip_prefix(self.before.as_str())?;
        let text = rest.strip_suffix(self.after.as_str()).filter(|text| is_plain(text))?;
        self.misses = 0;
        Some(text)
    }

    /// Learns from an event that says nothing but a text, which was read of it as it stands there.
    pub(super) fn learn(&mut self, data: &str, text: &str) {
        if self.misses > MISSES {
            return;
        }
        self.misses += 1;
        // Where the text is. If it is not a part of the data, the places don't fit.
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

//! The arguments of a tool call, as far as they have come, and whether they are whole.

use serde::de::IgnoredAny;

/// JSON text that comes in pieces.
///
/// Whether it is whole is asked after each piece, so each byte is looked at once, and the text is
/// parsed only where all its brackets are closed.
#[derive(Debug, Default, Clone)]
pub(super) struct GrowingArguments {
    text: String,
    /// The length of the text that was searched for its last character.
    searched: usize,
    ends_with_brace: bool,
    /// The length of the text whose brackets were counted.
    counted: usize,
    open: usize,
    in_string: bool,
    is_escaped: bool,
    verdict: Verdict,
    /// Whether there is more than an empty object, also after further pieces.
    is_past_empty: bool,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    #[default]
    Open,
    /// The text was whole at this length.
    Whole(usize),
    /// It is not JSON, and no piece can make it such.
    Never,
}

impl GrowingArguments {
    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    pub(super) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    pub(super) fn into_string(self) -> String {
        self.text
    }

    /// Adds a piece.
    pub(super) fn push(&mut self, piece: &str) {
        // Some servers begin with an empty object, and the arguments follow.
        if !self.is_past_empty && !self.text.is_empty() && piece.trim_start().starts_with('{') {
            let known = self.text.trim();
            if known == "{}" {
                *self = Self::default();
            } else {
                self.is_past_empty = !known.is_empty();
            }
        }
        self.text.push_str(piece);
    }

    /// Returns whether arguments are whole: nothing can follow them.
    pub(super) fn is_complete(&mut self) -> bool {
        match self.verdict {
            Verdict::Never => return false,
            Verdict::Whole(length) if length == self.text.len() => return true,
            Verdict::Whole(_) | Verdict::Open => {}
        }
        let new = self.text.get(self.searched..).unwrap_or_default().trim_end();
        self.searched = self.text.len();
        if let Some(last) = new.as_bytes().last() {
            self.ends_with_brace = *last == b'}';
        }
        if !self.ends_with_brace {
            return false;
        }
        self.count_brackets();
        if self.open > 0 || self.in_string {
            return false;
        }
        // Where all brackets are closed, the value is whole, or else it is not JSON.
        let is_json = serde_json::from_str::<IgnoredAny>(&self.text).is_ok();
        self.verdict = if is_json { Verdict::Whole(self.text.len()) } else { Verdict::Never };
        is_json
    }

    fn count_brackets(&mut self) {
        for byte in self.text.as_bytes().get(self.counted..).unwrap_or_default() {
            match byte {
                _ if self.is_escaped => self.is_escaped = false,
                b'\\' => self.is_escaped = self.in_string,
                b'"' => self.in_string = !self.in_string,
                b'{' | b'[' if !self.in_string => self.open += 1,
                b'}' | b']' if !self.in_string => self.open = self.open.saturating_sub(1),
                _ => {}
            }
        }
        self.counted = self.text.len();
    }
}

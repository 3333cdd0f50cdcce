//! The search for words in texts, for stores without an index.

use super::session_filter::SessionFilter;

/// The words of a filter that were not found yet, for stores that read the texts of a session.
///
/// A word is found as a part of a word too, without regard to case.
///
/// # Examples
///
/// ```
/// use conversant_core::SessionFilter;
///
/// let mut finder = SessionFilter::new().with_text("soup lentil").finder();
/// assert!(!finder.find("Which soups are there?"));
/// assert!(finder.find("Lentil and tomato."));
/// ```
#[derive(Clone)]
pub struct WordFinder(Vec<String>);

impl SessionFilter {
    /// Returns the words to search for in the texts of one session.
    #[must_use]
    pub fn finder(&self) -> WordFinder {
        WordFinder(self.words().map(str::to_lowercase).collect())
    }
}

impl WordFinder {
    /// Looks for the words in a text. Returns whether all were found, in this text or in earlier
    /// ones.
    pub fn find(&mut self, text: &str) -> bool {
        if !self.0.is_empty() {
            let text = text.to_lowercase();
            self.0.retain(|word| !text.contains(word));
        }
        self.0.is_empty()
    }
}

/// Withholds the words.
impl std::fmt::Debug for WordFinder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WordFinder").field("words", &self.0.len()).finish_non_exhaustive()
    }
}

//! Looks for stop sequences in text that arrives piece by piece.

/// Holds back what may be the beginning of a stop sequence.
#[derive(Debug)]
pub(crate) struct StopScanner {
    stops: Vec<String>,
    pending: String,
}

/// The result of more text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Scanned {
    /// This text is not part of a stop sequence. It may be empty.
    Text(String),
    /// A stop sequence has come. This text is before it.
    Stopped(String),
}

impl StopScanner {
    /// Empty sequences are ignored.
    pub(crate) fn new(stops: &[String]) -> Self {
        let stops = stops.iter().filter(|stop| !stop.is_empty()).cloned().collect();
        Self { stops, pending: String::new() }
    }

    /// Reads more text.
    pub(crate) fn push(&mut self, text: &str) -> Scanned {
        self.pending.push_str(text);
        let found = self.stops.iter().filter_map(|stop| self.pending.find(stop.as_str())).min();
        if let Some(end) = found {
            self.pending.truncate(end);
            return Scanned::Stopped(std::mem::take(&mut self.pending));
        }
        let mut ends = self.pending.char_indices().map(|(at, _)| at);
        let is_beginning = |at: &usize| {
            let rest = self.pending.get(*at..).unwrap_or_default();
            self.stops.iter().any(|stop| stop.starts_with(rest))
        };
        let safe = ends.find(is_beginning).unwrap_or(self.pending.len());
        let held = self.pending.split_off(safe);
        Scanned::Text(std::mem::replace(&mut self.pending, held))
    }

    /// Returns the text that was held back, at the end of the answer.
    pub(crate) fn finish(&mut self) -> String {
        std::mem::take(&mut self.pending)
    }
}

#[cfg(test)]
#[allow(clippy::string_slice)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_text_ends_before_the_first_stop_however_it_is_cut(
            text in "[abé]{0,20}",
            stops in prop::collection::vec("[abé]{0,3}", 0..3),
            size in 1_usize..4,
        ) {
            let mut scanner = StopScanner::new(&stops);
            let characters: Vec<char> = text.chars().collect();
            let mut shown = String::new();
            let mut stopped = false;
            for piece in characters.chunks(size) {
                match scanner.push(&piece.iter().collect::<String>()) {
                    Scanned::Text(text) => shown.push_str(&text),
                    Scanned::Stopped(text) => {
                        shown.push_str(&text);
                        stopped = true;
                        break;
                    }
                }
            }
            if !stopped {
                shown.push_str(&scanner.finish());
            }
            let first = stops.iter().filter(|stop| !stop.is_empty());
            let first = first.filter_map(|stop| text.find(stop.as_str())).min();
            // With pieces of one character, the stop that is complete first wins.
            if size == 1 {
                let done = (0..=text.len()).filter(|end| text.is_char_boundary(*end)).find_map(|end| {
                    let ends_here = |stop: &&String| !stop.is_empty() && text[..end].ends_with(stop.as_str());
                    stops.iter().filter(ends_here).map(|stop| end - stop.len()).min()
                });
                prop_assert_eq!(shown, &text[..done.unwrap_or(text.len())]);
            } else {
                prop_assert!(text.starts_with(&shown));
                prop_assert_eq!(stopped, first.is_some());
            }
        }
    }
}

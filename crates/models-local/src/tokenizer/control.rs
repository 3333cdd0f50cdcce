//! Control tokens, which chat templates write by name.

use std::{cmp::Reverse, collections::BinaryHeap};

use memchr::memmem;

/// The control tokens of a model, longest names first.
#[derive(Debug, Default)]
pub(super) struct ControlTokens(Vec<(String, u32)>);

impl ControlTokens {
    pub(super) fn add(&mut self, name: String, id: u32) {
        if !name.is_empty() {
            self.0.push((name, id));
        }
    }

    pub(super) fn sort(&mut self) {
        self.0.sort_by_key(|(name, _)| Reverse(name.len()));
    }

    pub(super) fn id(&self, name: &str) -> Option<u32> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, id)| *id)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    /// Splits a text at the names: pieces of text, each with the token that follows it.
    ///
    /// Each name is searched in the text once, from one place where it is to the next.
    pub(super) fn split<'a>(
        &'a self,
        text: &'a str,
    ) -> impl Iterator<Item = (&'a str, Option<u32>)> {
        let next = move |index: usize, from: usize| {
            let (name, _) = self.0.get(index)?;
            let at = memmem::find(text.as_bytes().get(from..)?, name.as_bytes())?;
            Some(Reverse((from + at, index)))
        };
        // The next place of each name. Of names at the same place, the longest is the first.
        let mut places: BinaryHeap<_> = (0..self.0.len()).filter_map(|it| next(it, 0)).collect();
        let mut start = Some(0);
        std::iter::from_fn(move || {
            let from = start?;
            while let Some(Reverse((at, index))) = places.pop() {
                if at < from {
                    // It began inside of the name before.
                    places.extend(next(index, from));
                    continue;
                }
                let (name, id) = self.0.get(index)?;
                let end = at + name.len();
                places.extend(next(index, end));
                start = Some(end);
                return Some((text.get(from..at).unwrap_or_default(), Some(*id)));
            }
            start = None;
            Some((text.get(from..).unwrap_or_default(), None))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_split_at_the_longest_name_that_comes_first() {
        let mut control = ControlTokens::default();
        for (id, name) in (0..).zip(["<a>", "<a><b>", "<c>", ""]) {
            control.add(name.to_owned(), id);
        }
        control.sort();
        let split = |text| control.split(text).collect::<Vec<_>>();
        assert_eq!(split("x"), [("x", None)]);
        assert_eq!(split(""), [("", None)]);
        assert_eq!(split("x<a>y<c>"), [("x", Some(0)), ("y", Some(2)), ("", None)]);
        assert_eq!(split("<a><b>é<a"), [("", Some(1)), ("é<a", None)]);
    }

    /// A long conversation has a token at each message, and most names never occur.
    #[test]
    fn a_name_that_does_not_occur_is_searched_once() {
        let mut control = ControlTokens::default();
        control.add("<end>".to_owned(), 0);
        for id in 1..=256 {
            control.add(format!("<reserved_{id}>"), id);
        }
        control.sort();
        let text = "What is it?<end>".repeat(3_000);
        let pieces: Vec<_> = control.split(&text).collect();
        assert_eq!(pieces.len(), 3_001);
        assert_eq!((pieces[0], pieces[3_000]), (("What is it?", Some(0)), ("", None)));
    }

    /// Names may begin inside of each other.
    #[test]
    fn names_that_overlap_do_not_mix() {
        let mut control = ControlTokens::default();
        for (id, name) in (0..).zip(["aba", "ba", "bab"]) {
            control.add(name.to_owned(), id);
        }
        control.sort();
        let split = |text| control.split(text).collect::<Vec<_>>();
        assert_eq!(split("ababa"), [("", Some(0)), ("", Some(1)), ("", None)]);
        assert_eq!(split("xbabab"), [("x", Some(2)), ("ab", None)]);
        assert_eq!(split("bbaba"), [("b", Some(2)), ("a", None)]);
    }
}

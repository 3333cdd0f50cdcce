//! Control tokens, which chat templates write by name.

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
        self.0.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
    }

    pub(super) fn id(&self, name: &str) -> Option<u32> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, id)| *id)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    /// Splits a text at the names: pieces of text, each with the token that follows it.
    pub(super) fn split<'a>(
        &'a self,
        text: &'a str,
    ) -> impl Iterator<Item = (&'a str, Option<u32>)> {
        let mut rest = Some(text);
        std::iter::from_fn(move || {
            let text = rest?;
            // Of names that begin at the same place, `min_by_key` keeps the first: the longest.
            let found = self.0.iter().filter_map(|(name, id)| Some((text.find(name)?, name, id)));
            let Some((at, name, id)) = found.min_by_key(|(at, ..)| *at) else {
                rest = None;
                return Some((text, None));
            };
            rest = text.get(at + name.len()..);
            Some((text.get(..at).unwrap_or_default(), Some(*id)))
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
}

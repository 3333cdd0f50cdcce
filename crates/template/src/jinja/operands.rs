//! The places of a template whose values minijinja prints, compares, hashes or joins without a
//! limit.
//!
//! The operators and their precedence are those of minijinja's parser. Each tag is read once.

use super::lex::{Kind, Tag, Word, tags};

/// A part of a template, in bytes, that is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Operand {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) measure: Measure,
}

/// The use that is made of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Measure {
    /// It becomes text.
    Text,
    /// It is joined to a text by `~`.
    Joined,
    /// A loop goes over it.
    Looped,
    /// It is compared, hashed, added, or kept, or is a list that was multiplied.
    Items,
    /// A character or a part of it is taken by a number, or an item by a key.
    Subscripted,
}

impl Measure {
    /// Returns the name of the filter that measures.
    pub(super) const fn filter(self) -> &'static str {
        match self {
            Self::Text => TEXT_FILTER,
            Self::Joined => JOINED_FILTER,
            Self::Looped => LOOPED_FILTER,
            Self::Items => ITEMS_FILTER,
            Self::Subscripted => SUBSCRIPTED_FILTER,
        }
    }
}

/// The filter that measures the text of a value.
pub(super) const TEXT_FILTER: &str = "measured_text";
/// The filter that measures what `~` joins, and makes the text of a float.
pub(super) const JOINED_FILTER: &str = "measured_joined";
/// The filter that makes a list of the characters of a text that a loop goes over.
pub(super) const LOOPED_FILTER: &str = "measured_looped";
/// The filter that measures the items of a value.
pub(super) const ITEMS_FILTER: &str = "measured_items";

/// The filter that takes the time of a text of which a part is taken.
pub(super) const SUBSCRIPTED_FILTER: &str = "measured_subscripted";

pub(super) fn find(source: &str) -> Vec<Operand> {
    let mut operands = Vec::new();
    for tag in tags(source) {
        Reader::new(&tag, &mut operands).read();
    }
    operands
}

/// A comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    In,
    Other,
}

/// The part of a tag between two brackets, or all of it.
#[derive(Debug)]
struct Frame {
    /// The first word of the operand of `~` and `+`, and the measure by the sign before it.
    joined: usize,
    joining: Option<Measure>,
    is_product: bool,
    /// The first word of the operand of a comparison, and the comparison before it.
    compared: usize,
    comparison: Option<Comparison>,
    /// The first word of the value that is read, which a subscript may follow. A filter ends it.
    value: Option<usize>,
    /// The first word of a key, or of a value of `set` or `with`.
    kept: Option<usize>,
    brackets: Brackets,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Brackets {
    Map,
    Subscript,
    /// The arguments of a function, a method or a macro.
    Call,
    Other,
    /// A tag that assigns: `set`, and `with`, whose values end at commas.
    Set,
    With,
}

struct Reader<'r, 's> {
    words: &'r [Word<'s>],
    /// The index of the first word after the keyword of a statement.
    first: usize,
    is_loop: bool,
    /// The first word of what a loop goes over.
    looped: Option<usize>,
    is_macro: bool,
    frames: Vec<Frame>,
    /// Whether the word that was read last can end a value.
    is_value: bool,
    operands: &'r mut Vec<Operand>,
}

impl<'r, 's> Reader<'r, 's> {
    fn new(tag: &'r Tag<'s>, operands: &'r mut Vec<Operand>) -> Self {
        let words = tag.words_without_trim_marks();
        let keyword = words.first().filter(|_| tag.is_statement).map(|word| word.text);
        let first = usize::from(keyword.is_some());
        let brackets = match keyword {
            Some("set") => Brackets::Set,
            Some("with") => Brackets::With,
            _ => Brackets::Other,
        };
        let (is_loop, is_macro) = (keyword == Some("for"), keyword == Some("macro"));
        let words = match words.split_last() {
            Some((last, rest)) if is_loop && last.text == "recursive" && rest.len() > 3 => rest,
            _ => words,
        };
        let frames = vec![Frame::new(first, brackets)];
        let (looped, is_value) = (None, false);
        Self { words, first, is_loop, looped, is_macro, frames, is_value, operands }
    }

    fn read(mut self) {
        let mut at = self.first;
        while let Some(word) = self.words.get(at) {
            let is_value = match word.kind {
                Kind::Literal => true,
                Kind::Operator => matches!(word.text, ")" | "]" | "}"),
                Kind::Name => !is_keyword(word.text) || self.is_label(at) || self.is_variable(at),
            };
            if self.starts_value(*word, at, is_value)
                && let Some(frame) = self.frames.last_mut()
            {
                frame.value = Some(at);
            }
            if self.operator(at) == "|"
                && let Some(frame) = self.frames.last_mut()
            {
                frame.value = None;
            }
            at = self.word(*word, at).max(at + 1);
            self.is_value = is_value;
        }
        while let Some(frame) = self.frames.pop() {
            self.close(frame, self.words.len());
        }
        self.end_looped(self.words.len());
    }

    /// Reads a word. Returns the index of the next.
    fn word(&mut self, word: Word<'s>, at: usize) -> usize {
        let after = at + 1;
        match (word.kind, word.text) {
            (Kind::Operator, "(" | "[" | "{") => {
                let brackets = match word.text {
                    "{" => Brackets::Map,
                    // After the name of a test, it is a list.
                    "[" if self.is_value && !self.is_test(at.wrapping_sub(1)) => {
                        Brackets::Subscript
                    }
                    "(" if self.is_call(at) => Brackets::Call,
                    _ => Brackets::Other,
                };
                if brackets == Brackets::Subscript {
                    self.subscript(at);
                }
                self.frames.push(Frame::new(after, brackets));
            }
            (Kind::Operator, ")" | "]" | "}") if self.frames.len() > 1 => {
                if let Some(frame) = self.frames.pop() {
                    self.close(frame, at);
                }
            }
            (Kind::Operator, "*" | "**") if self.starts_argument(at) => self.start(after),
            (Kind::Operator, "*") => {
                if let Some(frame) = self.frames.last_mut() {
                    frame.is_product = true;
                }
            }
            (Kind::Operator, "." | "|" | "/" | "//" | "%" | "**") | (Kind::Literal, _) => {}
            (Kind::Operator, "-") if !self.is_value || self.is_test(at.wrapping_sub(1)) => {}
            (Kind::Operator, "~") => self.join(at, Some(Measure::Joined)),
            (Kind::Operator, "+") => self.join(at, Some(Measure::Items)),
            (Kind::Operator, "-") => self.join(at, None),
            (Kind::Operator, "==" | "!=" | "<" | "<=" | ">" | ">=") => {
                self.compare(at, after, Some(Comparison::Other));
            }
            (Kind::Operator, sign) => self.stop(at, sign),
            (Kind::Name, _) if self.is_label(at) || self.is_variable(at) => {}
            (Kind::Name, "in") if self.is_loop && self.frames.len() == 1 => {
                self.is_loop = false;
                self.stop(at, "in");
                self.looped = Some(after);
            }
            (Kind::Name, "in") => self.compare(at, after, Some(Comparison::In)),
            (Kind::Name, "not") if self.text(after) == "in" && self.is_value => {
                self.compare(at, after + 1, Some(Comparison::In));
                return after + 1;
            }
            (Kind::Name, name @ ("and" | "or" | "not" | "if" | "else")) => {
                self.stop(at, name);
                // The condition of a loop.
                if name == "if" && self.frames.len() == 1 {
                    self.end_looped(at);
                }
            }
            (Kind::Name, _) => {}
        }
        after
    }

    /// Ends an operand of `~` and `+`, after which one of them follows or not.
    fn join(&mut self, at: usize, joining: Option<Measure>) {
        let Some(frame) = self.frames.last_mut() else { return };
        let (start, before, is_product) = (frame.joined, frame.joining, frame.is_product);
        (frame.joined, frame.joining, frame.is_product) = (at + 1, joining, false);
        let measure = match (before, joining) {
            (Some(Measure::Joined), _) | (_, Some(Measure::Joined)) => Some(Measure::Joined),
            // What is added to a text is text.
            (None, Some(Measure::Items)) if self.is_text(at + 1) => None,
            (Some(Measure::Items), _) if self.is_quoted(start.saturating_sub(2)) => None,
            (Some(Measure::Items), _) | (_, Some(Measure::Items)) => Some(Measure::Items),
            _ => None,
        };
        let is_list = is_product && !self.is_repeated_text(start, at);
        if let Some(measure) = measure.or(is_list.then_some(Measure::Items)) {
            self.measure(start, at, measure);
        }
    }

    /// Ends an operand of comparisons. The next begins at `after`.
    fn compare(&mut self, at: usize, after: usize, comparison: Option<Comparison>) {
        self.join(at, None);
        let Some(frame) = self.frames.last_mut() else { return };
        let (start, before) = (frame.compared, frame.comparison);
        (frame.joined, frame.compared, frame.comparison) = (after, after, comparison);
        match (before, comparison) {
            (None, None) => {}
            // A text or a number takes no time to compare.
            (None, Some(Comparison::Other)) if self.is_constant(after) => {
                if let Some(frame) = self.frames.last_mut() {
                    frame.comparison = None;
                }
            }
            (_, Some(Comparison::In)) => self.measure(start, at, Measure::Text),
            _ => self.measure(start, at, Measure::Items),
        }
    }

    /// Ends all operands at a sign or keyword.
    fn stop(&mut self, at: usize, sign: &str) {
        self.compare(at, at + 1, None);
        let Some(frame) = self.frames.last_mut() else { return };
        let kept = frame.kept;
        match (frame.brackets, sign) {
            (Brackets::Map, ":") | (Brackets::With, ",") => frame.kept = None,
            (Brackets::Call, ",") => frame.kept = Some(at + 1),
            (Brackets::Map, ",") | (Brackets::Call, "=") => {
                frame.kept = Some(at + 1);
                return;
            }
            (Brackets::Set | Brackets::With, "=") if kept.is_none() => {
                frame.kept = Some(at + 1);
                return;
            }
            // A slice has numbers.
            (Brackets::Subscript, ":" | ",") => {
                frame.kept = None;
                return;
            }
            _ => return,
        }
        if let Some(start) = kept {
            self.measure(start, at, Measure::Items);
        }
    }

    fn close(&mut self, frame: Frame, at: usize) {
        let kept = frame.kept.filter(|_| frame.brackets != Brackets::Map);
        self.frames.push(frame);
        self.compare(at, at, None);
        self.frames.pop();
        if let Some(start) = kept {
            self.measure(start, at, Measure::Items);
        }
    }

    /// Measures what is before the bracket of a subscript. A name as key is that of a map's value.
    fn subscript(&mut self, at: usize) {
        let is_name = self.is_quoted(at + 1) && self.text(at + 2) == "]";
        if let Some(start) = self.frames.last().and_then(|frame| frame.value)
            && !is_name
        {
            self.measure(start, at, Measure::Subscripted);
            // A bracket after the name of a test would be that of its arguments.
            if start.checked_sub(1).is_some_and(|before| self.is_test(before)) {
                self.measure(start, self.end_of_value(at), Measure::Subscripted);
            }
        }
    }

    /// Returns the end of a value whose subscript begins at a word.
    fn end_of_value(&self, mut at: usize) -> usize {
        let mut open = 0_usize;
        loop {
            match self.operator(at) {
                "(" | "[" | "{" => open += 1,
                ")" | "]" | "}" if open > 0 => open -= 1,
                "." if open == 0 => at += 1,
                _ if open == 0 || at >= self.words.len() => return at,
                _ => {}
            }
            at += 1;
        }
    }

    /// Begins the operands at a word.
    fn start(&mut self, at: usize) {
        if let Some(frame) = self.frames.last_mut() {
            (frame.joined, frame.compared, frame.kept) = (at, at, Some(at));
        }
    }

    /// Ends what a loop goes over.
    fn end_looped(&mut self, end: usize) {
        if let Some(start) = self.looped.take() {
            self.measure(start, end, Measure::Looped);
        }
    }

    fn measure(&mut self, start: usize, end: usize, measure: Measure) {
        let Some([first, rest @ ..]) = self.words.get(start..end) else { return };
        if first.kind == Kind::Literal && rest.is_empty() {
            let is_text = self.is_quoted(start);
            let changes = match measure {
                Measure::Text | Measure::Items => false,
                // A float, or a whole number in base 16.
                Measure::Joined => !is_text && first.text.contains(['.', 'e', 'E']),
                Measure::Looped | Measure::Subscripted => is_text,
            };
            if !changes {
                return;
            }
        }
        let last = rest.last().unwrap_or(first);
        let (start, end) = (first.offset, last.offset + last.text.len());
        self.operands.push(Operand { start, end, measure });
    }

    /// Returns whether an operand of a comparison is a literal.
    fn is_constant(&self, at: usize) -> bool {
        let is_literal = self.words.get(at).is_some_and(|word| word.kind == Kind::Literal);
        let ends = ["", ")", "]", "}", ",", ":", "and", "or", "if", "else"];
        is_literal && ends.contains(&self.text(at + 1))
    }

    /// Returns whether an operand of `+` is a text.
    fn is_text(&self, at: usize) -> bool {
        self.is_quoted(at) && !matches!(self.text(at + 1), "." | "[" | "|" | "is")
    }

    /// Returns whether a product is that of a text.
    fn is_repeated_text(&self, start: usize, end: usize) -> bool {
        let is_last = end.checked_sub(1).is_some_and(|last| self.is_quoted(last));
        is_last || self.is_quoted(start) && self.text(start + 1) == "*"
    }

    fn is_quoted(&self, at: usize) -> bool {
        let literal = self.words.get(at).filter(|word| word.kind == Kind::Literal);
        literal.is_some_and(|word| word.text.starts_with(['\'', '"']))
    }

    /// Returns whether a word is the first of a value. `is_value` is whether a value may end with
    /// it.
    fn starts_value(&self, word: Word<'s>, at: usize, is_value: bool) -> bool {
        match word.kind {
            Kind::Literal => at.checked_sub(1).is_none_or(|before| self.operator(before) != "."),
            Kind::Name => is_value && !self.is_label(at),
            Kind::Operator => {
                let is_open = matches!(word.text, "(" | "[" | "{");
                is_open && (!self.is_value || self.is_test(at.wrapping_sub(1)))
            }
        }
    }

    /// Returns whether a word is an attribute, a filter, a test or the name of an argument.
    fn is_label(&self, at: usize) -> bool {
        let before = at.checked_sub(1).map_or("", |before| self.operator(before));
        matches!(before, "." | "|") || self.is_test(at) || self.operator(at + 1) == "="
    }

    /// Returns whether a keyword is in the place of an operand, where minijinja reads it as a
    /// variable, which a template can assign.
    fn is_variable(&self, at: usize) -> bool {
        let before = at.checked_sub(1).filter(|before| *before >= self.first);
        let before = before.map_or("", |before| self.text(before));
        match self.text(at) {
            // A negation follows other keywords, brackets and commas.
            "not" => matches!(
                before,
                "~" | "+"
                    | "-"
                    | "*"
                    | "/"
                    | "//"
                    | "%"
                    | "**"
                    | "=="
                    | "!="
                    | "<"
                    | "<="
                    | ">"
                    | ">="
                    | "in"
            ),
            "in" if self.is_loop && self.frames.len() == 1 => false,
            "and" | "or" | "in" | "if" | "else" => !self.is_value,
            _ => false,
        }
    }

    /// Returns whether a word is part of a test, with its `not`.
    fn is_test(&self, at: usize) -> bool {
        let before = |count| at.checked_sub(count).map_or("", |before| self.text(before));
        before(1) == "is" || before(1) == "not" && before(2) == "is"
    }

    /// Returns whether a bracket has the arguments of a call. Filters and tests measure their own,
    /// and those of a macro are names.
    fn is_call(&self, at: usize) -> bool {
        let Some(name) = at.checked_sub(1).filter(|_| self.is_value) else { return false };
        let is_filter = name.checked_sub(1).is_some_and(|before| self.operator(before) == "|");
        let is_signature = self.is_macro && self.frames.len() == 1;
        !(is_filter || is_signature || self.is_test(name))
    }

    /// Returns whether a word is the first of an argument.
    fn starts_argument(&self, at: usize) -> bool {
        let frame = self.frames.last();
        frame.is_some_and(|frame| frame.brackets == Brackets::Call && frame.kept == Some(at))
    }

    fn text(&self, at: usize) -> &'s str {
        self.words.get(at).filter(|word| word.kind != Kind::Literal).map_or("", |word| word.text)
    }

    fn operator(&self, at: usize) -> &'s str {
        let word = self.words.get(at).filter(|word| word.kind == Kind::Operator);
        word.map_or("", |word| word.text)
    }
}

impl Frame {
    fn new(start: usize, brackets: Brackets) -> Self {
        let is_key = matches!(brackets, Brackets::Call | Brackets::Map | Brackets::Subscript);
        Self {
            joined: start,
            joining: None,
            is_product: false,
            compared: start,
            comparison: None,
            value: Some(start),
            kept: is_key.then_some(start),
            brackets,
        }
    }
}

fn is_keyword(name: &str) -> bool {
    matches!(name, "and" | "or" | "not" | "in" | "is" | "if" | "else")
}

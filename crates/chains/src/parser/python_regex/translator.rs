//! The parts that the translation of expressions works with: position, output, flags, widths.

use std::{collections::HashMap, fmt};

/// A fault of an expression.
#[derive(Debug)]
pub(in crate::parser) struct Fault {
    what: String,
    /// The position, in characters.
    at: usize,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at position {}", self.what, self.at)
    }
}

/// The flags that hold at a place.
#[derive(Clone, Copy, Default, PartialEq)]
pub(super) struct Flags {
    pub(super) ascii: bool,
    pub(super) ignore_case: bool,
    pub(super) multi_line: bool,
    pub(super) dot_all: bool,
    pub(super) verbose: bool,
}

impl Flags {
    pub(super) fn set(&mut self, letter: char, on: bool) -> bool {
        match letter {
            'a' => self.ascii = on,
            'u' => self.ascii = !on,
            'i' => self.ignore_case = on,
            'm' => self.multi_line = on,
            's' => self.dot_all = on,
            'x' => self.verbose = on,
            _ => return false,
        }
        true
    }
}

/// The least and the greatest number of characters that an element matches.
#[derive(Clone, Copy, Default, PartialEq)]
pub(super) struct Width {
    pub(super) min: u64,
    pub(super) max: u64,
}

pub(super) const ZERO: Width = Width { min: 0, max: 0 };
pub(super) const ONE: Width = Width { min: 1, max: 1 };

impl Width {
    pub(super) const fn then(self, next: Self) -> Self {
        Self { min: self.min.saturating_add(next.min), max: self.max.saturating_add(next.max) }
    }

    pub(super) fn or(self, other: Self) -> Self {
        Self { min: self.min.min(other.min), max: self.max.max(other.max) }
    }
}

pub(super) struct Group {
    /// `None` while the group is open.
    pub(super) width: Option<Width>,
}

/// An expression, the position in it, and its translation so far.
#[derive(Default)]
pub(super) struct Translator {
    pub(super) regex: Vec<char>,
    pub(super) at: usize,
    pub(super) out: String,
    pub(super) groups: Vec<Group>,
    /// The numbers of the groups that have names.
    pub(super) names: HashMap<String, usize>,
    /// The number of groups that are open.
    pub(super) depth: usize,
    pub(super) repeated: Repeated,
    /// The number of elements so far.
    pub(super) elements: usize,
}

/// The elements that an expression repeats more than a few times.
pub(in super::super) enum Repeated {
    /// Single characters, each as an expression.
    Characters(Vec<String>),
    /// Groups or back-references too.
    Groups,
}

impl Default for Repeated {
    fn default() -> Self {
        Self::Characters(Vec::new())
    }
}

pub(super) type Parsed<T> = Result<T, Fault>;

impl Translator {
    pub(super) fn fault(&self, what: impl Into<String>) -> Fault {
        Fault { what: what.into(), at: self.at }
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.regex.get(self.at).copied()
    }

    pub(super) fn next(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += 1;
        Some(next)
    }

    pub(super) fn take(&mut self, wanted: char) -> bool {
        let is_next = self.peek() == Some(wanted);
        self.at += usize::from(is_next);
        is_next
    }

    /// Reads up to a terminator, and skips it.
    pub(super) fn until(&mut self, end: char) -> Parsed<String> {
        let mut text = String::new();
        loop {
            match self.next() {
                Some(found) if found == end => return Ok(text),
                Some(found) => text.push(found),
                None => return Err(self.fault(format!("missing `{end}`"))),
            }
        }
    }

    pub(super) fn digits(&mut self) -> String {
        let mut digits = String::new();
        while let Some(digit) = self.peek().filter(char::is_ascii_digit) {
            digits.push(digit);
            self.at += 1;
        }
        digits
    }
}

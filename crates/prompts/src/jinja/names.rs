//! Which names a Jinja2 template uses, which of them must have a value, and what it may not do.
//!
//! A name is optional if every use of it is provided for: under `default`, under `is defined`, as a
//! condition (`{% if name %}`, `name and …`, `name == …`), or inside the branch that such a
//! condition guards. What a template binds itself (loops, `set`, `with`) is not a name of the
//! prompt.

use std::collections::{HashMap, HashSet};

use conversant_template::jinja::lex::{Kind, Tag, Word, tags};

use super::fault::JinjaFault;

/// The deepest nesting of statements. An `elif` counts as one inside its `if`.
///
/// This limit and the next two are far below what exhausts a test thread's stack in minijinja,
/// whose parser and compiler recurse.
const MAX_DEPTH: usize = 60;
/// The deepest nesting of brackets in one tag.
const MAX_BRACKETS: usize = 20;
/// The most words of one tag.
const MAX_WORDS: usize = 600;

/// The number whose negative minijinja cannot take as the step of a slice.
const MIN_STEP: &str = "9223372036854775808";

/// The most operators in the values of all `set` and `with` of a template. Each can wrap the value
/// of an earlier one, and values that are nested this often can still be printed and dropped.
const MAX_OPERATORS: usize = 1000;

/// The names, filters and tests of a template.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Each name once, in order of first appearance, and whether it must have a value.
    pub(super) names: Vec<(String, bool)>,
    /// The filters and their places.
    pub(super) filters: Vec<(String, usize)>,
    /// The tests and their places.
    pub(super) tests: Vec<(String, usize)>,
}

pub(super) fn find(source: &str) -> Result<Found, (JinjaFault, usize)> {
    let mut finder = Finder::default();
    for tag in tags(source) {
        finder.tag(&tag)?;
    }
    Ok(finder.found)
}

#[derive(Default)]
struct Finder<'s> {
    found: Found,
    places: HashMap<&'s str, usize>,
    blocks: Vec<Block<'s>>,
    /// Names that the template binds outside of any block.
    bound: HashSet<&'s str>,
    /// The operators in the values of `set` and `with` so far.
    operators: usize,
}

/// A statement that has an end.
struct Block<'s> {
    keyword: &'s str,
    /// The number of `elif` so far.
    branches: usize,
    bound: HashSet<&'s str>,
    /// Names that are known to have a value inside.
    guarded: HashSet<&'s str>,
}

type Fault = (JinjaFault, usize);

impl<'s> Finder<'s> {
    fn tag(&mut self, tag: &Tag<'s>) -> Result<(), Fault> {
        check_size(&tag.words)?;
        let words = tag.words_without_trim_marks();
        if !tag.is_statement {
            return self.expression(words, false);
        }
        let Some((keyword, rest)) = words.split_first() else { return Ok(()) };
        match keyword.text {
            "if" => {
                self.expression(rest, true)?;
                self.open("if", guards(rest), keyword)?;
            }
            "elif" => {
                self.expression(rest, true)?;
                self.branch(guards(rest));
                if let Some(block) = self.blocks.last_mut() {
                    block.branches += 1;
                }
                self.check_depth(keyword)?;
            }
            "else" => self.branch(HashSet::new()),
            "for" => {
                let split = rest.iter().position(|word| word.text == "in").unwrap_or(rest.len());
                let (targets, iterated) = rest.split_at(split);
                let iterated = iterated.get(1..).unwrap_or_default();
                let condition = iterated
                    .iter()
                    .position(|word| word.text == "if" && !has_else(iterated))
                    .unwrap_or(iterated.len());
                let (iterated, condition) = iterated.split_at(condition);
                self.expression(without_recursive(iterated), false)?;
                let mut bound = names(targets);
                bound.push("loop");
                self.open("for", HashSet::new(), keyword)?;
                self.bind(bound);
                let condition = condition.get(1..).unwrap_or_default();
                self.expression(without_recursive(condition), true)?;
            }
            "set" => {
                self.count_operators(rest)?;
                let split = rest.iter().position(|word| word.text == "=").unwrap_or(rest.len());
                let (targets, value) = rest.split_at(split);
                self.expression(value.get(1..).unwrap_or_default(), false)?;
                let filter = targets.iter().position(|word| word.text == "|");
                let (targets, filter) = targets.split_at(filter.unwrap_or(targets.len()));
                self.expression(filter, false)?;
                self.bind(names(targets));
                if value.is_empty() {
                    self.open("set", HashSet::new(), keyword)?;
                }
            }
            "with" => {
                self.count_operators(rest)?;
                let mut bound = Vec::new();
                for part in split_commas(rest) {
                    let split = part.iter().position(|word| word.text == "=").unwrap_or(0);
                    let (target, value) = part.split_at(split);
                    self.expression(value.get(1..).unwrap_or_default(), false)?;
                    bound.extend(names(target));
                }
                self.open("with", HashSet::new(), keyword)?;
                self.bind(bound);
            }
            "filter" => {
                if let Some(name) = rest.first() {
                    self.found.filters.push((name.text.to_owned(), name.offset));
                }
                self.arguments(rest.get(1..).unwrap_or_default())?;
                self.open("filter", HashSet::new(), keyword)?;
            }
            "autoescape" => {
                self.expression(rest, false)?;
                self.open("autoescape", HashSet::new(), keyword)?;
            }
            "endif" | "endfor" | "endset" | "endwith" | "endfilter" | "endautoescape" => {
                self.close(keyword.text.trim_start_matches("end"));
            }
            other => return Err((JinjaFault::Statement(other.to_owned()), keyword.offset)),
        }
        Ok(())
    }

    fn open(
        &mut self,
        keyword: &'s str,
        guarded: HashSet<&'s str>,
        word: &Word<'s>,
    ) -> Result<(), Fault> {
        self.blocks.push(Block { keyword, branches: 0, bound: HashSet::new(), guarded });
        self.check_depth(word)
    }

    fn count_operators(&mut self, words: &[Word<'s>]) -> Result<(), Fault> {
        let operators = words.iter().filter(|word| word.kind == Kind::Operator);
        self.operators += operators.filter(|word| !matches!(word.text, "," | "." | "=")).count();
        match words.first() {
            Some(word) if self.operators > MAX_OPERATORS => Err((JinjaFault::TooDeep, word.offset)),
            _ => Ok(()),
        }
    }

    fn check_depth(&self, word: &Word<'s>) -> Result<(), Fault> {
        let depth: usize = self.blocks.iter().map(|block| 1 + block.branches).sum();
        if depth > MAX_DEPTH { Err((JinjaFault::TooDeep, word.offset)) } else { Ok(()) }
    }

    fn branch(&mut self, guarded: HashSet<&'s str>) {
        if let Some(block) = self.blocks.last_mut() {
            block.guarded = guarded;
        }
    }

    fn close(&mut self, keyword: &str) {
        if self.blocks.last().is_some_and(|block| block.keyword == keyword) {
            self.blocks.pop();
        }
    }

    /// Binds names: until the end of the loop or `with` that contains it.
    fn bind(&mut self, names: Vec<&'s str>) {
        let scope = self.blocks.iter_mut().rev().find(|b| matches!(b.keyword, "for" | "with"));
        match scope {
            Some(block) => block.bound.extend(names),
            None => self.bound.extend(names),
        }
    }

    /// Reads arguments of a filter block: `(a, b)`.
    fn arguments(&mut self, words: &[Word<'s>]) -> Result<(), Fault> {
        let inside = words.get(1..).unwrap_or_default();
        if words.first().is_some_and(|word| word.text == "(") {
            self.expression(inside, false)
        } else {
            self.expression(words, false)
        }
    }

    fn expression(&mut self, words: &[Word<'s>], condition: bool) -> Result<(), Fault> {
        // Whether a word is in the condition of `a if condition else b`.
        let mut inline = false;
        for (index, word) in words.iter().enumerate() {
            match word.text {
                "if" => inline = true,
                "else" => inline = false,
                _ => {}
            }
            let before = index.checked_sub(1).and_then(|index| words.get(index));
            let after = words.get(index + 1).map_or("", |word| word.text);
            let previous = before.map_or("", |word| word.text);
            let ends_operand = before.is_some_and(|word| {
                word.kind == Kind::Literal || matches!(word.text, ")" | "]" | "}")
            });
            if word.text == "(" && ends_operand {
                return Err((JinjaFault::Call, word.offset));
            }
            if word.kind != Kind::Name || is_keyword(word.text) {
                continue;
            }
            let is_test = previous == "is" || previous == "not" && before_not(words, index) == "is";
            if previous == "|" {
                self.found.filters.push((word.text.to_owned(), word.offset));
            } else if is_test {
                self.found.tests.push((word.text.to_owned(), word.offset));
            } else if previous == "." {
                if after == "(" {
                    return Err((JinjaFault::Method(word.text.to_owned()), word.offset));
                }
            } else if after == "(" {
                return Err((JinjaFault::Call, word.offset));
            } else if after != "=" {
                self.name(words, index, condition || inline);
            }
        }
        Ok(())
    }

    /// Notes a use of a name.
    fn name(&mut self, words: &[Word<'s>], index: usize, condition: bool) {
        let Some(word) = words.get(index) else { return };
        let name = word.text;
        if self.bound.contains(name) || self.blocks.iter().any(|b| b.bound.contains(name)) {
            return;
        }
        let guarded = self.blocks.iter().any(|block| block.guarded.contains(name));
        let optional =
            guarded || has_default(words, index) || condition && is_operand(words, index);
        let place = *self.places.entry(name).or_insert_with(|| {
            self.found.names.push((name.to_owned(), false));
            self.found.names.len() - 1
        });
        if let Some((_, required)) = self.found.names.get_mut(place) {
            *required |= !optional;
        }
    }
}

/// Refuses a tag that would take a deep recursion to compile.
fn check_size(words: &[Word<'_>]) -> Result<(), Fault> {
    let mut depth = 0_usize;
    for (index, word) in words.iter().enumerate() {
        match word.text {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_BRACKETS || index >= MAX_WORDS {
            return Err((JinjaFault::TooDeep, word.offset));
        }
        let before = index.checked_sub(1).and_then(|index| words.get(index));
        let is_negative = before.is_some_and(|word| word.text == "-");
        if depth > 0 && is_negative && word.text == MIN_STEP {
            return Err((JinjaFault::SliceStep, word.offset));
        }
    }
    Ok(())
}

fn without_recursive<'w, 's>(words: &'w [Word<'s>]) -> &'w [Word<'s>] {
    match words.split_last() {
        Some((last, rest)) if last.text == "recursive" && !rest.is_empty() => rest,
        _ => words,
    }
}

/// Returns whether the `if` of a loop belongs to an inline `… if … else …`.
fn has_else(words: &[Word<'_>]) -> bool {
    words.iter().any(|word| word.text == "else")
}

fn names<'s>(words: &[Word<'s>]) -> Vec<&'s str> {
    words.iter().filter(|word| word.kind == Kind::Name).map(|word| word.text).collect()
}

fn split_commas<'w, 's>(words: &'w [Word<'s>]) -> Vec<&'w [Word<'s>]> {
    let mut depth = 0_usize;
    words
        .split(|word| {
            match word.text {
                "(" | "[" | "{" => depth += 1,
                ")" | "]" | "}" => depth = depth.saturating_sub(1),
                _ => {}
            }
            word.text == "," && depth == 0
        })
        .collect()
}

fn is_keyword(word: &str) -> bool {
    matches!(
        word,
        "and"
            | "or"
            | "not"
            | "in"
            | "is"
            | "if"
            | "else"
            | "true"
            | "false"
            | "none"
            | "True"
            | "False"
            | "None"
    )
}

/// Returns the word before a `not` before `index`.
fn before_not<'s>(words: &[Word<'s>], index: usize) -> &'s str {
    let before = index.checked_sub(2).and_then(|index| words.get(index));
    before.map_or("", |word| word.text)
}

/// Returns whether `name | default…` or `name is [not] defined` follows.
fn has_default(words: &[Word<'_>], index: usize) -> bool {
    let at = |offset: usize| words.get(index + offset).map_or("", |word| word.text);
    let test = if at(2) == "not" { at(3) } else { at(2) };
    at(1) == "|" && matches!(at(2), "default" | "d")
        || at(1) == "is" && matches!(test, "defined" | "undefined")
}

/// Returns whether a name is itself a truth value: bounded by `and`, `or`, `not`, brackets or the
/// ends, or compared with `==` or `!=`.
fn is_operand(words: &[Word<'_>], index: usize) -> bool {
    let before = index.checked_sub(1).and_then(|index| words.get(index)).map_or("", |w| w.text);
    let after = words.get(index + 1).map_or("", |word| word.text);
    let before = matches!(before, "" | "and" | "or" | "not" | "(" | "if" | "==" | "!=");
    before && matches!(after, "" | "and" | "or" | ")" | "else" | "==" | "!=")
}

/// Returns the names that a condition shows to have a value where it holds: `name`, `name and …`,
/// `name is defined`. A condition with `or` or `not` shows nothing.
fn guards<'s>(words: &[Word<'s>]) -> HashSet<&'s str> {
    if words.iter().any(|word| matches!(word.text, "or" | "not" | "if")) {
        return HashSet::new();
    }
    let operands = words.split(|word| word.text == "and");
    operands
        .filter_map(|operand| match operand {
            [name] => Some(name),
            [name, is, test] if is.text == "is" && test.text == "defined" => Some(name),
            _ => None,
        })
        .filter(|word| word.kind == Kind::Name && !is_keyword(word.text))
        .map(|word| word.text)
        .collect()
}

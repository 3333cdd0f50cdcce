//! Which names a Jinja2 template uses, which of them must have a value, and what it may not do.
//!
//! A name is optional if every use of it is provided for: under `default`, under `is defined`, as a
//! condition (`{% if name %}`, `name and …`, `name == …`), before an `or`, or where such a
//! condition shows that it has a value: in its branch, and behind an `and`. What a template binds
//! itself (loops, `set`, `with`) is not a name of the prompt. A name that only some branches of an
//! `if` set is one after the `if`, and optional.

use std::collections::{HashMap, HashSet};

use conversant_template::jinja::lex::{Kind, Tag, Word, tags};

use super::{
    fault::JinjaFault,
    provided::{guards, is_keyword, provided},
};

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
    /// Each filter once, with its first place.
    pub(super) filters: Vec<(String, usize)>,
    /// Each test once, with its first place.
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
    /// The filters and tests that were found.
    known: HashSet<(Uses, &'s str)>,
    blocks: Vec<Block<'s>>,
    /// The names that the template binds outside of any block.
    scope: Scope<'s>,
    /// The operators in the values of `set` and `with` so far.
    operators: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Uses {
    Filter,
    Test,
}

/// A statement that has an end.
struct Block<'s> {
    keyword: &'s str,
    /// The number of `elif` so far.
    branches: usize,
    /// Of an `if`, that of the branch that is read.
    scope: Scope<'s>,
    /// Names that are known to have a value inside.
    guarded: HashSet<&'s str>,
    /// Of an `if`: the names that all branches so far have set, and those that one has.
    in_all: Option<HashSet<&'s str>>,
    in_some: HashSet<&'s str>,
    has_else: bool,
}

/// The names that a part of a template binds.
#[derive(Default)]
struct Scope<'s> {
    bound: HashSet<&'s str>,
    /// Names that a branch of an `if` has set, and another one not.
    perhaps_bound: HashSet<&'s str>,
}

impl<'s> Block<'s> {
    fn new(keyword: &'s str, guarded: HashSet<&'s str>) -> Self {
        let (branches, scope, has_else) = (0, Scope::default(), false);
        let (in_all, in_some) = (None, HashSet::new());
        Self { keyword, branches, scope, guarded, in_all, in_some, has_else }
    }

    /// Ends a branch of an `if`.
    fn end_branch(&mut self) {
        let Scope { bound, perhaps_bound } = std::mem::take(&mut self.scope);
        self.in_some.extend(bound.iter().chain(&perhaps_bound));
        self.in_all = Some(match self.in_all.take() {
            Some(all) => all.intersection(&bound).copied().collect(),
            None => bound,
        });
    }
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
                self.branch(HashSet::new());
                self.expression(rest, true)?;
                self.guard(guards(rest));
                if let Some(block) = self.blocks.last_mut() {
                    block.branches += 1;
                }
                self.check_depth(keyword)?;
            }
            "else" => {
                self.branch(HashSet::new());
                if let Some(block) = self.blocks.last_mut() {
                    block.has_else = true;
                }
            }
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
                    let value = value.get(1..).unwrap_or_default();
                    // minijinja would read the new value, and Jinja2 reads the one before.
                    let earlier = value.iter().enumerate().find(|(index, word)| {
                        let before = index.checked_sub(1).and_then(|before| value.get(before));
                        let is_label = before.is_some_and(|word| matches!(word.text, "." | "|"))
                            || value.get(index + 1).is_some_and(|word| word.text == "=");
                        word.kind == Kind::Name && !is_label && bound.contains(&word.text)
                    });
                    if let Some((_, word)) = earlier {
                        let fault = JinjaFault::WithTarget(word.text.to_owned());
                        return Err((fault, word.offset));
                    }
                    self.expression(value, false)?;
                    bound.extend(names(target));
                }
                self.open("with", HashSet::new(), keyword)?;
                self.bind(bound);
            }
            "filter" => {
                if let Some(name) = rest.first() {
                    self.uses(Uses::Filter, name);
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
        self.blocks.push(Block::new(keyword, guarded));
        self.check_depth(word)
    }

    /// Notes a use of a filter or test.
    fn uses(&mut self, uses: Uses, word: &Word<'s>) {
        if self.known.insert((uses, word.text)) {
            let found = match uses {
                Uses::Filter => &mut self.found.filters,
                Uses::Test => &mut self.found.tests,
            };
            found.push((word.text.to_owned(), word.offset));
        }
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
            match block.keyword {
                "if" => block.end_branch(),
                // After a loop, its names are those of before.
                _ => block.scope = Scope::default(),
            }
        }
    }

    /// Sets the names that the condition of a branch shows to have a value.
    fn guard(&mut self, guarded: HashSet<&'s str>) {
        if let Some(block) = self.blocks.last_mut() {
            block.guarded = guarded;
        }
    }

    fn close(&mut self, keyword: &str) {
        let Some(mut block) = self.blocks.pop_if(|block| block.keyword == keyword) else { return };
        if keyword == "if" {
            block.end_branch();
            let scope = self.innermost();
            if block.has_else {
                scope.bound.extend(block.in_all.unwrap_or_default());
            }
            scope.perhaps_bound.extend(block.in_some);
        }
    }

    /// Binds names: until the end of the loop, `with` or branch that contains it.
    fn bind(&mut self, names: Vec<&'s str>) {
        self.innermost().bound.extend(names);
    }

    fn innermost(&mut self) -> &mut Scope<'s> {
        let mut blocks = self.blocks.iter_mut().rev();
        let block = blocks.find(|block| matches!(block.keyword, "for" | "with" | "if"));
        block.map_or(&mut self.scope, |block| &mut block.scope)
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

    /// Reads an expression. `condition` is whether only its truth is asked for.
    fn expression(&mut self, words: &[Word<'s>], condition: bool) -> Result<(), Fault> {
        let provided = provided(words, condition);
        for (index, (word, is_provided)) in words.iter().zip(provided).enumerate() {
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
                self.uses(Uses::Filter, word);
            } else if is_test {
                self.uses(Uses::Test, word);
            } else if previous == "." {
                if after == "(" {
                    return Err((JinjaFault::Method(word.text.to_owned()), word.offset));
                }
            } else if after == "(" {
                return Err((JinjaFault::Call, word.offset));
            } else if after != "=" {
                self.name(word.text, is_provided);
            }
        }
        Ok(())
    }

    /// Notes a use of a name.
    fn name(&mut self, name: &'s str, is_provided: bool) {
        let mut scopes = self.blocks.iter().map(|block| &block.scope).chain([&self.scope]);
        if scopes.clone().any(|scope| scope.bound.contains(name)) {
            return;
        }
        let is_guarded = self.blocks.iter().any(|block| block.guarded.contains(name));
        let optional =
            is_provided || is_guarded || scopes.any(|scope| scope.perhaps_bound.contains(name));
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

/// Returns the word before a `not` before `index`.
fn before_not<'s>(words: &[Word<'s>], index: usize) -> &'s str {
    let before = index.checked_sub(2).and_then(|index| words.get(index));
    before.map_or("", |word| word.text)
}

//! Which uses of a name in an expression of Jinja2 need no value.

use std::collections::HashSet;

use conversant_template::jinja::lex::{Kind, Word};

/// Returns for each word whether a name there is provided for: by `default` or `is defined`, since
/// only its truth is asked for, or behind an `and` or in the branch of an inline `if` that shows
/// that it has a value. `condition` is whether only the truth of the whole expression is asked for.
pub(super) fn provided(words: &[Word<'_>], condition: bool) -> Vec<bool> {
    let mut provided = vec![false; words.len()];
    let mut levels = vec![Level::new(0, condition, HashSet::new())];
    for (index, word) in words.iter().enumerate() {
        if levels.len() > 1 && matches!(word.text, ")" | "]" | "}") {
            levels.pop();
        }
        let Some(level) = levels.last_mut() else { break };
        match word.text {
            "(" | "[" | "{" => {
                let inner = Level::new(index + 1, level.condition, level.shown.clone());
                levels.push(inner);
            }
            "or" => level.shown.clone_from(&level.outer),
            "if" => {
                let guarded = guards(condition_at(words, index + 1));
                for (before, provided) in words.iter().zip(&mut provided).take(index) {
                    *provided |=
                        before.offset >= level.offset(words) && guarded.contains(before.text);
                }
                level.next(index + 1, true);
            }
            "else" => level.next(index + 1, level.is_condition),
            "," | ":" | "=" => level.next(index + 1, level.condition),
            _ if word.kind == Kind::Name && !is_keyword(word.text) => {
                let is_shown = level.shown.contains(word.text);
                let is_asked = level.condition && is_operand(words, index);
                if let Some(provided) = provided.get_mut(index) {
                    *provided = is_shown
                        || has_default(words, index)
                        || is_asked
                        || is_tested(words, index);
                }
                if is_shown_after(words, index) {
                    level.shown.insert(word.text);
                }
            }
            _ => {}
        }
    }
    provided
}

/// The part of an expression between two brackets, or the whole.
struct Level<'s> {
    /// The first word of the expression that is read.
    start: usize,
    /// Whether the truth alone of the whole is asked for, and of the part that is read.
    is_condition: bool,
    condition: bool,
    /// Names that have a value wherever the level is evaluated, and where the next word is.
    outer: HashSet<&'s str>,
    shown: HashSet<&'s str>,
}

impl<'s> Level<'s> {
    fn new(start: usize, condition: bool, shown: HashSet<&'s str>) -> Self {
        Self { start, is_condition: condition, condition, outer: shown.clone(), shown }
    }

    fn next(&mut self, start: usize, condition: bool) {
        (self.start, self.condition) = (start, condition);
        self.shown.clone_from(&self.outer);
    }

    fn offset(&self, words: &[Word<'_>]) -> usize {
        words.get(self.start).map_or(usize::MAX, |word| word.offset)
    }
}

/// Returns the names that a condition shows to have a value where it holds: `name`, `name and …`,
/// `name is defined`. A condition with `or` shows nothing.
pub(super) fn guards<'s>(words: &[Word<'s>]) -> HashSet<&'s str> {
    let mut depth = 0_usize;
    let mut parts = vec![Vec::new()];
    for word in words {
        match word.text {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth = depth.saturating_sub(1),
            "or" | "if" if depth == 0 => return HashSet::new(),
            "and" if depth == 0 => {
                parts.push(Vec::new());
                continue;
            }
            _ => {}
        }
        if let Some(part) = parts.last_mut() {
            part.push(word);
        }
    }
    parts
        .iter()
        .filter_map(|part| match part.as_slice() {
            [name] => Some(name),
            [name, is, test] if is.text == "is" && test.text == "defined" => Some(name),
            _ => None,
        })
        .filter(|word| word.kind == Kind::Name && !is_keyword(word.text))
        .map(|word| word.text)
        .collect()
}

pub(super) fn is_keyword(word: &str) -> bool {
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

/// Returns the condition of an inline `if`.
fn condition_at<'w, 's>(words: &'w [Word<'s>], start: usize) -> &'w [Word<'s>] {
    let rest = words.get(start..).unwrap_or_default();
    let mut depth = 0_usize;
    let end = rest.iter().position(|word| match word.text {
        "(" | "[" | "{" => {
            depth += 1;
            false
        }
        ")" | "]" | "}" if depth > 0 => {
            depth -= 1;
            false
        }
        ")" | "]" | "}" => true,
        "else" | "," | ":" => depth == 0,
        _ => false,
    });
    rest.get(..end.unwrap_or(rest.len())).unwrap_or_default()
}

fn text<'s>(words: &[Word<'s>], index: usize) -> &'s str {
    words.get(index).map_or("", |word| word.text)
}

fn before<'s>(words: &[Word<'s>], index: usize) -> &'s str {
    index.checked_sub(1).map_or("", |before| text(words, before))
}

/// Returns whether `name | default…` or `name is [not] defined` follows.
fn has_default(words: &[Word<'_>], index: usize) -> bool {
    let at = |offset: usize| text(words, index + offset);
    let test = if at(2) == "not" { at(3) } else { at(2) };
    at(1) == "|" && matches!(at(2), "default" | "d")
        || at(1) == "is" && matches!(test, "defined" | "undefined")
}

/// Returns whether a name is itself a truth value: bounded by `and`, `or`, `not`, brackets or the
/// ends, or compared with `==` or `!=`.
fn is_operand(words: &[Word<'_>], index: usize) -> bool {
    let is_first =
        matches!(before(words, index), "" | "and" | "or" | "not" | "(" | "if" | "==" | "!=");
    let after = text(words, index + 1);
    is_first && matches!(after, "" | "and" | "or" | ")" | "else" | "==" | "!=")
}

/// Returns whether a name begins an operand of `and` and `or`.
fn starts_operand(words: &[Word<'_>], index: usize) -> bool {
    matches!(
        before(words, index),
        "" | "and" | "or" | "(" | "[" | "{" | "," | ":" | "=" | "if" | "else"
    )
}

/// Returns whether the value of a name is never that of the expression: `not name`, or one before
/// an `or`, which gives the next value in its place.
fn is_tested(words: &[Word<'_>], index: usize) -> bool {
    let after = text(words, index + 1);
    if before(words, index) == "not" {
        return matches!(after, "" | "and" | "or" | ")" | "]" | "}" | "," | ":" | "if" | "else");
    }
    if !starts_operand(words, index) {
        return false;
    }
    match after {
        "or" => true,
        "and" => {
            let mut depth = 0_usize;
            for word in words.iter().skip(index + 1) {
                match word.text {
                    "(" | "[" | "{" => depth += 1,
                    ")" | "]" | "}" if depth > 0 => depth -= 1,
                    "or" if depth == 0 => return true,
                    ")" | "]" | "}" | "," | ":" | "if" | "else" if depth == 0 => return false,
                    _ => {}
                }
            }
            false
        }
        _ => false,
    }
}

/// Returns whether what follows an `and` after a name is evaluated only if the name has a value.
fn is_shown_after(words: &[Word<'_>], index: usize) -> bool {
    let at = |offset: usize| text(words, index + offset);
    let is_defined = at(1) == "is" && at(2) == "defined" && at(3) == "and";
    starts_operand(words, index) && (at(1) == "and" || is_defined)
}

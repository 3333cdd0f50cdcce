//! Python's regular expressions, translated into those of `fancy-regex`.
//!
//! The grammar is that of CPython 3.11 (`re/_parser.py`). Flags are resolved here: each element is
//! written with the flags that hold at its place, so that the two grammars need not agree on them.

mod characters;
mod translator;

pub(super) use self::translator::Repeated;
use self::{
    characters::{Member, class},
    translator::{Fault, Flags, Group, ONE, Parsed, Translator, Width, ZERO},
};

/// An expression for `fancy-regex`.
pub(super) struct Translated {
    pub(super) expression: String,
    pub(super) repeated: Repeated,
    /// The number of its elements.
    pub(super) elements: usize,
}

/// The most repetitions that are few.
pub(super) const FEW: usize = 8;

/// The most groups inside of each other: 63. `fancy-regex` takes no more, and the translation adds
/// some.
const MAX_DEPTH: usize = 63;

/// Returns the expression for `fancy-regex`.
pub(super) fn translate(regex: &str) -> Result<Translated, Fault> {
    let regex = regex.chars().collect();
    let mut translator = Translator { regex, ..Translator::default() };
    let mut flags = Flags::default();
    translator.alternatives(&mut flags, true)?;
    match translator.peek() {
        None => Ok(Translated {
            expression: translator.out,
            repeated: translator.repeated,
            elements: translator.elements,
        }),
        Some(_) => Err(translator.fault("unbalanced parenthesis")),
    }
}

/// The kinds of elements, of which a position and a repetition cannot be repeated.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Position,
    Repetition,
    Element,
}

/// The last element of a sequence.
struct Last {
    /// Where it starts in the output.
    start: usize,
    kind: Kind,
    width: Width,
}

impl Translator {
    fn alternatives(&mut self, flags: &mut Flags, is_outermost: bool) -> Parsed<Width> {
        let mut width = self.sequence(flags, is_outermost)?;
        while self.take('|') {
            self.out.push('|');
            width = width.or(self.sequence(flags, false)?);
        }
        Ok(width)
    }

    /// Reads elements up to `|`, `)` or the end.
    fn sequence(&mut self, flags: &mut Flags, takes_flags: bool) -> Parsed<Width> {
        let mut width = ZERO;
        let mut last: Option<Last> = None;
        while let Some(next) = self.peek().filter(|next| !matches!(next, '|' | ')')) {
            if flags.verbose && matches!(next, ' ' | '\t' | '\n' | '\r' | '\u{b}' | '\u{c}') {
                self.at += 1;
                continue;
            }
            if flags.verbose && next == '#' {
                while self.next().is_some_and(|skipped| skipped != '\n') {}
                continue;
            }
            if matches!(next, '*' | '+' | '?' | '{')
                && let Some((min, max)) = self.repetition()?
            {
                let repeated = last.take();
                last = Some(self.repeat(repeated, min, max)?);
                continue;
            }
            let start = self.out.len();
            let is_first = takes_flags && start == 0 && last.is_none();
            // A comment and flags are not elements: what comes before them can still be repeated.
            if let Some((kind, element)) = self.element(flags, is_first)?
                && let Some(done) = last.replace(Last { start, kind, width: element })
            {
                width = width.then(done.width);
            }
        }
        Ok(last.map_or(width, |last| width.then(last.width)))
    }

    /// Reads a repetition and returns its bounds, or `None` if `{` is a character.
    fn repetition(&mut self) -> Parsed<Option<(u64, u64)>> {
        let start = self.at;
        let bounds = match self.next() {
            Some('*') => (0, u64::MAX),
            Some('+') => (1, u64::MAX),
            Some('?') => (0, 1),
            _ => {
                let low = self.digits();
                let high = if self.take(',') { self.digits() } else { low.clone() };
                let is_empty = low.is_empty() && self.regex.get(start + 1) == Some(&'}');
                if is_empty || !self.take('}') {
                    self.at = start;
                    return Ok(None);
                }
                let bound = |digits: &str, absent| match digits {
                    "" => Ok(absent),
                    digits => digits.parse().map_err(|_| self.fault("too large a repetition")),
                };
                (bound(&low, 0)?, bound(&high, u64::MAX)?)
            }
        };
        if bounds.1 < bounds.0 {
            return Err(self.fault("the least repetition is greater than the greatest"));
        }
        Ok(Some(bounds))
    }

    fn repeat(&mut self, last: Option<Last>, min: u64, max: u64) -> Parsed<Last> {
        let Some(Last { start, kind, width }) = last.filter(|last| last.kind != Kind::Position)
        else {
            return Err(self.fault("nothing to repeat"));
        };
        if kind == Kind::Repetition {
            return Err(self.fault("multiple repeat"));
        }
        if max > FEW as u64 {
            match (&mut self.repeated, self.out.get(start..)) {
                (Repeated::Characters(classes), Some(class)) if width.max == 1 => {
                    classes.push(class.to_owned());
                }
                (repeated, _) => *repeated = Repeated::Groups,
            }
        }
        let bounds = match max {
            u64::MAX => format!("{{{min},}}"),
            max => format!("{{{min},{max}}}"),
        };
        self.out.push_str(&bounds);
        if self.take('?') {
            self.out.push('?');
        } else if self.take('+') {
            self.out.insert_str(start, "(?>");
            self.out.push(')');
        }
        let width =
            Width { min: width.min.saturating_mul(min), max: width.max.saturating_mul(max) };
        Ok(Last { start, kind: Kind::Repetition, width })
    }

    /// Reads one element. `None` if it matches nothing and cannot be repeated.
    fn element(&mut self, flags: &mut Flags, is_first: bool) -> Parsed<Option<(Kind, Width)>> {
        self.elements += 1;
        let (text, kind, width) = match self.next() {
            Some('(') => {
                self.depth += 1;
                if self.depth > MAX_DEPTH {
                    return Err(self.fault("groups are nested too deeply"));
                }
                let group = self.group(flags, is_first)?;
                self.depth -= 1;
                return Ok(group);
            }
            Some('[') => return self.set(*flags).map(|()| Some((Kind::Element, ONE))),
            Some('\\') => return self.escape(*flags).map(Some),
            Some('.') if flags.dot_all => ("(?s:.)", Kind::Element, ONE),
            Some('.') => ("[^\\n]", Kind::Element, ONE),
            Some('^') if flags.multi_line => ("(?m:^)", Kind::Position, ZERO),
            Some('^') => ("\\A", Kind::Position, ZERO),
            Some('$') if flags.multi_line => ("(?m:$)", Kind::Position, ZERO),
            Some('$') => ("(?=\\n?\\z)", Kind::Position, ZERO),
            Some(character) => {
                self.character(character, *flags);
                return Ok(Some((Kind::Element, ONE)));
            }
            None => return Ok(None),
        };
        self.out.push_str(text);
        Ok(Some((kind, width)))
    }

    fn escape(&mut self, flags: Flags) -> Parsed<(Kind, Width)> {
        let Some(escaped) = self.next() else {
            return Err(self.fault("a bare backslash at the end"));
        };
        let word = class('w', flags.ascii);
        let position = match escaped {
            'A' => Some("\\A".to_owned()),
            'Z' => Some("\\z".to_owned()),
            'b' => Some(format!("(?:(?<=[{word}])(?![{word}])|(?<![{word}])(?=[{word}]))")),
            'B' => Some(format!("(?:(?<=[{word}])(?=[{word}])|(?<![{word}])(?![{word}]))")),
            _ => None,
        };
        if let Some(position) = position {
            self.out.push_str(&position);
            return Ok((Kind::Position, ZERO));
        }
        if escaped.is_ascii_digit() && escaped != '0' {
            let mut number = escaped.to_string();
            if let Some(second) = self.peek().filter(char::is_ascii_digit) {
                self.at += 1;
                number.push(second);
                let is_octal = |digit: char| digit.is_digit(8);
                if let Some(third) = self.peek().filter(|third| is_octal(*third))
                    && number.chars().all(is_octal)
                {
                    self.at += 1;
                    number.push(third);
                    let character = self.code(&number, 8, 0o377)?;
                    self.character(character, flags);
                    return Ok((Kind::Element, ONE));
                }
            }
            let number = number.parse().unwrap_or(usize::MAX);
            return self.back_reference(number, flags).map(|width| (Kind::Element, width));
        }
        match self.escaped_member(escaped, flags)? {
            Member::Character(character) => self.character(character, flags),
            Member::Class(class) => self.out.push_str(&format!("[{class}]")),
        }
        Ok((Kind::Element, ONE))
    }

    fn back_reference(&mut self, number: usize, flags: Flags) -> Parsed<Width> {
        let group = number.checked_sub(1).and_then(|index| self.groups.get(index));
        let Some(group) = group else { return Err(self.fault("invalid group reference")) };
        let Some(width) = group.width else {
            return Err(self.fault("cannot refer to an open group"));
        };
        let case = if flags.ignore_case { "i" } else { "" };
        self.out.push_str(&format!("(?{case}:\\{number})"));
        Ok(width)
    }

    /// Reads a group after its opening parenthesis.
    fn group(&mut self, flags: &mut Flags, is_first: bool) -> Parsed<Option<(Kind, Width)>> {
        let mut inner = *flags;
        if !self.take('?') {
            return self.capture(None, inner).map(|width| Some((Kind::Element, width)));
        }
        let opening = match self.next() {
            Some('P') if self.take('<') => {
                let name = self.until('>')?;
                if self.names.contains_key(&name) || !is_identifier(&name) {
                    return Err(self.fault(format!("bad group name `{name}`")));
                }
                return self.capture(Some(name), inner).map(|width| Some((Kind::Element, width)));
            }
            Some('P') if self.take('=') => {
                let name = self.until(')')?;
                let Some(number) = self.names.get(&name).copied() else {
                    return Err(self.fault(format!("unknown group name `{name}`")));
                };
                let width = self.back_reference(number, inner)?;
                return Ok(Some((Kind::Element, width)));
            }
            Some('#') => {
                self.until(')')?;
                return Ok(None);
            }
            Some('(') => return self.conditional(inner).map(|width| Some((Kind::Element, width))),
            Some('<') if self.take('=') => "(?<=",
            Some('<') if self.take('!') => "(?<!",
            Some('=') => "(?=",
            Some('!') => "(?!",
            Some('>') => "(?>",
            Some(':') => "(?:",
            Some(letter) if letter == '-' || letter.is_ascii_alphabetic() => {
                self.at -= 1;
                if self.flags(&mut inner)? {
                    if !is_first {
                        return Err(self.fault("global flags not at the start of the expression"));
                    }
                    *flags = inner;
                    return Ok(None);
                }
                "(?:"
            }
            _ => return Err(self.fault("unknown extension")),
        };
        self.out.push_str(opening);
        let width = self.alternatives(&mut inner, false)?;
        self.end_group()?;
        if opening.starts_with("(?<") && width.min != width.max {
            return Err(self.fault("look-behind requires fixed-width pattern"));
        }
        let is_look_around = !matches!(opening, "(?:" | "(?>");
        Ok(Some((Kind::Element, if is_look_around { ZERO } else { width })))
    }

    fn end_group(&mut self) -> Parsed<()> {
        if !self.take(')') {
            return Err(self.fault("missing `)`, unterminated subpattern"));
        }
        self.out.push(')');
        Ok(())
    }

    fn capture(&mut self, name: Option<String>, mut flags: Flags) -> Parsed<Width> {
        let index = self.groups.len();
        self.groups.push(Group { width: None });
        if let Some(name) = name {
            self.names.insert(name, self.groups.len());
        }
        self.out.push('(');
        let width = self.alternatives(&mut flags, false)?;
        self.end_group()?;
        if let Some(group) = self.groups.get_mut(index) {
            group.width = Some(width);
        }
        Ok(width)
    }

    /// Reads `(?(group)yes|no)` after its second parenthesis.
    fn conditional(&mut self, mut flags: Flags) -> Parsed<Width> {
        let name = self.until(')')?;
        let number = self.names.get(&name).copied().or_else(|| name.parse().ok());
        let Some(number) = number.filter(|number| (1..=self.groups.len()).contains(number)) else {
            return Err(self.fault(format!("invalid group reference `{name}`")));
        };
        self.out.push_str(&format!("(?({number})"));
        let mut width = self.sequence(&mut flags, false)?;
        if self.take('|') {
            self.out.push('|');
            width = width.or(self.sequence(&mut flags, false)?);
        } else {
            width.min = 0;
        }
        self.end_group()?;
        Ok(width)
    }

    /// Reads flags up to `)` or `:`, and returns whether they hold for the whole expression.
    fn flags(&mut self, flags: &mut Flags) -> Parsed<bool> {
        let (mut on, mut off) = (String::new(), None::<String>);
        loop {
            match self.next() {
                Some(')') if off.is_none() => break,
                Some(':') if off.as_deref() != Some("") => break,
                Some('-') if off.is_none() => off = Some(String::new()),
                Some(letter) => {
                    let is_known = match &mut off {
                        None => {
                            flags.set(letter, true)
                                && !(letter == 'a' && on.contains('u'))
                                && !(letter == 'u' && on.contains('a'))
                        }
                        Some(_) => {
                            matches!(letter, 'i' | 'm' | 's' | 'x')
                                && !on.contains(letter)
                                && flags.set(letter, false)
                        }
                    };
                    if !is_known {
                        return Err(self.fault(format!("invalid flag `{letter}`")));
                    }
                    off.as_mut().unwrap_or(&mut on).push(letter);
                }
                None => return Err(self.fault("missing `)`")),
            }
        }
        Ok(self.regex.get(self.at - 1) == Some(&')'))
    }
}

fn is_identifier(name: &str) -> bool {
    let mut characters = name.chars();
    let is_start = |character: char| character.is_alphabetic() || character == '_';
    characters.next().is_some_and(is_start)
        && characters.all(|character| is_start(character) || character.is_numeric())
}

//! Format specs: the part of a field after the colon, and which values it fits.

use std::fmt;

use crate::char_escape::EscapeDebugShort;

mod digits;

/// The largest width or precision of a format spec: 4096 characters.
///
/// A width in a template is an allocation made by the template's author, so it is limited.
pub const MAX_WIDTH: usize = 4096;

/// The position of a value in a field that is wider than the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Right,
    Centre,
    /// Padding between the sign and the digits.
    Inside,
}

/// A parsed format spec: `[[fill]align][sign][z][#][0][width][,|_][.precision][type]`, as Python
/// 3.11 reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Spec {
    pub(crate) fill: char,
    pub(crate) align: Option<Align>,
    /// `0` before the width, with nothing said about alignment.
    pub(crate) zero: bool,
    /// `+`, `-` or a space.
    pub(crate) sign: Option<char>,
    pub(crate) no_negative_zero: bool,
    pub(crate) alternate: bool,
    pub(crate) width: Option<u16>,
    /// `,` or `_`.
    pub(crate) separator: Option<char>,
    pub(crate) precision: Option<u16>,
    pub(crate) code: Option<char>,
}

/// The kind of a value, as format specs distinguish it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    Text,
    Integer,
    Float,
}

impl Class {
    fn described(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Integer => "an integer",
            Self::Float => "a float",
        }
    }
}

/// An invalid format spec, or one that does not fit a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpecError(Fault);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Unexpected(char),
    NoPrecision,
    TwoSeparators,
    SeparatorWithCode { separator: char, code: char },
    UnknownCode(char),
    Code { code: char, class: Class },
    Part { part: &'static str, class: Class },
    PartOfCharacter { part: &'static str },
    NotACharacter,
    None,
}

impl fmt::Display for SpecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Fault::Unexpected(character) => {
                write!(f, "unexpected `{}` in a format spec", character.escape_debug_short())
            }
            Fault::NoPrecision => f.write_str("`.` needs a precision after it"),
            Fault::TwoSeparators => f.write_str("`,` and `_` exclude each other"),
            Fault::SeparatorWithCode { separator, code } => {
                write!(f, "`{separator}` cannot go with format code `{code}`")
            }
            Fault::UnknownCode(code) => {
                write!(f, "unknown format code `{}`", code.escape_debug_short())
            }
            Fault::Code { code, class } => {
                write!(f, "format code `{code}` cannot write {}", class.described())
            }
            Fault::Part { part, class } => {
                write!(f, "{part} cannot be used for {}", class.described())
            }
            Fault::PartOfCharacter { part } => {
                write!(f, "{part} cannot go with format code `c`")
            }
            Fault::NotACharacter => f.write_str("the number is not the code point of a character"),
            Fault::None => f.write_str("`None` takes no format spec"),
        }
    }
}

impl std::error::Error for SpecError {}

impl SpecError {
    pub(crate) const NOT_A_CHARACTER: Self = Self(Fault::NotACharacter);
    pub(crate) const NONE: Self = Self(Fault::None);
}

/// A fault of a spec, with its byte in the spec.
#[derive(Debug)]
pub(crate) enum Refused {
    TooWide(usize),
    Spec(SpecError, usize),
}

impl Spec {
    /// Parses the text after the colon. `to_text` is true if the field has `!s`, so that only text
    /// will meet this spec. An empty text is not a spec.
    pub(crate) fn parse(text: &str, to_text: bool) -> Result<Option<Self>, Refused> {
        if text.is_empty() {
            return Ok(None);
        }
        let spec = Reader { text, at: 0 }.read()?;
        // A spec that fits no values is refused when the template is built.
        let fits_some = spec.check(Class::Text).is_ok()
            || !to_text && (spec.check(Class::Integer).is_ok() || spec.check(Class::Float).is_ok());
        if fits_some {
            return Ok(Some(spec));
        }
        let at = spec.code.map_or(0, |code| text.len().saturating_sub(code.len_utf8()));
        let class = match spec.code {
            _ if to_text => Class::Text,
            Some('s') => Class::Text,
            Some('b' | 'c' | 'd' | 'o' | 'x' | 'X') => Class::Integer,
            _ => Class::Float,
        };
        match spec.check(class) {
            Err(reason) => Err(Refused::Spec(reason, at)),
            Ok(()) => Ok(Some(spec)),
        }
    }

    /// Returns whether a value of this class can be written with this spec.
    pub(crate) fn check(&self, class: Class) -> Result<(), SpecError> {
        let part = |part| Err(SpecError(Fault::Part { part, class }));
        let code = |code| Err(SpecError(Fault::Code { code, class }));
        match (class, self.code) {
            (Class::Text, None | Some('s')) => {
                if self.sign.is_some() {
                    return part("a sign");
                }
                if self.no_negative_zero {
                    return part("`z`");
                }
                if self.alternate {
                    return part("`#`");
                }
                if self.align == Some(Align::Inside) {
                    return part("the alignment `=`");
                }
                if self.separator.is_some() {
                    return part("a thousands separator");
                }
                Ok(())
            }
            (Class::Integer, None | Some('b' | 'c' | 'd' | 'n' | 'o' | 'x' | 'X')) => {
                if self.precision.is_some() {
                    return part("a precision");
                }
                if self.no_negative_zero {
                    return part("`z`");
                }
                if self.code == Some('c') {
                    if self.sign.is_some() {
                        return Err(SpecError(Fault::PartOfCharacter { part: "a sign" }));
                    }
                    if self.alternate {
                        return Err(SpecError(Fault::PartOfCharacter { part: "`#`" }));
                    }
                }
                Ok(())
            }
            (Class::Integer, Some('e' | 'E' | 'f' | 'F' | 'g' | 'G' | '%'))
            | (Class::Float, None | Some('e' | 'E' | 'f' | 'F' | 'g' | 'G' | 'n' | '%')) => Ok(()),
            (_, Some(other)) => code(other),
        }
    }
}

/// Reads a spec from left to right.
struct Reader<'t> {
    text: &'t str,
    at: usize,
}

impl Reader<'_> {
    fn read(mut self) -> Result<Spec, Refused> {
        let mut fill = None;
        let mut align = None;
        let mut ahead = self.rest().chars();
        let (first, second) = (ahead.next(), ahead.next());
        if let Some(found) = second.and_then(alignment) {
            fill = first;
            align = Some(found);
            self.at += first.map_or(0, char::len_utf8) + 1;
        } else if let Some(found) = first.and_then(alignment) {
            align = Some(found);
            self.at += 1;
        }
        let sign = self.take_if(|c| matches!(c, '+' | '-' | ' '));
        let no_negative_zero = self.take('z');
        let alternate = self.take('#');
        let zero = fill.is_none() && self.take('0');
        let width = self.number()?;
        let separator = self.separator()?;
        let precision = if self.take('.') {
            let at = self.at;
            let missing = Refused::Spec(SpecError(Fault::NoPrecision), at.saturating_sub(1));
            Some(self.number()?.ok_or(missing)?)
        } else {
            None
        };
        let code = self.code(separator)?;
        Ok(Spec {
            fill: fill.unwrap_or(if zero { '0' } else { ' ' }),
            align,
            zero: zero && align.is_none(),
            sign,
            no_negative_zero,
            alternate,
            width,
            separator,
            precision,
            code,
        })
    }

    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn take_if(&mut self, wanted: impl Fn(char) -> bool) -> Option<char> {
        let found = self.rest().chars().next().filter(|c| wanted(*c))?;
        self.at += found.len_utf8();
        Some(found)
    }

    fn take(&mut self, wanted: char) -> bool {
        self.take_if(|c| c == wanted).is_some()
    }

    /// Reads a width or precision. Like Python, it takes the decimal digits of every script.
    fn number(&mut self) -> Result<Option<u16>, Refused> {
        let start = self.at;
        let mut number: Option<u16> = None;
        while let Some(digit) = self.rest().chars().next().and_then(digits::value) {
            self.take_if(|_| true);
            number = Some(number.unwrap_or(0).saturating_mul(10).saturating_add(digit));
        }
        match number {
            Some(wide) if usize::from(wide) > MAX_WIDTH => Err(Refused::TooWide(start)),
            fine => Ok(fine),
        }
    }

    fn separator(&mut self) -> Result<Option<char>, Refused> {
        let separator = self.take_if(|c| matches!(c, ',' | '_'));
        let second = self.at;
        match (separator, self.rest().chars().next()) {
            (Some(','), Some('_')) | (Some('_'), Some(',')) => {
                Err(Refused::Spec(SpecError(Fault::TwoSeparators), second))
            }
            _ => Ok(separator),
        }
    }

    fn code(&mut self, separator: Option<char>) -> Result<Option<char>, Refused> {
        let at = self.at;
        let refused = |fault| Err(Refused::Spec(SpecError(fault), at));
        let Some(code) = self.take_if(|_| true) else { return Ok(None) };
        if !self.rest().is_empty() {
            return refused(Fault::Unexpected(code));
        }
        match (separator, code) {
            (
                _,
                's' | 'b' | 'c' | 'd' | 'e' | 'E' | 'f' | 'F' | 'g' | 'G' | 'n' | 'o' | 'x' | 'X'
                | '%',
            ) => {}
            _ => return refused(Fault::UnknownCode(code)),
        }
        match separator {
            Some(separator)
                if matches!(code, 's' | 'c' | 'n')
                    || separator == ',' && matches!(code, 'b' | 'o' | 'x' | 'X') =>
            {
                refused(Fault::SeparatorWithCode { separator, code })
            }
            _ => Ok(Some(code)),
        }
    }
}

fn alignment(character: char) -> Option<Align> {
    match character {
        '<' => Some(Align::Left),
        '>' => Some(Align::Right),
        '^' => Some(Align::Centre),
        '=' => Some(Align::Inside),
        _ => None,
    }
}

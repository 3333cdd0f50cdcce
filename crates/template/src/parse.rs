//! From a template's source to its parts: one pass, left to right, no recursion.

use std::{collections::HashMap, ops::Range};

use unicode_ident::{is_xid_continue, is_xid_start};

use crate::{
    error::{SyntaxError, SyntaxErrorKind as Kind},
    spec::{Refused, Spec},
};

/// A name that LangChain reserves: a call's stop words.
const RESERVED: &str = "stop";
/// Up to this number of different names a list is searched faster than a hash map.
const FEW_NAMES: usize = 8;

/// One field and the literal text before it, in 16 bytes, since a template may be all fields.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Part {
    /// The end, in [`Parsed::literals`], of the literal text before this field.
    pub(crate) literal_end: u32,
    /// The index of the name in [`Parsed::names`].
    name: u32,
    /// The position of its `{` in the source.
    offset: u32,
    /// The index in [`Parsed::formats`], or [`PLAIN`].
    format: u32,
}

/// The format of the plain `{name}`: none.
const PLAIN: u32 = u32::MAX;

/// The format of a field that does not write its value as it is.
#[derive(Debug, Clone)]
pub(crate) struct Format {
    /// The conversion `!s`.
    pub(crate) to_text: bool,
    pub(crate) spec: Option<Spec>,
    /// The position of the spec in the source, without its colon.
    pub(crate) source: Range<usize>,
}

/// A template's parts.
#[derive(Debug, Default)]
pub(crate) struct Parsed {
    /// All literal text, one after the other, doubled braces made single.
    pub(crate) literals: String,
    /// The fields, each with the literal text before it; what is left of `literals` follows the
    /// last.
    pub(crate) parts: Vec<Part>,
    formats: Vec<Format>,
    /// Each variable once, in order of first appearance.
    pub(crate) names: Vec<String>,
}

impl Parsed {
    /// Returns the format of a field, if it is not a plain one.
    pub(crate) fn format(&self, part: Part) -> Option<&Format> {
        self.formats.get(part.format as usize)
    }

    /// Returns the name of a field's variable.
    pub(crate) fn name(&self, part: Part) -> &str {
        self.names.get(part.name()).map_or("", String::as_str)
    }

    /// Adds the parts of a template whose source is appended at `start`. `places` are those of the
    /// names; it is filled here. The joined source is known to be of an allowed length.
    pub(crate) fn append(
        &mut self,
        other: &Self,
        start: usize,
        places: &mut HashMap<String, usize>,
    ) {
        let known = self.names.iter().enumerate().skip(places.len());
        places.extend(known.map(|(place, name)| (name.clone(), place)));
        let mut of_other = Vec::with_capacity(other.names.len());
        for name in &other.names {
            let place = places.get(name).copied().unwrap_or_else(|| {
                self.names.push(name.clone());
                places.insert(name.clone(), self.names.len() - 1);
                self.names.len() - 1
            });
            of_other.push(place);
        }
        let (literals, formats) = (self.literals.len(), self.formats.len());
        self.literals.push_str(&other.literals);
        self.parts.extend(other.parts.iter().map(|part| Part {
            literal_end: short(part.literal_end as usize + literals),
            name: short(of_other.get(part.name()).copied().unwrap_or_default()),
            offset: short(part.offset() + start),
            format: match part.format {
                PLAIN => PLAIN,
                format => short(format as usize + formats),
            },
        }));
        self.formats.extend(other.formats.iter().map(|format| {
            let source = format.source.start + start..format.source.end + start;
            Format { source, ..format.clone() }
        }));
    }
}

impl Part {
    /// Returns the index of the field's name among the template's names.
    pub(crate) fn name(self) -> usize {
        self.name as usize
    }

    /// Returns the position of the field's `{` in the source.
    pub(crate) fn offset(self) -> usize {
        self.offset as usize
    }
}

pub(crate) fn parse(source: &str) -> Result<Parsed, SyntaxError> {
    if is_too_long(source.len()) {
        return Err(SyntaxError::new(Kind::TooLong, source, 0));
    }
    let mut parsed = Parsed::default();
    let mut seen = HashMap::new();
    let mut at = 0;
    while let Some(brace) = next_brace(source, at) {
        push_text(&mut parsed, source.get(at..brace));
        let opening = byte(source, brace) == Some(b'{');
        if byte(source, brace) == byte(source, brace + 1) {
            parsed.literals.push(if opening { '{' } else { '}' });
            at = brace + 2;
        } else if opening {
            at = field(&mut parsed, &mut seen, source, brace)?;
        } else {
            return Err(SyntaxError::new(Kind::UnopenedField, source, brace));
        }
    }
    push_text(&mut parsed, source.get(at..));
    Ok(parsed)
}

/// Returns whether a source is too long: no field's place and no count of anything exceeds its
/// length.
pub(crate) fn is_too_long(length: usize) -> bool {
    u32::try_from(length).is_err()
}

/// Reads the field whose `{` is at `open`, and returns the offset behind its `}`.
fn field<'s>(
    parsed: &mut Parsed,
    seen: &mut HashMap<&'s str, usize>,
    source: &'s str,
    open: usize,
) -> Result<usize, SyntaxError> {
    let start = open + 1;
    let error = |kind, offset| Err(SyntaxError::new(kind, source, offset));
    let inside = source.get(start..).unwrap_or_default();
    let length = name_length(inside);
    let end = start + length;
    let (Some(name), Some(next)) = (inside.get(..length), inside.get(length..)) else {
        return error(Kind::UnclosedField, open);
    };
    match next.chars().next() {
        None => return error(Kind::UnclosedField, open),
        Some('{') => return error(Kind::NestedField, end),
        Some('}' | ':' | '!') if name.is_empty() => return error(Kind::PositionalField, start),
        Some('}' | ':' | '!') => {}
        Some('.') if !name.is_empty() => return error(Kind::AttributeAccess, end),
        Some('[') if !name.is_empty() => return error(Kind::IndexAccess, end),
        Some(digit) if name.is_empty() && digit.is_ascii_digit() => {
            return error(Kind::PositionalField, start);
        }
        Some(other) if name.is_empty() => return error(Kind::NameStart(other), end),
        Some(other) => return error(Kind::NameCharacter(other), end),
    }
    if name == RESERVED {
        return error(Kind::ReservedName(name.to_owned()), start);
    }
    let (format, behind) = match byte(source, end) {
        Some(b'}') => (None, end + 1),
        _ => format(source, open, end)?,
    };
    let name = intern(&mut parsed.names, seen, name);
    parsed.parts.push(Part {
        literal_end: short(parsed.literals.len()),
        name: short(name),
        offset: short(open),
        format: if format.is_some() { short(parsed.formats.len()) } else { PLAIN },
    });
    parsed.formats.extend(format);
    Ok(behind)
}

/// Reads what follows the name, from `at` to the closing brace.
fn format(source: &str, open: usize, at: usize) -> Result<(Option<Format>, usize), SyntaxError> {
    let error = |kind, offset| Err(SyntaxError::new(kind, source, offset));
    let to_text = byte(source, at) == Some(b'!');
    let mut at = at;
    if to_text {
        match (byte(source, at + 1), byte(source, at + 2)) {
            (Some(b's'), Some(b'}' | b':')) => at += 2,
            (Some(b's'), None) | (None, _) => return error(Kind::UnclosedField, open),
            _ => return error(Kind::Conversion, at),
        }
    }
    if byte(source, at) == Some(b'}') {
        return Ok((Some(Format { to_text, spec: None, source: at..at }), at + 1));
    }
    let start = at + 1;
    let Some(end) = next_brace(source, start) else { return error(Kind::UnclosedField, open) };
    if byte(source, end) == Some(b'{') {
        return error(Kind::NestedField, end);
    }
    match Spec::parse(source.get(start..end).unwrap_or_default(), to_text) {
        Ok(spec) => Ok((
            (to_text || spec.is_some()).then_some(Format { to_text, spec, source: start..end }),
            end + 1,
        )),
        Err(Refused::TooWide(offset)) => error(Kind::TooWide, start + offset),
        Err(Refused::Spec(reason, offset)) => error(Kind::Spec(reason), start + offset),
    }
}

/// Returns the length, in bytes, of the identifier at the start of `text`.
fn name_length(text: &str) -> usize {
    // Most names are ASCII, and end before the first byte that is not a letter, digit or `_`.
    let bytes = text.as_bytes();
    let ascii = bytes.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_');
    let length = ascii.count();
    let starts = bytes.first().is_some_and(|byte| !byte.is_ascii_digit());
    if length > 0 && starts && bytes.get(length).is_none_or(u8::is_ascii) {
        return length;
    }
    let mut characters = text.char_indices();
    match characters.next() {
        Some((_, first)) if first == '_' || is_xid_start(first) => {}
        _ => return 0,
    }
    characters.find(|(_, c)| !is_xid_continue(*c)).map_or(text.len(), |(end, _)| end)
}

/// Returns the place of `name` among the names, after adding it if it is new.
fn intern<'s>(names: &mut Vec<String>, seen: &mut HashMap<&'s str, usize>, name: &'s str) -> usize {
    let known = if names.len() <= FEW_NAMES {
        names.iter().position(|known| known == name)
    } else {
        seen.get(name).copied()
    };
    known.unwrap_or_else(|| {
        let place = names.len();
        names.push(name.to_owned());
        seen.insert(name, place);
        place
    })
}

fn next_brace(source: &str, from: usize) -> Option<usize> {
    let rest = source.as_bytes().get(from..)?;
    rest.iter().position(|byte| matches!(byte, b'{' | b'}')).map(|offset| from + offset)
}

fn byte(source: &str, at: usize) -> Option<u8> {
    source.as_bytes().get(at).copied()
}

fn push_text(parsed: &mut Parsed, text: Option<&str>) {
    parsed.literals.push_str(text.unwrap_or_default());
}

/// Shortens an offset, which the source's length is known to bound.
fn short(offset: usize) -> u32 {
    u32::try_from(offset).unwrap_or(PLAIN)
}

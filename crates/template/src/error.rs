//! Faults of a template that are reported when it is parsed.

use std::{error::Error, fmt};

use crate::{
    char_escape::EscapeDebugShort,
    location::Location,
    spec::{MAX_WIDTH, SpecError},
};

/// An invalid template: the fault and its place.
///
/// `Display` is one line. The alternate form, `{:#}`, adds the template's line with a caret under
/// the very character, and how literal braces are written.
///
/// # Examples
///
/// ```
/// use conversant_template::Template;
///
/// let error = Template::parse("Reply as {\"answer\": {text}}").unwrap_err();
/// assert_eq!(error.to_string(), "`\"` cannot begin a variable name, at line 1, column 11");
/// assert_eq!(
///     format!("{error:#}"),
///     r#"`"` cannot begin a variable name, at line 1, column 11
/// 1 | Reply as {"answer": {text}}
///   |           ^
/// literal braces are written `{{` and `}}`"#,
/// );
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyntaxError {
    kind: SyntaxErrorKind,
    location: Box<Location>,
}

impl SyntaxError {
    pub(crate) fn new(kind: SyntaxErrorKind, source: &str, offset: usize) -> Self {
        Self { kind, location: Box::new(Location::of(source, offset)) }
    }

    /// Returns the kind of fault.
    #[must_use]
    pub fn kind(&self) -> &SyntaxErrorKind {
        &self.kind
    }

    /// Returns the place of the fault: the character above the caret.
    #[must_use]
    pub fn location(&self) -> &Location {
        &self.location
    }
}

impl fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, location } = self;
        write!(f, "{kind}, at {location}")?;
        if f.alternate() {
            let excerpt = location.excerpt();
            write!(f, "\n{excerpt}\nliteral braces are written `{{{{` and `}}}}`")?;
        }
        Ok(())
    }
}

impl Error for SyntaxError {}

/// The kinds of fault in a template.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SyntaxErrorKind {
    /// A `{` that no `}` closes.
    UnclosedField,
    /// A `}` that no `{` opened.
    UnopenedField,
    /// A field without a name, or with a number for a name: `{}`, `{0}`.
    PositionalField,
    /// A field that accesses an attribute of its value: `{x.y}`.
    AttributeAccess,
    /// A field that indexes its value: `{x[0]}`.
    IndexAccess,
    /// A field inside a field: `{x:{width}}`.
    NestedField,
    /// A conversion other than `!s`, or a `!` without one.
    Conversion,
    /// A character that cannot begin a variable's name.
    NameStart(char),
    /// A character that is invalid in a variable's name.
    NameCharacter(char),
    /// A name that is reserved: `stop`.
    ReservedName(String),
    /// A width or precision above [`MAX_WIDTH`].
    TooWide,
    /// A format spec that does not fit any value.
    Spec(SpecError),
    /// A template of 4 GiB or more.
    TooLong,
}

impl fmt::Display for SyntaxErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnclosedField => f.write_str("this `{` is never closed"),
            Self::UnopenedField => f.write_str("this `}` closes nothing"),
            Self::PositionalField => f.write_str("a field needs a name, not a position"),
            Self::AttributeAccess => f.write_str("a field is a plain name, `.` is refused"),
            Self::IndexAccess => f.write_str("a field is a plain name, `[` is refused"),
            Self::NestedField => f.write_str("a field cannot stand inside a field"),
            Self::Conversion => f.write_str("the only conversion is `!s`"),
            Self::NameStart(character) => {
                write!(f, "`{}` cannot begin a variable name", character.escape_debug_short())
            }
            Self::NameCharacter(character) => {
                write!(f, "`{}` cannot stand in a variable name", character.escape_debug_short())
            }
            Self::ReservedName(name) => write!(f, "the name `{name}` is reserved"),
            Self::TooWide => write!(f, "a width or precision is at most {MAX_WIDTH}"),
            Self::Spec(reason) => reason.fmt(f),
            Self::TooLong => f.write_str("a template is shorter than 4 GiB"),
        }
    }
}

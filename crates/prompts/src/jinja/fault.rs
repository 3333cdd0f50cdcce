//! The faults of a Jinja2 template.

use std::fmt;

use conversant_template::jinja::lex::MAX_COLUMNS;

/// The kinds of fault in a Jinja2 template.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum JinjaFault {
    /// The syntax is wrong, in the words of minijinja.
    Syntax(String),
    /// A statement that is refused: one that defines code or reaches another template.
    Statement(String),
    /// A call of a function or of what an expression gives.
    Call,
    /// A call of a method.
    Method(String),
    /// A filter that does not exist.
    UnknownFilter(String),
    /// A test that does not exist.
    UnknownTest(String),
    /// More statements or brackets inside each other, a longer expression, or more operators in the
    /// values of `set` and `with`, than is allowed.
    TooDeep,
    /// A value of a `with` that uses a name which the same `with` binds. In Jinja2 it is the name's
    /// value from outside.
    WithTarget(String),
    /// A step of a slice beyond 63 bits.
    SliceStep,
    /// A tag after column 65,000 of a line, where minijinja cannot count columns.
    LineTooLong,
}

impl fmt::Display for JinjaFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax(detail) => f.write_str(detail),
            Self::Statement(name) => write!(f, "the statement `{name}` is refused"),
            Self::Call => f.write_str("function calls are refused"),
            Self::Method(name) => write!(f, "the method call `{name}` is refused"),
            Self::UnknownFilter(name) => write!(f, "unknown filter `{name}`"),
            Self::UnknownTest(name) => write!(f, "unknown test `{name}`"),
            Self::WithTarget(name) => {
                write!(f, "`with` binds `{name}` and uses it in a later value; write two `with`")
            }
            Self::SliceStep => f.write_str("the step of a slice is too large"),
            Self::LineTooLong => {
                write!(f, "a tag after column {MAX_COLUMNS} of its line; break the line before it")
            }
            Self::TooDeep => {
                f.write_str("statements or brackets too deep, or an expression too long")
            }
        }
    }
}

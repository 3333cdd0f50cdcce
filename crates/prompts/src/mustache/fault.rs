//! The faults of a mustache template.

use std::fmt;

/// The deepest nesting of sections.
pub(super) const MAX_DEPTH: usize = 64;

/// The kinds of fault in a mustache template.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum MustacheFault {
    /// A tag that is never closed.
    UnclosedTag,
    /// A tag without a name, or a name with an empty part.
    EmptyName,
    /// The end of a section that was not opened.
    UnopenedSection(String),
    /// A section that is never closed.
    UnclosedSection(String),
    /// The end of another section than the one that is open.
    WrongEnd {
        /// The section that is open.
        open: String,
        /// The section that the tag would close.
        found: String,
    },
    /// A partial: `{{> name}}`.
    Partial,
    /// A tag that sets the delimiters to something that cannot delimit.
    Delimiters,
    /// `{{.}}` outside of a section, where there is no value that it could mean.
    Dot,
    /// More sections inside each other than are allowed.
    TooDeep,
}

impl fmt::Display for MustacheFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnclosedTag => f.write_str("this tag is never closed"),
            Self::EmptyName => f.write_str("a tag needs a name"),
            Self::UnopenedSection(name) => write!(f, "section `{name}` was not opened"),
            Self::UnclosedSection(name) => write!(f, "section `{name}` is never closed"),
            Self::WrongEnd { open, found } => {
                write!(f, "section `{open}` is open, and this closes `{found}`")
            }
            Self::Partial => f.write_str("partials are refused"),
            Self::Delimiters => f.write_str("delimiters are written `{{=<% %>=}}`"),
            Self::Dot => f.write_str("`.` has no meaning outside of a section"),
            Self::TooDeep => write!(f, "more than {MAX_DEPTH} sections inside each other"),
        }
    }
}

//! Mustache templates, as LangChain 0.1 renders them: names, sections and comments, nothing that runs.
//!
//! The reference's engine is its own adaptation of an older one, so its reading of whitespace around
//! tags that stand alone on a line, and of values that count as false, is followed here to the byte.
//! Refused on purpose: partials, lambdas, an unclosed tag, an empty name, `.` outside of a section.

use std::{collections::HashMap, fmt};

use conversant_core::PromptError;

mod node;
mod parse;
mod render;
mod view;

use self::node::{Name, Node};
use crate::{TemplateError, partials::Values};

/// The most sections that may stand inside each other.
pub(crate) const MAX_DEPTH: usize = 64;
/// The most repetitions of sections, all together, in one rendering.
pub(crate) const MAX_REPETITIONS: usize = 1_000_000;

/// A parsed mustache template.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Mustache {
    source: String,
    nodes: Vec<Node>,
    /// Each name once, in order of first appearance, and whether it must have a value.
    names: Vec<(String, bool)>,
}

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

impl Mustache {
    pub(crate) fn parse(source: String) -> Result<Self, TemplateError> {
        let nodes = parse::parse(&source)?;
        let mut names: Vec<(String, bool)> = Vec::new();
        let mut known = HashMap::new();
        // The end of the outermost section that is open: inside of it nothing is required.
        let mut section_end = 0;
        for (index, node) in nodes.iter().enumerate() {
            let (name, required) = match node {
                Node::Variable { name, .. } => (name, index >= section_end),
                Node::Section { name, end, .. } => {
                    section_end = section_end.max(*end);
                    (name, false)
                }
                Node::Text(_) => continue,
            };
            let Name::Path(path) = name else { continue };
            let Some(first) = path.first() else { continue };
            let place = *known.entry(first.as_str()).or_insert_with(|| {
                names.push((first.clone(), false));
                names.len() - 1
            });
            if let Some((_, known)) = names.get_mut(place) {
                *known |= required;
            }
        }
        Ok(Self { source, nodes, names })
    }

    pub(crate) fn source(&self) -> &str {
        &self.source
    }

    pub(crate) fn names(&self) -> &[(String, bool)] {
        &self.names
    }

    pub(crate) fn render(&self, values: &Values<'_>) -> Result<String, PromptError> {
        render::render(&self.nodes, values)
    }
}

//! Mustache templates, as LangChain 0.1 renders them: names, sections and comments, nothing that
//! runs.
//!
//! The reference's engine is its own adaptation of an older one, so its reading of whitespace
//! around tags that are alone on a line, and of values that count as false, is followed here to the
//! byte. Refused on purpose: partials, lambdas, an unclosed tag, an empty name, `.` outside of a
//! section.

use std::collections::HashMap;

use conversant_core::PromptError;

pub(crate) mod fault;
mod node;
mod parse;
mod render;
mod view;
mod work;

use self::node::{Name, Node};
use crate::{error::TemplateError, partials::Values};

/// A parsed mustache template.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Mustache {
    source: String,
    nodes: Vec<Node>,
    /// Each name once, in order of first appearance, and whether it must have a value.
    names: Vec<(String, bool)>,
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

//! The nodes of a mustache template.

/// One step of a template, in order. A section is followed by its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Node {
    Text(String),
    Variable {
        name: Name,
        escape: bool,
    },
    Section {
        name: Name,
        inverted: bool,
        /// The index behind the body's last node.
        end: usize,
    },
}

/// The name in a tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Name {
    /// `.`: the value of the section that contains it.
    Dot,
    /// `a.b.c`.
    Path(Vec<String>),
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Dot => f.write_str("."),
            Self::Path(path) => f.write_str(&path.join(".")),
        }
    }
}

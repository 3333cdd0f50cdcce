//! From a mustache template's source to its nodes: one pass, left to right, no recursion.

use super::{
    fault::{MAX_DEPTH, MustacheFault},
    node::{Name, Node},
};
use crate::error::{TemplateError, TemplateFault};

pub(super) fn parse(source: &str) -> Result<Vec<Node>, TemplateError> {
    let parser = Parser {
        source,
        at: 0,
        open: "{{".to_owned(),
        close: "}}".to_owned(),
        nodes: Vec::new(),
        sections: Vec::new(),
    };
    parser.run()
}

struct Parser<'s> {
    source: &'s str,
    at: usize,
    /// The delimiters, which a tag can change.
    open: String,
    close: String,
    nodes: Vec<Node>,
    sections: Vec<Open<'s>>,
}

/// A section whose end has not come yet.
struct Open<'s> {
    key: &'s str,
    node: usize,
    offset: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Tag {
    Comment,
    Section,
    Inverted,
    End,
    Delimiters,
    Escaped,
    Unescaped,
}

impl<'s> Parser<'s> {
    fn run(mut self) -> Result<Vec<Node>, TemplateError> {
        // Whether the next tag could be alone on its line.
        let mut alone = true;
        while let Some(length) = self.rest().find(&self.open) {
            let literal = self.rest().get(..length).unwrap_or_default();
            let offset = self.at + length;
            let line = literal.rsplit('\n').next().unwrap_or_default();
            alone = (alone || literal.contains('\n')) && line.chars().all(is_space);
            let (tag, key) = self.tag(offset)?;
            alone = alone && !matches!(tag, Tag::Escaped | Tag::Unescaped) && self.line_ends();
            if alone {
                // The whole line goes; before the tag only spaces do, as in the reference.
                self.at += self.rest().find('\n').map_or(0, |newline| newline + 1);
                self.text(literal.trim_end_matches(' '));
            } else {
                self.text(literal);
            }
            self.push(tag, key, offset)?;
        }
        self.text(self.rest());
        match self.sections.last() {
            Some(Open { key, offset, .. }) => {
                self.error(MustacheFault::UnclosedSection((*key).to_owned()), *offset)
            }
            None => Ok(self.nodes),
        }
    }

    fn rest(&self) -> &'s str {
        self.source.get(self.at..).unwrap_or_default()
    }

    /// Returns whether nothing but whitespace follows on the line.
    fn line_ends(&self) -> bool {
        self.rest().chars().take_while(|c| *c != '\n').all(is_space)
    }

    fn text(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        match self.nodes.last_mut() {
            // A comment may be between two literals; a section's body begins with its own.
            Some(Node::Text(before)) => before.push_str(text),
            _ => self.nodes.push(Node::Text(text.to_owned())),
        }
    }

    /// Reads the tag whose opening delimiter is at `offset`, up to behind its closing one.
    fn tag(&mut self, offset: usize) -> Result<(Tag, &'s str), TemplateError> {
        let start = offset + self.open.len();
        let inside = self.source.get(start..).unwrap_or_default();
        let Some(length) = inside.find(&self.close) else {
            return self.error(MustacheFault::UnclosedTag, offset);
        };
        let content = inside.get(..length).unwrap_or_default();
        self.at = start + length + self.close.len();
        let mut characters = content.chars();
        let tag = match characters.next() {
            Some('!') => Tag::Comment,
            Some('#') => Tag::Section,
            Some('^') => Tag::Inverted,
            Some('/') => Tag::End,
            Some('&') => Tag::Unescaped,
            Some('>') => return self.error(MustacheFault::Partial, offset),
            Some('=') => {
                let Some(delimiters) = characters.as_str().strip_suffix('=') else {
                    return self.error(MustacheFault::Delimiters, offset);
                };
                return Ok((Tag::Delimiters, delimiters.trim()));
            }
            Some('{') => {
                let third = self.rest().strip_prefix('}').is_some();
                if !third || self.open != "{{" || self.close != "}}" {
                    return self.error(MustacheFault::UnclosedTag, offset);
                }
                self.at += 1;
                Tag::Unescaped
            }
            _ => return Ok((Tag::Escaped, content.trim())),
        };
        Ok((tag, characters.as_str().trim()))
    }

    fn push(&mut self, tag: Tag, key: &'s str, offset: usize) -> Result<(), TemplateError> {
        match tag {
            Tag::Comment => {}
            Tag::Delimiters => {
                let mut words = key.split(' ');
                let (Some(open), Some(close)) = (words.next(), words.next_back()) else {
                    return self.error(MustacheFault::Delimiters, offset);
                };
                if open.is_empty() || close.is_empty() || open.contains('=') || close.contains('=')
                {
                    return self.error(MustacheFault::Delimiters, offset);
                }
                self.open = open.to_owned();
                self.close = close.to_owned();
            }
            Tag::Escaped | Tag::Unescaped => {
                let name = self.name(key, offset)?;
                if name == Name::Dot && self.sections.is_empty() {
                    return self.error(MustacheFault::Dot, offset);
                }
                self.nodes.push(Node::Variable { name, escape: tag == Tag::Escaped });
            }
            Tag::Section | Tag::Inverted => {
                if self.sections.len() == MAX_DEPTH {
                    return self.error(MustacheFault::TooDeep, offset);
                }
                let name = self.name(key, offset)?;
                if name == Name::Dot && self.sections.is_empty() {
                    return self.error(MustacheFault::Dot, offset);
                }
                self.sections.push(Open { key, node: self.nodes.len(), offset });
                self.nodes.push(Node::Section { name, inverted: tag == Tag::Inverted, end: 0 });
            }
            Tag::End => {
                let Some(Open { key: open, node, .. }) = self.sections.pop() else {
                    return self.error(MustacheFault::UnopenedSection(key.to_owned()), offset);
                };
                if open != key {
                    let (open, found) = (open.to_owned(), key.to_owned());
                    return self.error(MustacheFault::WrongEnd { open, found }, offset);
                }
                let behind = self.nodes.len();
                if let Some(Node::Section { end, .. }) = self.nodes.get_mut(node) {
                    *end = behind;
                }
                // What follows is not to be joined to the body's last text.
                self.nodes.push(Node::Text(String::new()));
            }
        }
        Ok(())
    }

    fn name(&self, key: &str, offset: usize) -> Result<Name, TemplateError> {
        if key == "." {
            return Ok(Name::Dot);
        }
        let path: Vec<_> = key.split('.').map(str::to_owned).collect();
        if path.iter().any(String::is_empty) {
            return self.error(MustacheFault::EmptyName, offset);
        }
        Ok(Name::Path(path))
    }

    fn error<T>(&self, fault: MustacheFault, offset: usize) -> Result<T, TemplateError> {
        Err(TemplateError::at(TemplateFault::Mustache(fault), self.source, offset))
    }
}

/// Returns whether Python, and so the reference, treats a character as whitespace.
fn is_space(character: char) -> bool {
    character.is_whitespace() || matches!(character, '\u{1c}'..='\u{1f}')
}

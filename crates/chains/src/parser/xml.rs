//! XML in an answer, as nested lists of objects with one key.

mod limits;

use conversant_core::{OutputParser, ParseError, Value};
use roxmltree::{Document, Node, ParsingOptions};
use serde_json::{Value as Json, json};

use self::limits::{MAX_DEPTH, TOO_DEEP, exceeded};
use super::characters::is_space;

/// Reads XML in an answer, bare or in a fenced block. Attributes are dropped.
///
/// An element with text is `{tag: text}`, any other `{tag: [child, …]}`. LangChain 0.1.20
/// `langchain_core/output_parsers/xml.py::XMLOutputParser.parse`.
///
/// These are errors, so that time and memory grow in proportion to the answer: declarations of
/// entities, elements that are nested deeper than 128, an element with more than 256 attributes,
/// more than 256 declarations of namespaces, and a namespace whose name is longer than 256 bytes.
///
/// The error's reason does not quote the answer; its
/// [detail](conversant_core::ParseError::detail), which a [`Correction`](crate::Correction) shows
/// to the model, can.
///
/// # Examples
///
/// ```
/// use conversant_chains::XmlParser;
/// use conversant_core::OutputParser;
///
/// let value = XmlParser.parse("Sure:\n```xml\n<a><b>1</b><b/></a>\n```")?;
/// assert_eq!(value.to_text(), r#"{"a":[{"b":"1"},{"b":null}]}"#);
/// # Ok::<(), conversant_core::ParseError>(())
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct XmlParser;

impl OutputParser for XmlParser {
    fn parse(&self, text: &str) -> Result<Value, ParseError> {
        let xml = without_declaration(fenced(text)).trim_matches(is_space);
        // Entities of the document's own can grow without bounds.
        if xml.contains("<!ENTITY") {
            return Err(ParseError::without_source(text, "entities are not allowed"));
        }
        if let Some(reason) = exceeded(xml) {
            return Err(ParseError::without_source(text, reason));
        }
        let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
        // The parser's error quotes names of the answer.
        let document = Document::parse_with_options(xml, options).map_err(|fault| {
            ParseError::without_source(text, "invalid XML").with_detail(fault.to_string())
        })?;
        match object(document.root_element(), 1) {
            Some(object) => Ok(object.into()),
            None => Err(ParseError::without_source(text, TOO_DEEP)),
        }
    }

    fn format_instructions(&self) -> Option<&str> {
        Some("Answer with XML alone. Close each tag, and use the tags that you were asked for.")
    }
}

/// Returns the text between the first fence and the last, if there are two.
fn fenced(text: &str) -> &str {
    let Some((_, after)) = text.split_once("```") else { return text };
    match after.rsplit_once("```") {
        Some((block, _)) => block.strip_prefix("xml").unwrap_or(block),
        None => text,
    }
}

/// Returns the text after a declaration with an encoding that has its line to itself.
fn without_declaration(text: &str) -> &str {
    let mut close = 0;
    let mut encoding = None;
    for (start, _) in text.match_indices('<') {
        if close <= start {
            let Some(end) = end_of_tag(text, start) else { return text };
            close = end;
            encoding = text.get(start..end).and_then(|tag| Some(start + tag.rfind("encoding")?));
        }
        let after = text.get(close + 1..).and_then(|after| after.strip_prefix('\n'));
        if let Some(after) = after
            && encoding.is_some_and(|encoding| encoding > start)
        {
            return after;
        }
    }
    text
}

/// Returns the position of the first `>` after a position.
fn end_of_tag(text: &str, start: usize) -> Option<usize> {
    Some(start + text.get(start..)?.find('>')?)
}

/// Returns an element as an object, or `None` if it is nested too deeply.
fn object(element: Node<'_, '_>, depth: usize) -> Option<Json> {
    if depth > MAX_DEPTH {
        return None;
    }
    let tag = tag(element);
    if let Some(text) = text(element)
        && text.contains(|character: char| !is_space(character))
    {
        return Some(json!({ tag: text }));
    }
    let children = element.children().filter(Node::is_element).map(|child| {
        if child.children().any(|node| node.is_element()) {
            object(child, depth + 1)
        } else {
            Some(json!({ self::tag(child): text(child) }))
        }
    });
    let children = children.collect::<Option<Vec<_>>>()?;
    Some(json!({ tag: children }))
}

/// Returns the text before the first child element.
fn text(element: Node<'_, '_>) -> Option<String> {
    let nodes = element.children().take_while(|node| !node.is_element());
    let text: String = nodes.filter(Node::is_text).filter_map(|node| node.text()).collect();
    (!text.is_empty()).then_some(text)
}

/// Returns the name of an element as Python's ElementTree writes it: `{namespace}name`.
fn tag(element: Node<'_, '_>) -> String {
    let name = element.tag_name();
    match name.namespace() {
        Some(namespace) => format!("{{{namespace}}}{}", name.name()),
        None => name.name().to_owned(),
    }
}

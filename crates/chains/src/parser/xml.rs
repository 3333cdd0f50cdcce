//! XML in an answer, as nested lists of objects with one key.

use conversant_core::{OutputParser, ParseError, Value};
use roxmltree::{Document, Node, ParsingOptions};
use serde_json::{Value as Json, json};

use super::characters::is_space;

/// The deepest nesting of elements: 128, the limit that JSON has too.
const MAX_DEPTH: usize = 128;

/// Reads XML in an answer, bare or in a fenced block. Attributes are dropped.
///
/// An element with text is `{tag: text}`, any other `{tag: [child, …]}`. LangChain 0.1.20
/// `langchain_core/output_parsers/xml.py::XMLOutputParser.parse`.
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
        if too_deep(xml) {
            return Err(ParseError::without_source(text, "elements are nested too deeply"));
        }
        let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
        let document = Document::parse_with_options(xml, options)
            .map_err(|error| ParseError::new(text, "invalid XML", error))?;
        Ok(object(document.root_element()).into())
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

/// Returns whether more start tags than [`MAX_DEPTH`] are open at once. It counts generously.
fn too_deep(xml: &str) -> bool {
    let (mut depth, mut close) = (0_usize, 0);
    for (start, _) in xml.match_indices('<') {
        if close <= start {
            close = end_of_tag(xml, start).unwrap_or(xml.len());
        }
        let tag = xml.get(start + 1..close).unwrap_or_default();
        match xml.get(start + 1..).and_then(|rest| rest.chars().next()) {
            Some('/') => depth = depth.saturating_sub(1),
            Some('!' | '?') | None => {}
            Some(_) if tag.ends_with('/') => {}
            Some(_) => depth += 1,
        }
        if depth > MAX_DEPTH {
            return true;
        }
    }
    false
}

fn object(element: Node<'_, '_>) -> Json {
    let tag = tag(element);
    if let Some(text) = text(element)
        && text.contains(|character: char| !is_space(character))
    {
        return json!({ tag: text });
    }
    let children = element.children().filter(Node::is_element).map(|child| {
        if child.children().any(|node| node.is_element()) {
            object(child)
        } else {
            json!({ self::tag(child): text(child) })
        }
    });
    let children: Vec<_> = children.collect();
    json!({ tag: children })
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

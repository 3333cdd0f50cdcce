//! YAML, with plain scalars as LangChain's loader takes them.

mod scalar;

use std::collections::HashMap;

use granit_parser::{Event, Marker, Parser, ScalarStyle, Tag};
use serde_json::{Map, Value as Json};

use self::scalar::NoNumber;
use crate::box_error::BoxError;

/// The most that aliases expand to. A short text can repeat a part of it a million times.
const MAX_ALIASED: usize = 20_000;

/// The bytes of a text that count as one part.
const PART_BYTES: usize = 1024;

/// The most lists and mappings inside each other.
const MAX_DEPTH: usize = 64;

/// Reads YAML.
///
/// A plain scalar is a number where it is one for PyYAML, with which LangChain reads and writes
/// YAML: `1e3`, `08` and `0o14` are texts, which it writes without quotes. In any case, `true`,
/// `false` and `null` are not; `yes`, `no`, `on`, `off` and `1:30` are texts, as in YAML 1.2. Of a
/// mapping with a key `<<`, the keys that it lacks are taken from there.
///
/// # Errors
/// The fault, with its place. As well as a text that is not YAML, or has several documents, these
/// are faults:
/// - a key that is a list or a mapping, or is there twice;
/// - a number that JSON does not have, such as `.inf`;
/// - more than 64 lists and mappings inside each other;
/// - aliases that expand to more than 20,000 parts: scalars, each KiB of a text, and starts and
///   ends of mappings and lists; or as many parts with anchors inside of parts with anchors.
///
/// # Examples
///
/// ```
/// let value = conversant_core::yaml::from_yaml("- n\n- 1e3\n- 12\n- yes\n- true")?;
/// assert_eq!(value, serde_json::json!(["n", "1e3", 12, "yes", true]));
/// # Ok::<(), conversant_core::BoxError>(())
/// ```
pub fn from_yaml(text: &str) -> Result<Json, BoxError> {
    let mut reader = Reader::default();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| at(&error.info(), error.marker()))?;
        reader.add(event).map_err(|Fault(what)| at(what, &span.start))?;
    }
    Ok(reader.document.map_or(Json::Null, |node| node.value))
}

fn at(what: &str, place: &Marker) -> BoxError {
    format!("{what}, at line {}, column {}", place.line(), place.col() + 1).into()
}

/// A value that is complete.
#[derive(Clone)]
struct Node {
    value: Json,
    /// The number of scalars, and of starts and ends of lists and mappings.
    parts: usize,
    /// The number of lists and mappings inside each other.
    depth: usize,
}

impl Node {
    fn scalar(value: Json, text: &str) -> Self {
        Self { value, parts: 1 + text.len() / PART_BYTES, depth: 0 }
    }
}

/// A list or mapping whose end was not read.
struct Open {
    content: Content,
    anchor: usize,
    parts: usize,
    depth: usize,
}

enum Content {
    List(Vec<Json>),
    Mapping {
        entries: Map<String, Json>,
        /// The key whose value comes next.
        key: Option<String>,
        /// The values of the keys `<<`.
        merged: Vec<Json>,
    },
}

#[derive(Default)]
struct Reader {
    open: Vec<Open>,
    anchors: HashMap<usize, Node>,
    /// The parts that aliases have expanded to.
    aliased: usize,
    /// The parts that are kept for an anchor inside of another one.
    nested: usize,
    documents: usize,
    document: Option<Node>,
}

/// The text of an error. It must not show the YAML, which may be an answer.
#[derive(Clone, Copy)]
struct Fault(&'static str);

impl From<NoNumber> for Fault {
    fn from(_: NoNumber) -> Self {
        Self("a number that JSON does not have")
    }
}

impl Reader {
    fn add(&mut self, event: Event<'_>) -> Result<(), Fault> {
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                match self.documents {
                    1 => Ok(()),
                    _ => Err(Fault("there is more than one document")),
                }
            }
            Event::Scalar(text, style, anchor, tag) => {
                let is_key = matches!(
                    self.open.last(),
                    Some(Open { content: Content::Mapping { key: None, .. }, .. })
                );
                let value = match is_key {
                    true => Json::from(&*text),
                    false => scalar_value(&text, style, tag.as_deref())?,
                };
                self.finish(Node::scalar(value, &text), anchor)
            }
            Event::Alias(anchor) => {
                let node = self.anchors.get(&anchor).cloned();
                let node = node.ok_or(Fault("an alias is inside of what it repeats"))?;
                self.aliased = self.aliased.saturating_add(node.parts);
                if self.aliased > MAX_ALIASED {
                    return Err(Fault("the aliases expand to too much"));
                }
                self.finish(node, 0)
            }
            Event::SequenceStart(_, anchor, _) => self.start(Content::List(Vec::new()), anchor),
            Event::MappingStart(_, anchor, _) => {
                let (entries, merged) = (Map::new(), Vec::new());
                self.start(Content::Mapping { entries, key: None, merged }, anchor)
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            _ => Ok(()),
        }
    }

    fn start(&mut self, content: Content, anchor: usize) -> Result<(), Fault> {
        if self.open.len() >= MAX_DEPTH {
            return Err(Fault("too many lists and mappings are inside each other"));
        }
        self.open.push(Open { content, anchor, parts: 2, depth: 1 });
        Ok(())
    }

    fn end(&mut self) -> Result<(), Fault> {
        let Some(Open { content, anchor, parts, depth }) = self.open.pop() else { return Ok(()) };
        let value = match content {
            Content::List(items) => Json::Array(items),
            Content::Mapping { entries, merged, .. } => Json::Object(with_merged(entries, merged)?),
        };
        self.finish(Node { value, parts, depth }, anchor)
    }

    /// Adds a node to the list or mapping that is open, or ends the document with it.
    fn finish(&mut self, node: Node, anchor: usize) -> Result<(), Fault> {
        if self.open.len() + node.depth > MAX_DEPTH {
            return Err(Fault("too many lists and mappings are inside each other"));
        }
        if anchor > 0 {
            if self.open.iter().any(|open| open.anchor > 0) {
                self.nested = self.nested.saturating_add(node.parts);
            }
            if self.nested > MAX_ALIASED {
                return Err(Fault("too much has an anchor inside of another one"));
            }
            self.anchors.insert(anchor, node.clone());
        }
        let Some(open) = self.open.last_mut() else {
            self.document = Some(node);
            return Ok(());
        };
        open.parts = open.parts.saturating_add(node.parts);
        open.depth = open.depth.max(node.depth + 1);
        match &mut open.content {
            Content::List(items) => items.push(node.value),
            Content::Mapping { entries, key, merged } => match (key.take(), node.value) {
                (None, Json::String(text)) => *key = Some(text),
                (None, Json::Array(_) | Json::Object(_)) => {
                    return Err(Fault("a key is a list or a mapping"));
                }
                // An alias of another scalar.
                (None, value) => *key = Some(value.to_string()),
                (Some(key), value) if key == "<<" => merged.push(value),
                (Some(key), value) => {
                    if entries.insert(key, value).is_some() {
                        return Err(Fault("a key is there twice"));
                    }
                }
            },
        }
        Ok(())
    }
}

/// Returns the value of a scalar that is not a key.
fn scalar_value(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Result<Json, Fault> {
    Ok(match tag.and_then(Tag::core_suffix) {
        Some("int") => scalar::number(text, false)?,
        Some("float") => scalar::number(text, true)?,
        Some("bool" | "null") => scalar::plain(text)?,
        // A tag says that the text is one.
        _ if style == ScalarStyle::Plain && tag.is_none() => scalar::plain(text)?,
        _ => Json::from(text),
    })
}

/// Adds the entries of merged mappings whose keys are missing. Earlier ones come first.
fn with_merged(
    mut entries: Map<String, Json>,
    merged: Vec<Json>,
) -> Result<Map<String, Json>, Fault> {
    let sources = merged.into_iter().flat_map(|value| match value {
        Json::Array(values) => values,
        value => vec![value],
    });
    for source in sources {
        let Json::Object(source) = source else {
            return Err(Fault("the key `<<` has no mapping"));
        };
        for (key, value) in source {
            entries.entry(key).or_insert(value);
        }
    }
    Ok(entries)
}

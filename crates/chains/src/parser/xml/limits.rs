//! Limits of an XML document, which are checked before it is parsed: the parser's time grows with
//! the square of some of its parts.

use super::super::characters::is_space;

/// The deepest nesting of elements: 128, the limit that JSON has too.
pub(super) const MAX_DEPTH: usize = 128;
/// The most attributes of an element, with its namespace declarations. Each is compared with all.
const MAX_ATTRIBUTES: usize = 256;
/// The most namespace declarations of a document. An element with one copies those around it.
const MAX_NAMESPACES: usize = 256;
/// The longest name of a namespace, in bytes. It is compared for each attribute, and written for
/// each element.
const MAX_NAMESPACE_BYTES: usize = 256;

/// Returns the limit that a document exceeds, if there is one. Time is linear in the document.
///
/// An attribute cannot contain `<`, so that a start tag is within the text between two of them.
/// Tags in comments and in `CDATA` are counted too.
pub(super) fn exceeded(xml: &str) -> Option<String> {
    let mut namespaces = 0_usize;
    for tag in xml.split('<').skip(1).filter(|tag| !tag.starts_with(['/', '!', '?'])) {
        for (index, (name, value)) in Attributes(tag).enumerate() {
            if index == MAX_ATTRIBUTES {
                return Some(format!("an element has more than {MAX_ATTRIBUTES} attributes"));
            }
            if !is_namespace(name) {
                continue;
            }
            namespaces += 1;
            if namespaces > MAX_NAMESPACES {
                return Some(format!(
                    "there are more than {MAX_NAMESPACES} namespace declarations"
                ));
            }
            if value.len() > MAX_NAMESPACE_BYTES {
                let limit = MAX_NAMESPACE_BYTES;
                return Some(format!("the name of a namespace is longer than {limit} bytes"));
            }
        }
    }
    too_deep(xml).then(|| TOO_DEEP.to_owned())
}

pub(super) const TOO_DEEP: &str = "elements are nested too deeply";

/// Returns whether roxmltree takes an attribute for the declaration of a namespace.
fn is_namespace(name: &str) -> bool {
    name == "xmlns" || name.starts_with("xmlns:") || name.ends_with(":xmlns")
}

/// Returns whether more start tags than [`MAX_DEPTH`] are open at once. It spares the parser the
/// usual deep document; the depth of the parsed elements is checked too.
fn too_deep(xml: &str) -> bool {
    let (mut depth, mut rest) = (0_usize, xml);
    while let Some((_, after)) = rest.split_once('<') {
        rest = after;
        let hidden =
            HIDDEN.iter().find_map(|(open, close)| Some((after.strip_prefix(open)?, close)));
        if let Some((inside, close)) = hidden {
            rest = inside.split_once(close).map_or("", |(_, behind)| behind);
        } else if after.starts_with('/') {
            depth = depth.saturating_sub(1);
        } else if !after.starts_with('!') && !is_empty(after) {
            depth += 1;
        }
        if depth > MAX_DEPTH {
            return true;
        }
    }
    false
}

/// Markup that is not an element, after its `<`.
const HIDDEN: [(&str, &str); 3] = [("!--", "-->"), ("![CDATA[", "]]>"), ("?", "?>")];

/// Returns whether a tag, which follows its `<`, closes itself.
fn is_empty(after: &str) -> bool {
    let tag = after.split('<').next().unwrap_or_default();
    let mut attributes = Attributes(tag);
    attributes.by_ref().for_each(drop);
    attributes.0.split_once('>').is_some_and(|(end, _)| end.ends_with('/'))
}

/// The names and values of the attributes of a start tag, which follows its `<`.
struct Attributes<'t>(&'t str);

impl<'t> Iterator for Attributes<'t> {
    type Item = (&'t str, &'t str);

    fn next(&mut self) -> Option<Self::Item> {
        let (before, from_quote) = self.0.split_at_checked(self.0.find(['"', '\'', '>'])?)?;
        let quote = from_quote.chars().next().filter(|found| *found != '>')?;
        let (value, rest) = from_quote.get(1..)?.split_once(quote)?;
        self.0 = rest;
        let name = before.trim_end_matches(|found| found == '=' || is_space(found));
        Some((name.rsplit(is_space).next().unwrap_or_default(), value))
    }
}

//! How errors are worded: `cannot <verb> <object>: <reason>; <remedy>`, lower case, no full stop.

use super::{fault::Fault, tree::Tree};

const ATTRIBUTE: &str = concat!("#[", "error(");

/// The words that the text of an error begins with.
const BEGINNINGS: &[&str] = &["cannot ", "invalid ", "missing ", "unknown "];

/// Files whose errors are the reasons in the text of another error: the lists of a chain's wiring
/// faults and of a prompt's, and the faults of a file that a history cannot use.
const REASONS: &[&str] = &[
    "crates/chains/src/wiring.rs",
    "crates/core/src/prompt/fault.rs",
    "crates/history/src/sqlite_files.rs",
];

pub(crate) fn check(tree: &Tree) -> Vec<Fault> {
    let mut faults = Vec::new();
    for file in tree.rust_files().filter(|file| file.is_source()) {
        for (at, _) in file.text.match_indices(ATTRIBUTE) {
            let rest = file.text.get(at + ATTRIBUTE.len()..).unwrap_or_default();
            let Some(message) = rest.trim_start().strip_prefix('"').map(literal) else { continue };
            let is_reason = REASONS.contains(&file.path.as_str());
            if let Some((what, mend)) = fault_of(message, is_reason) {
                faults.push(Fault::new(&file.path, file.line_at(at), what, mend));
            }
        }
    }
    faults
}

/// Returns the text before the quote that ends a literal.
pub(super) fn literal(text: &str) -> &str {
    let mut escaped = false;
    let end = text.find(|char| {
        let ends = char == '"' && !escaped;
        escaped = char == '\\' && !escaped;
        ends
    });
    end.and_then(|end| text.get(..end)).unwrap_or(text)
}

fn fault_of(message: &str, is_reason: bool) -> Option<(&'static str, &'static str)> {
    let mut chars = message.chars();
    let (first, second) = (chars.next(), chars.next());
    let is_upper = |char: Option<char>| char.is_some_and(char::is_uppercase);
    if message.is_empty() {
        return Some(("the error says nothing", "say what went wrong"));
    }
    if message.get(..6).is_some_and(|start| start.eq_ignore_ascii_case("error:")) {
        return Some(("the error calls itself an error", "begin with what went wrong"));
    }
    // An acronym such as HTTP keeps its capitals.
    if is_upper(first) && !is_upper(second) {
        return Some(("the error begins with a capital", "begin it in lower case"));
    }
    if message.ends_with(['.', '!']) && !message.ends_with("...") {
        return Some(("the error ends like a sentence", "leave out the full stop"));
    }
    // A placeholder at the beginning is the text of another error.
    let has_beginning = BEGINNINGS.iter().any(|words| message.starts_with(words));
    if !has_beginning && !is_reason && !message.starts_with('{') {
        return Some(("the error is a plain statement", "begin with `cannot`, and add the reason"));
    }
    None
}

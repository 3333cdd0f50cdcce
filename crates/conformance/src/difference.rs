//! The first difference between two values.

use std::fmt;

use serde_json::Value as Json;

/// The number of characters that are shown of a value.
const SHOWN: usize = 200;

/// The first difference between a case's recorded result and another.
#[derive(Debug, PartialEq, Eq)]
pub struct Difference {
    pub(crate) id: String,
    pub(crate) mismatch: Mismatch,
}

/// A place where two results differ, and the excerpts to show.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Mismatch {
    /// The JSON pointer of the place, `/` for the whole.
    pub(crate) path: String,
    pub(crate) expected: String,
    pub(crate) got: String,
}

/// Returns the first place where two values differ.
pub(crate) fn first_mismatch(expected: &Json, got: &Json) -> Option<Mismatch> {
    let (path, expected, got) = first(expected, got, String::new())?;
    let path = if path.is_empty() { "/".to_owned() } else { path };
    let (expected, got) = match (expected, got) {
        (Some(Json::String(expected)), Some(Json::String(got))) => texts(expected, got),
        (expected, got) => (shown(expected), shown(got)),
    };
    Some(Mismatch { path, expected, got })
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, mismatch: Mismatch { path, expected, got } } = self;
        write!(f, "{id}: at {path}\n  expected {expected}\n  got      {got}")
    }
}

type Place<'v> = (String, Option<&'v Json>, Option<&'v Json>);

/// Finds the first place that differs: its path, and the two values there.
fn first<'v>(expected: &'v Json, got: &'v Json, path: String) -> Option<Place<'v>> {
    if expected == got {
        return None;
    }
    match (expected, got) {
        // One is a result and the other an error.
        (Json::Object(left), Json::Object(right))
            if path.is_empty() && !left.keys().eq(right.keys()) =>
        {
            Some((path, Some(expected), Some(got)))
        }
        (Json::Object(expected), Json::Object(got)) => {
            let added = got.keys().filter(|name| !expected.contains_key(*name));
            expected
                .keys()
                .chain(added)
                .find_map(|name| both(expected.get(name), got.get(name), format!("{path}/{name}")))
        }
        (Json::Array(expected), Json::Array(got)) => (0..expected.len().max(got.len()))
            .find_map(|index| both(expected.get(index), got.get(index), format!("{path}/{index}"))),
        _ => Some((path, Some(expected), Some(got))),
    }
}

fn both<'v>(expected: Option<&'v Json>, got: Option<&'v Json>, path: String) -> Option<Place<'v>> {
    match (expected, got) {
        (Some(expected), Some(got)) => first(expected, got, path),
        (expected, got) => Some((path, expected, got)),
    }
}

/// Shows two texts from shortly before the first character that differs.
fn texts(expected: &str, got: &str) -> (String, String) {
    let same = expected.chars().zip(got.chars()).take_while(|(left, right)| left == right).count();
    let from = if same > SHOWN / 4 { same - SHOWN / 8 } else { 0 };
    let window = |text: &str| {
        let start = if from > 0 { "…" } else { "" };
        let shown: String = text.chars().skip(from).take(SHOWN).collect();
        let end = if text.chars().count() > from + SHOWN { "…" } else { "" };
        format!("{start}{shown:?}{end}")
    };
    (window(expected), window(got))
}

fn shown(value: Option<&Json>) -> String {
    let Some(value) = value else { return "nothing".to_owned() };
    let text = value.to_string();
    if text.chars().count() <= SHOWN {
        return text;
    }
    text.chars().take(SHOWN).chain(['…']).collect()
}

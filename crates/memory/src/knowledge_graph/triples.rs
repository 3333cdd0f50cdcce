//! Facts as subject, relation and object.

use conversant_core::Value;
use serde_json::{Value as Json, json};

/// What stands between two facts in a model's answer.
const BETWEEN: &str = "<|>";

/// A fact.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Triple([String; 3]);

impl Triple {
    /// Reads the facts of a model's answer. What is none is left out.
    pub(super) fn read_answer(answer: &str) -> Vec<Self> {
        answer.split(BETWEEN).filter_map(Self::read).collect()
    }

    fn read(text: &str) -> Option<Self> {
        let inner = text.trim().strip_prefix('(')?.strip_suffix(')')?;
        let mut parts = inner.splitn(3, ',').map(|part| part.trim().to_owned());
        let triple = [parts.next()?, parts.next()?, parts.next()?];
        triple.iter().all(|part| !part.is_empty()).then_some(Self(triple))
    }

    /// Tells whether the fact is about a name.
    pub(super) fn is_about(&self, name: &str) -> bool {
        let [subject, ..] = &self.0;
        subject.to_lowercase() == name.to_lowercase()
    }
}

impl std::fmt::Display for Triple {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [subject, relation, object] = &self.0;
        write!(f, "{subject} {relation} {object}")
    }
}

/// Reads facts from where they are kept.
pub(super) fn read(body: &Value) -> Vec<Triple> {
    let Value::Data(data) = body else { return Vec::new() };
    let kept: Result<Vec<[String; 3]>, _> = serde_json::from_value(Json::clone(data));
    kept.unwrap_or_default().into_iter().map(Triple).collect()
}

/// Writes facts to where they are kept.
pub(super) fn write(triples: &[Triple]) -> Value {
    let kept: Vec<Json> = triples.iter().map(|Triple(parts)| json!(parts)).collect();
    Value::from(Json::Array(kept))
}

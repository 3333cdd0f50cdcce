//! Facts as subject, relation and object.

use std::{
    collections::{HashMap, HashSet},
    fmt,
};

use conversant_core::Value;
use serde_json::{Value as Json, json};

use super::limits::MAX_LIST;

/// The separator of two facts in a model's answer.
pub(crate) const SEPARATOR: &str = "<|>";

/// The most facts that are kept: 20,000. The oldest are dropped.
const MAX_TRIPLES: usize = 20_000;

/// A fact.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Triple([String; 3]);

impl Triple {
    fn decode(text: &str) -> Option<Self> {
        let inner = text.trim().strip_prefix('(')?.strip_suffix(')')?;
        let mut parts = inner.splitn(3, ',').map(|part| part.trim().to_owned());
        let triple = [parts.next()?, parts.next()?, parts.next()?];
        triple.iter().all(|part| !part.is_empty()).then_some(Self(triple))
    }

    fn len(&self) -> usize {
        self.0.iter().map(String::len).sum()
    }
}

impl fmt::Display for Triple {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [subject, relation, object] = &self.0;
        write!(f, "{subject} {relation} {object}")
    }
}

/// The known facts, each once, in the order in which they were added.
#[derive(Default)]
pub(crate) struct KnowledgeGraph(Vec<Triple>);

impl KnowledgeGraph {
    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds the facts of a model's answer. Text that is not a fact is ignored.
    pub(crate) fn add_answer(&mut self, answer: &str) {
        let mut known: HashSet<Triple> = self.0.iter().cloned().collect();
        let new = answer.split(SEPARATOR).filter_map(Triple::decode);
        self.0.extend(new.filter(|triple| known.insert(triple.clone())));
        let mut bytes = 0;
        let fits = self.0.iter().rev().take(MAX_TRIPLES).take_while(|triple| {
            bytes += triple.len();
            bytes <= MAX_LIST
        });
        self.0.drain(..self.0.len() - fits.count());
    }

    /// Returns a line for each name about which there are facts. Case is ignored, so that each fact
    /// is in one line at most.
    pub(crate) fn describe(&self, names: &[String]) -> Vec<String> {
        let mut lines: HashMap<String, usize> = HashMap::new();
        let mut about: Vec<(&str, Vec<&Triple>)> = Vec::new();
        for name in names {
            lines.entry(name.to_lowercase()).or_insert_with(|| {
                about.push((name, Vec::new()));
                about.len() - 1
            });
        }
        for triple in &self.0 {
            let [subject, ..] = &triple.0;
            let line = lines.get(&subject.to_lowercase()).and_then(|&line| about.get_mut(line));
            if let Some((_, facts)) = line {
                facts.push(triple);
            }
        }
        let line = |(name, facts): (&str, Vec<&Triple>)| {
            let facts: Vec<_> = facts.iter().map(ToString::to_string).collect();
            (!facts.is_empty()).then(|| format!("On {name}: {}.", facts.join(". ")))
        };
        about.into_iter().filter_map(line).collect()
    }

    /// Decodes the content of a note.
    pub(crate) fn from_note(body: &Value) -> Self {
        let Value::Data(data) = body else { return Self::default() };
        let text = |part: &Json| part.as_str().map(str::to_owned);
        let triple = |triple: &Json| match triple.as_array()?.as_slice() {
            [subject, relation, object] => {
                Some(Triple([text(subject)?, text(relation)?, text(object)?]))
            }
            _ => None,
        };
        let triples: Option<Vec<_>> =
            data.as_array().map(|triples| triples.iter().filter_map(triple).collect());
        Self(triples.unwrap_or_default())
    }

    /// Encodes the content of a note.
    pub(crate) fn to_note(&self) -> Value {
        let triples: Vec<Json> = self.0.iter().map(|Triple(parts)| json!(parts)).collect();
        Value::from(Json::Array(triples))
    }
}

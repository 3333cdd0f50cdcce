//! Named values, from which a prompt is formatted.

use std::borrow::Cow;

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{MapAccess, Visitor},
};

use crate::value::Value;

/// An ordered map from a variable's name to its value.
///
/// The order is that of insertion, so the same input gives the same bytes. A prompt has few
/// variables: looking one up compares names one after the other.
///
/// # Examples
///
/// ```
/// use conversant_core::{vars, Variables};
///
/// let mut variables = vars! { "human_input" => "hi", "n" => 3 };
/// variables.insert("persona", "a pirate");
/// assert_eq!(variables.names().collect::<Vec<_>>(), ["human_input", "n", "persona"]);
/// assert_eq!(variables.get("human_input").and_then(|value| value.as_text()), Some("hi"));
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Variables {
    entries: Vec<(Cow<'static, str>, Value)>,
}

impl Variables {
    /// Creates an empty map.
    #[must_use]
    pub const fn new() -> Self {
        Self { entries: Vec::new() }
    }

    /// Creates an empty map with room for a number of variables.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        Self { entries: Vec::with_capacity(capacity) }
    }

    /// Sets a variable and returns its previous value. An existing variable keeps its position.
    pub fn insert(
        &mut self,
        name: impl Into<Cow<'static, str>>,
        value: impl Into<Value>,
    ) -> Option<Value> {
        self.put(name.into(), value.into())
    }

    fn put(&mut self, name: Cow<'static, str>, value: Value) -> Option<Value> {
        match self.entries.iter_mut().find(|(known, _)| *known == name) {
            Some((_, held)) => Some(std::mem::replace(held, value)),
            None => {
                self.entries.push((name, value));
                None
            }
        }
    }

    /// Returns a variable's value.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.entries.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// Removes a variable and returns its value.
    pub fn remove(&mut self, name: &str) -> Option<Value> {
        let index = self.entries.iter().position(|(known, _)| known == name)?;
        Some(self.entries.remove(index).1)
    }

    /// Returns whether the map contains a variable.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Returns the number of variables.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns whether the map is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Iterates over names and values, in order.
    #[must_use]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Value)> {
        self.entries.iter().map(|(name, value)| (name.as_ref(), value))
    }

    /// Iterates over the names, in order.
    #[must_use]
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.entries.iter().map(|(name, _)| name.as_ref())
    }
}

impl<N: Into<Cow<'static, str>>, V: Into<Value>> FromIterator<(N, V)> for Variables {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(entries: I) -> Self {
        let entries = entries.into_iter();
        let mut variables = Self::with_capacity(entries.size_hint().0);
        variables.extend(entries);
        variables
    }
}

impl<N: Into<Cow<'static, str>>, V: Into<Value>, const LEN: usize> From<[(N, V); LEN]>
    for Variables
{
    fn from(entries: [(N, V); LEN]) -> Self {
        Self::from_iter(entries)
    }
}

impl<N: Into<Cow<'static, str>>, V: Into<Value>> Extend<(N, V)> for Variables {
    fn extend<I: IntoIterator<Item = (N, V)>>(&mut self, entries: I) {
        for (name, value) in entries {
            self.insert(name, value);
        }
    }
}

impl IntoIterator for Variables {
    type Item = (Cow<'static, str>, Value);
    type IntoIter = std::vec::IntoIter<Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.entries.into_iter()
    }
}

impl Serialize for Variables {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for Variables {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;

        impl<'de> Visitor<'de> for Entries {
            type Value = Variables;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a map of variables")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Variables, A::Error> {
                let mut variables = Variables::new();
                while let Some((name, value)) = map.next_entry::<String, Value>()? {
                    variables.insert(name, value);
                }
                Ok(variables)
            }
        }

        deserializer.deserialize_map(Entries)
    }
}

/// Creates [`Variables`]: `vars! { "name" => value, … }`. A value is anything that converts into a
/// [`Value`]: text, numbers, [`Messages`](crate::Messages) and JSON.
///
/// Wrap options, lists and structs in `serde_json::json!`, or convert them with
/// `serde_json::to_value`, for templates that walk data.
///
/// # Examples
///
/// ```
/// use conversant_core::{vars, Message, Messages};
///
/// let variables = vars! {
///     "human_input" => "Hi there my friend",
///     "chat_history" => Messages::from_iter([Message::ai("Hello!")]),
/// };
/// assert_eq!(variables.len(), 2);
/// assert!(vars! {}.is_empty());
///
/// let data = vars! { "tags" => serde_json::json!(["new", "urgent"]) };
/// assert_eq!(data.len(), 1);
/// ```
#[macro_export]
macro_rules! vars {
    () => { $crate::Variables::new() };
    ($($name:expr => $value:expr),+ $(,)?) => {{
        let mut variables = $crate::Variables::new();
        $(variables.insert($name, $value);)+
        variables
    }};
}

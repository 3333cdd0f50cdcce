//! Named values, from which a prompt is formatted.

use std::{borrow::Cow, collections::HashMap, fmt};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{MapAccess, Visitor},
};

use crate::value::Value;

/// The most names that are scanned: 16. Hashing costs more than a scan of so few.
const MAX_SCANNED: usize = 16;

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
#[derive(Clone, Default)]
pub struct Variables {
    entries: Vec<(Cow<'static, str>, Value)>,
    /// The positions of the names, once there are more than [`MAX_SCANNED`].
    index: Option<Box<Index>>,
}

/// The position of each name. It is boxed, because few variables need it and all are moved.
#[derive(Clone)]
struct Index(HashMap<Cow<'static, str>, usize>);

impl Index {
    /// Removes a name, and moves the later ones up by one.
    fn remove(&mut self, name: &str, position: usize) {
        self.0.remove(name);
        for later in self.0.values_mut().filter(|later| **later > position) {
            *later -= 1;
        }
    }
}

impl Variables {
    /// Creates an empty map.
    #[must_use]
    pub const fn new() -> Self {
        Self { entries: Vec::new(), index: None }
    }

    /// Creates an empty map with room for a number of variables.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        Self { entries: Vec::with_capacity(capacity), index: None }
    }

    /// Sets a variable and returns its previous value. An existing variable keeps its position.
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_core::Variables;
    ///
    /// let mut variables = Variables::new();
    /// assert_eq!(variables.insert("name", "Ada"), None);
    /// assert_eq!(variables.insert("name", "Grace"), Some("Ada".into()));
    /// assert_eq!(variables.len(), 1);
    /// ```
    pub fn insert(
        &mut self,
        name: impl Into<Cow<'static, str>>,
        value: impl Into<Value>,
    ) -> Option<Value> {
        self.put(name.into(), value.into())
    }

    fn put(&mut self, name: Cow<'static, str>, value: Value) -> Option<Value> {
        match self.position(&name).and_then(|position| self.entries.get_mut(position)) {
            Some((_, held)) => Some(std::mem::replace(held, value)),
            None => {
                if let Some(index) = &mut self.index {
                    index.0.insert(name.clone(), self.entries.len());
                }
                self.entries.push((name, value));
                if self.index.is_none() {
                    self.build_index();
                }
                None
            }
        }
    }

    /// Returns a variable's value.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.entries.get(self.position(name)?).map(|(_, value)| value)
    }

    /// Removes a variable and returns its value.
    pub fn remove(&mut self, name: &str) -> Option<Value> {
        let position = self.position(name)?;
        let (_, value) = self.entries.remove(position);
        match &mut self.index {
            Some(index) if self.entries.len() > MAX_SCANNED => index.remove(name, position),
            index => *index = None,
        }
        Some(value)
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
    pub fn iter(&self) -> VariablesIter<'_> {
        VariablesIter(self.entries.iter())
    }

    /// Iterates over the names, in order.
    #[must_use]
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.entries.iter().map(|(name, _)| name.as_ref())
    }

    fn position(&self, name: &str) -> Option<usize> {
        match &self.index {
            Some(index) => index.0.get(name).copied(),
            None => self.entries.iter().position(|(known, _)| known == name),
        }
    }

    /// Indexes the names, if they are too many to be scanned.
    fn build_index(&mut self) {
        self.index = (self.entries.len() > MAX_SCANNED).then(|| {
            let names = self.entries.iter().enumerate();
            let positions = names.map(|(position, (name, _))| (name.clone(), position));
            Box::new(Index(positions.collect()))
        });
    }
}

impl fmt::Debug for Variables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Variables").field("entries", &self.entries).finish()
    }
}

impl PartialEq for Variables {
    fn eq(&self, other: &Self) -> bool {
        self.entries == other.entries
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

/// An iterator over [`Variables`]: names and values, in order.
#[derive(Clone)]
pub struct VariablesIter<'v>(std::slice::Iter<'v, (Cow<'static, str>, Value)>);

impl fmt::Debug for VariablesIter<'_> {
    /// Shows how many are left.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VariablesIter(<{}>)", self.0.len())
    }
}

fn entry<'v>((name, value): &'v (Cow<'static, str>, Value)) -> (&'v str, &'v Value) {
    (name.as_ref(), value)
}

impl<'v> Iterator for VariablesIter<'v> {
    type Item = (&'v str, &'v Value);

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(entry)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl DoubleEndedIterator for VariablesIter<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.0.next_back().map(entry)
    }
}

impl ExactSizeIterator for VariablesIter<'_> {}

impl<'v> IntoIterator for &'v Variables {
    type Item = (&'v str, &'v Value);
    type IntoIter = VariablesIter<'v>;

    fn into_iter(self) -> VariablesIter<'v> {
        self.iter()
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

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
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

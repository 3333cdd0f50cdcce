//! Choosing examples by meaning, with a vector store.

use std::collections::HashSet;

use conversant_core::{Collection, Document, Value, Variables, VectorStore, VectorStoreError};

use super::selector::Example;

/// Selects the examples that are nearest in meaning to a call.
///
/// Needs the feature `few-shot`.
///
/// Searching is I/O and formatting is not, so the search comes first and its result goes into the
/// prompt, which is cheap to change:
///
/// ```
/// # use conversant_core::{Prompt, Variables, VectorStore, vars};
/// # use conversant_prompts::{FewShotPromptTemplate, SemanticSelector};
/// # async fn ask<V: VectorStore>(selector: SemanticSelector<V>, prompt: FewShotPromptTemplate)
/// # -> Result<(), Box<dyn std::error::Error>> {
/// let variables = vars! { "adjective" => "joyful" };
/// let prompt = prompt.with_examples(selector.select(&variables).await?)?;
/// let value = prompt.format(&variables)?;
/// # let _ = value;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct SemanticSelector<V> {
    store: V,
    collection: Collection,
    k: usize,
    keys: Option<HashSet<String>>,
}

impl<V: VectorStore> SemanticSelector<V> {
    /// Creates a selector of at most `k` examples over a store that holds them, in the collection
    /// that is shared as `examples`. Memories over the same store have collections of other kinds.
    #[must_use]
    pub fn new(store: V, k: usize) -> Self {
        Self { store, collection: Collection::shared("examples"), k, keys: None }
    }

    /// Sets the collection that holds the examples. The default is the shared collection
    /// `examples`.
    #[must_use]
    pub fn with_collection(mut self, collection: impl Into<Collection>) -> Self {
        self.collection = collection.into();
        self
    }

    /// Compares only these variables, of examples and of calls.
    #[must_use]
    pub fn with_keys<K: Into<String>>(mut self, keys: impl IntoIterator<Item = K>) -> Self {
        self.keys = Some(keys.into_iter().map(Into::into).collect());
        self
    }

    /// Adds examples to the store. An example's id is made of all its variables, their names and
    /// values, so adding one twice adds it once, and examples that differ are all kept.
    ///
    /// Earlier versions took the text that is compared for the id. Where one of them added an
    /// example, adding it again keeps both; to avoid that, clear the collection first.
    ///
    /// # Errors
    ///
    /// [`VectorStoreError`], if the store fails.
    pub async fn add(&self, examples: &[Example]) -> Result<(), VectorStoreError> {
        let documents: Vec<_> = examples
            .iter()
            .map(|example| {
                let id = id_of(example)?;
                Ok(Document::new(id, self.text(example)).with_metadata(example.clone()))
            })
            .collect::<Result<_, VectorStoreError>>()?;
        self.store.add(&self.collection, &documents).await
    }

    /// Returns the examples that are nearest to a call with these variables, nearest first.
    ///
    /// # Errors
    ///
    /// [`VectorStoreError`], if the store fails.
    pub async fn select(&self, variables: &Variables) -> Result<Vec<Example>, VectorStoreError> {
        let found = self.store.search(&self.collection, &self.text(variables), self.k).await?;
        Ok(found.into_iter().map(|found| found.document.metadata).collect())
    }

    /// Joins the values by a space, in the order of their names, as LangChain does.
    fn text(&self, variables: &Variables) -> String {
        let wanted = |name: &str| match &self.keys {
            Some(keys) => keys.contains(name),
            None => true,
        };
        let mut values: Vec<(&str, &Value)> =
            variables.iter().filter(|(name, _)| wanted(name)).collect();
        values.sort_by_key(|(name, _)| *name);
        let texts: Vec<_> = values.into_iter().map(|(_, value)| value.to_text()).collect();
        texts.join(" ")
    }
}

/// The longest id that is written in full, in bytes. Some stores refuse ids of more than 2,700.
const MAX_PLAIN_ID: usize = 1024;

/// Returns the id of an example: its names and values as JSON, sorted by name. Of a long one it is
/// the length and the 128-bit FNV-1a hash of that.
fn id_of(example: &Example) -> Result<String, VectorStoreError> {
    let mut values: Vec<(&str, &Value)> = example.iter().collect();
    values.sort_by_key(|(name, _)| *name);
    let json = serde_json::to_string(&values)
        .map_err(|error| VectorStoreError::Backend { source: Box::new(error) })?;
    if json.len() <= MAX_PLAIN_ID {
        return Ok(json);
    }
    let hash = json.bytes().fold(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d, |hash: u128, byte| {
        (hash ^ u128::from(byte)).wrapping_mul(0x0100_0000_0000_0000_0000_013b)
    });
    Ok(format!("{}:{hash:032x}", json.len()))
}

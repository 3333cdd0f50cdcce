//! The vector store that keeps its documents in memory.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    sync::Mutex,
};

use async_trait::async_trait;
use conversant_core::{
    Collection, Document, Embeddings, Match, VectorStore, VectorStoreError, unit_vectors,
};

use crate::sync::lock;

/// A [`VectorStore`] that keeps its documents in memory and compares a text to all documents of a
/// collection, by the cosine of their vectors.
///
/// Needs the feature `vectors`.
///
/// A search costs one call of the embedding model and a product with each document's vector: for
/// 10,000 documents of 1,536 numbers some milliseconds.
///
/// # Examples
///
/// ```
/// use conversant_core::{Collection, Document, Embeddings, ModelError, VectorStore, async_trait};
/// use conversant_memory::InMemoryVectorStore;
///
/// /// Counts the vowels a, e and o.
/// struct Vowels;
///
/// #[async_trait]
/// impl Embeddings for Vowels {
///     async fn embed(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, ModelError> {
///         let count = |text: &str, vowel| text.matches(vowel).count() as f32;
///         Ok(texts.iter().map(|text| vec![count(text, 'a'), count(text, 'e'), count(text, 'o')]).collect())
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), conversant_core::VectorStoreError> {
/// let store = InMemoryVectorStore::new(Vowels);
/// let fruit = Collection::shared("fruit");
/// store.add(&fruit, &[Document::new("1", "banana"), Document::new("2", "oboe")]).await?;
/// let found = store.search(&fruit, "a canal", 1).await?;
/// assert_eq!(found[0].document.text, "banana");
/// # Ok(())
/// # }
/// ```
pub struct InMemoryVectorStore<E> {
    embeddings: E,
    entries: Mutex<HashMap<Collection, Entries>>,
}

/// The documents of a collection, in the order in which they were added.
#[derive(Default)]
struct Entries {
    list: Vec<Entry>,
    /// The index of each id in the list.
    places: HashMap<String, usize>,
}

impl Entries {
    fn add(&mut self, entry: Entry) {
        let place = self.places.get(&entry.document.id).copied();
        match place.and_then(|place| self.list.get_mut(place)) {
            Some(known) => *known = entry,
            None => {
                self.places.insert(entry.document.id.clone(), self.list.len());
                self.list.push(entry);
            }
        }
    }

    fn remove(&mut self, ids: &HashSet<&str>) {
        let removed = ids.iter().filter_map(|id| self.places.remove(*id));
        // The documents before the first removed one keep their places.
        let Some(first) = removed.min() else { return };
        let rest = self.list.split_off(first);
        for entry in rest.into_iter().filter(|entry| !ids.contains(entry.document.id.as_str())) {
            if let Some(place) = self.places.get_mut(&entry.document.id) {
                *place = self.list.len();
            }
            self.list.push(entry);
        }
    }
}

struct Entry {
    document: Document,
    /// Of length 1, or all zeros.
    direction: Vec<f32>,
}

impl<E: Embeddings> InMemoryVectorStore<E> {
    /// Creates an empty store. `embeddings` computes the vectors.
    #[must_use]
    pub fn new(embeddings: E) -> Self {
        Self { embeddings, entries: Mutex::default() }
    }
}

fn dot(left: &[f32], right: &[f32]) -> f32 {
    left.iter().zip(right).map(|(left, right)| left * right).sum()
}

fn check_length(expected: Option<usize>, found: usize) -> Result<(), VectorStoreError> {
    match expected {
        Some(expected) if expected != found => Err(VectorStoreError::Dimension { expected, found }),
        _ => Ok(()),
    }
}

#[async_trait]
impl<E: Embeddings> VectorStore for InMemoryVectorStore<E> {
    async fn add(
        &self,
        collection: &Collection,
        documents: &[Document],
    ) -> Result<(), VectorStoreError> {
        if documents.is_empty() {
            return Ok(());
        }
        let texts: Vec<_> = documents.iter().map(|document| document.text.clone()).collect();
        let directions = unit_vectors(&self.embeddings, &texts).await?;
        let mut collections = lock(&self.entries);
        let entries = collections.entry(collection.clone()).or_default();
        let length = entries.list.first().map(|entry| entry.direction.len());
        check_length(length, directions.first().map_or(0, Vec::len))?;
        for (document, direction) in documents.iter().zip(directions) {
            entries.add(Entry { document: document.clone(), direction });
        }
        Ok(())
    }

    async fn search(
        &self,
        collection: &Collection,
        text: &str,
        k: usize,
    ) -> Result<Vec<Match>, VectorStoreError> {
        if k == 0 || !lock(&self.entries).contains_key(collection) {
            return Ok(Vec::new());
        }
        let query = unit_vectors(&self.embeddings, &[text.to_owned()]).await?;
        let query = query.into_iter().next().unwrap_or_default();
        let collections = lock(&self.entries);
        let Some(entries) = collections.get(collection) else { return Ok(Vec::new()) };
        let entries = &entries.list;
        check_length(entries.first().map(|entry| entry.direction.len()), query.len())?;
        let mut scores: Vec<_> =
            entries.iter().map(|entry| (dot(&entry.direction, &query), entry)).collect();
        // The sort is stable: of two that are equally near, the one added first comes first.
        scores.sort_by(|(left, _), (right, _)| right.total_cmp(left));
        let nearest = scores.into_iter().take(k);
        Ok(nearest.map(|(score, entry)| Match::new(entry.document.clone(), score)).collect())
    }

    async fn clear(&self, collection: &Collection) -> Result<(), VectorStoreError> {
        lock(&self.entries).remove(collection);
        Ok(())
    }

    async fn list(
        &self,
        collection: &Collection,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Document>, VectorStoreError> {
        let collections = lock(&self.entries);
        let documents = collections.get(collection).into_iter().flat_map(|it| &it.list);
        let mut documents: Vec<_> = documents
            .map(|entry| &entry.document)
            .filter(|document| after.is_none_or(|after| document.id.as_str() > after))
            .collect();
        documents.sort_by(|left, right| left.id.cmp(&right.id));
        Ok(documents.into_iter().take(limit).cloned().collect())
    }

    async fn remove(
        &self,
        collection: &Collection,
        ids: &[&str],
    ) -> Result<usize, VectorStoreError> {
        let mut collections = lock(&self.entries);
        let Some(entries) = collections.get_mut(collection) else { return Ok(0) };
        let before = entries.list.len();
        entries.remove(&ids.iter().copied().collect());
        let removed = before - entries.list.len();
        if entries.list.is_empty() {
            collections.remove(collection);
        }
        Ok(removed)
    }
}

impl<E> fmt::Debug for InMemoryVectorStore<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InMemoryVectorStore")
            .field(
                "documents",
                &lock(&self.entries).values().map(|it| it.list.len()).sum::<usize>(),
            )
            .finish_non_exhaustive()
    }
}

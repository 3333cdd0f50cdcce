//! The vector store that keeps its documents in memory.

use std::{fmt, sync::Mutex};

use async_trait::async_trait;
use conversant_core::{Document, Embeddings, Match, VectorStore, VectorStoreError};

use crate::conversation::lock;

/// A [`VectorStore`] that keeps its documents in memory and compares a text to all of them, by the cosine of their vectors.
///
/// A search costs one call of the embedding model and a product with each document's vector: for 10,000 documents of 1,536
/// numbers some milliseconds.
///
/// # Examples
///
/// ```
/// use conversant_core::{async_trait, Document, Embeddings, ModelError, VectorStore};
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
/// store.add(&[Document::new("1", "banana"), Document::new("2", "oboe")]).await?;
/// let found = store.search("a canal", 1).await?;
/// assert_eq!(found[0].document.text, "banana");
/// # Ok(())
/// # }
/// ```
pub struct InMemoryVectorStore<E> {
    embeddings: E,
    entries: Mutex<Vec<Entry>>,
}

struct Entry {
    document: Document,
    /// Of length 1, or all zeros.
    direction: Vec<f32>,
}

impl<E: Embeddings> InMemoryVectorStore<E> {
    /// Creates a store without documents that asks this model for vectors.
    #[must_use]
    pub const fn new(embeddings: E) -> Self {
        Self { embeddings, entries: Mutex::new(Vec::new()) }
    }

    async fn directions(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, VectorStoreError> {
        let vectors = self.embeddings.embed(texts).await?;
        if vectors.len() != texts.len() {
            let (given, wanted) = (vectors.len(), texts.len());
            let source = format!("the embedding model gave {given} vectors for {wanted} texts");
            return Err(VectorStoreError::Backend { source: source.into() });
        }
        Ok(vectors.into_iter().map(direction).collect())
    }
}

/// Makes a vector's length 1, unless it is 0.
fn direction(mut vector: Vec<f32>) -> Vec<f32> {
    let length = dot(&vector, &vector).sqrt();
    if length > 0.0 {
        vector.iter_mut().for_each(|number| *number /= length);
    }
    vector
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
    async fn add(&self, documents: &[Document]) -> Result<(), VectorStoreError> {
        if documents.is_empty() {
            return Ok(());
        }
        let texts: Vec<_> = documents.iter().map(|document| document.text.clone()).collect();
        let directions = self.directions(&texts).await?;
        let mut entries = lock(&self.entries);
        let mut length = entries.first().map(|entry| entry.direction.len());
        for direction in &directions {
            check_length(length, direction.len())?;
            length = Some(direction.len());
        }
        for (document, direction) in documents.iter().zip(directions) {
            let entry = Entry { document: document.clone(), direction };
            match entries.iter_mut().find(|known| known.document.id == document.id) {
                Some(known) => *known = entry,
                None => entries.push(entry),
            }
        }
        Ok(())
    }

    async fn search(&self, text: &str, k: usize) -> Result<Vec<Match>, VectorStoreError> {
        if k == 0 || lock(&self.entries).is_empty() {
            return Ok(Vec::new());
        }
        let query = self.directions(&[text.to_owned()]).await?.pop().unwrap_or_default();
        let entries = lock(&self.entries);
        check_length(entries.first().map(|entry| entry.direction.len()), query.len())?;
        let mut scores: Vec<_> =
            entries.iter().map(|entry| (dot(&entry.direction, &query), entry)).collect();
        // Stable: of two that are as near, the one that was added first.
        scores.sort_by(|(left, _), (right, _)| right.total_cmp(left));
        let nearest = scores.into_iter().take(k);
        Ok(nearest.map(|(score, entry)| Match::new(entry.document.clone(), score)).collect())
    }

    async fn clear(&self) -> Result<(), VectorStoreError> {
        lock(&self.entries).clear();
        Ok(())
    }
}

impl<E> fmt::Debug for InMemoryVectorStore<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InMemoryVectorStore")
            .field("documents", &lock(&self.entries).len())
            .finish_non_exhaustive()
    }
}

//! The vector store trait, with its documents and errors.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{box_error::BoxError, model::ModelError, variables::Variables};

/// A text that can be found by a search, with its metadata.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Document {
    /// The id. Adding a document with an existing id replaces the document.
    pub id: String,
    /// The text.
    pub text: String,
    /// The metadata.
    #[serde(default)]
    pub metadata: Variables,
}

impl Document {
    /// Creates a document without metadata.
    #[must_use]
    pub fn new(id: impl Into<String>, text: impl Into<String>) -> Self {
        Self { id: id.into(), text: text.into(), metadata: Variables::new() }
    }

    /// Sets the metadata.
    #[must_use]
    pub fn with_metadata(mut self, metadata: Variables) -> Self {
        self.metadata = metadata;
        self
    }
}

/// A search result.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Match {
    /// The document.
    pub document: Document,
    /// The similarity: 1 is identical, 0 is unrelated.
    pub score: f32,
}

impl Match {
    /// Creates a match.
    #[must_use]
    pub const fn new(document: Document, score: f32) -> Self {
        Self { document, score }
    }
}

/// A store of documents that finds the ones nearest in meaning to a text.
///
/// Implemented by store crates; called by memories that search.
#[async_trait]
pub trait VectorStore: Send + Sync {
    /// Adds all documents or none.
    ///
    /// # Errors
    /// [`VectorStoreError`], if the store or its embedding model fails.
    async fn add(&self, documents: &[Document]) -> Result<(), VectorStoreError>;

    /// Returns the documents nearest to a text, nearest first, at most `k`.
    ///
    /// # Errors
    /// [`VectorStoreError`], if the store or its embedding model fails.
    async fn search(&self, text: &str, k: usize) -> Result<Vec<Match>, VectorStoreError>;

    /// Removes all documents.
    ///
    /// # Errors
    /// [`VectorStoreError`], if the store fails.
    async fn clear(&self) -> Result<(), VectorStoreError>;
}

macro_rules! forward_store {
    ($($pointer:ty),*) => {$(
        #[deny(clippy::missing_trait_methods)]
        #[async_trait]
        impl<S: VectorStore + ?Sized> VectorStore for $pointer {
            async fn add(&self, documents: &[Document]) -> Result<(), VectorStoreError> {
                (**self).add(documents).await
            }
            async fn search(&self, text: &str, k: usize) -> Result<Vec<Match>, VectorStoreError> {
                (**self).search(text, k).await
            }
            async fn clear(&self) -> Result<(), VectorStoreError> {
                (**self).clear().await
            }
        }
    )*};
}
forward_store!(&S, Box<S>, std::sync::Arc<S>);

/// An error of a vector store.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum VectorStoreError {
    /// The embedding model failed.
    #[error("the embedding model failed")]
    Embeddings(#[from] ModelError),
    /// A vector does not have the store's length.
    #[error("cannot use a vector of {found} numbers; the store holds vectors of {expected}")]
    Dimension {
        /// The store's length.
        expected: usize,
        /// The vector's length.
        found: usize,
    },
    /// The store failed, or could not be reached.
    #[error("cannot reach the vector store")]
    Backend {
        /// The store's own error.
        source: BoxError,
    },
}

crate::debug_as_report!(VectorStoreError);

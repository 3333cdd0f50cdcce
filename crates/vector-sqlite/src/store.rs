//! The store: embeddings on one side, the file on the other.

use std::{fmt, path::Path, sync::Arc};

use async_trait::async_trait;
use conversant_core::{Document, Embeddings, Match, VectorStore, VectorStoreError};

use crate::{
    table::{self, Entry, Length},
    vector,
    worker::{Worker, backend},
};

/// A collection of documents in a SQLite file, with their vectors.
///
/// Collections of one file know nothing of each other: a memory's store is a collection of its own, and clearing it clears nothing
/// else. All vectors of a collection are of one length; another embedding model needs another collection. Several processes may
/// use one file. What was added is on the disk when `add` returns.
///
/// # Examples
///
/// See the [crate's page](crate).
pub struct SqliteVectorStore<E> {
    collection: Arc<str>,
    embeddings: E,
    worker: Worker,
}

impl<E: Embeddings> SqliteVectorStore<E> {
    /// Opens a collection in a file, and makes the file if it is not there. The model is asked for the documents' vectors.
    ///
    /// # Errors
    /// [`VectorStoreError::Backend`], if the file can't be opened or is something else.
    pub fn open(
        file: impl AsRef<Path>,
        collection: impl Into<Arc<str>>,
        embeddings: E,
    ) -> Result<Self, VectorStoreError> {
        let connection = table::open(file.as_ref()).map_err(backend)?;
        let worker = Worker::new(connection).map_err(backend)?;
        Ok(Self { collection: collection.into(), embeddings, worker })
    }

    /// Returns the vectors of texts, as they are stored.
    async fn vectors(&self, texts: &[String]) -> Result<Vec<Vec<u8>>, VectorStoreError> {
        let vectors = self.embeddings.embed(texts).await?;
        let (given, wanted) = (vectors.len(), texts.len());
        if given != wanted {
            return Err(backend(format!(
                "the embedding model gave {given} vectors for {wanted} texts"
            )));
        }
        Ok(vectors.iter().map(|vector| vector::to_bytes(vector)).collect())
    }
}

/// Says that a vector has another length than the collection's.
fn check(length: &Length, found: usize) -> Result<(), VectorStoreError> {
    match *length {
        Length::Fits => Ok(()),
        Length::Other { expected } => Err(VectorStoreError::Dimension { expected, found }),
    }
}

#[async_trait]
impl<E: Embeddings> VectorStore for SqliteVectorStore<E> {
    async fn add(&self, documents: &[Document]) -> Result<(), VectorStoreError> {
        if documents.is_empty() {
            return Ok(());
        }
        let texts: Vec<_> = documents.iter().map(|document| document.text.clone()).collect();
        let vectors = self.vectors(&texts).await?;
        let found = vectors.iter().map(Vec::len).max().unwrap_or_default() / size_of::<f32>();
        let mut entries = Vec::with_capacity(documents.len());
        for (document, vector) in documents.iter().zip(vectors) {
            let metadata = serde_json::to_string(&document.metadata).map_err(backend)?;
            entries.push(Entry { document: document.clone(), metadata, vector });
        }
        let collection = Arc::clone(&self.collection);
        let add = move |connection: &mut _| table::add(connection, &collection, &entries);
        check(&self.worker.run(add).await?, found)
    }

    async fn search(&self, text: &str, k: usize) -> Result<Vec<Match>, VectorStoreError> {
        if k == 0 {
            return Ok(Vec::new());
        }
        let vector = self.vectors(&[text.to_owned()]).await?.pop().unwrap_or_default();
        let found = vector.len() / size_of::<f32>();
        let collection = Arc::clone(&self.collection);
        let search = move |connection: &mut rusqlite::Connection| {
            Ok(match table::length(connection, &collection, vector.len())? {
                Length::Fits => Ok(table::search(connection, &collection, &vector, k)?),
                other @ Length::Other { .. } => Err(other),
            })
        };
        match self.worker.run(search).await? {
            Ok(matches) => Ok(matches),
            Err(length) => check(&length, found).map(|()| Vec::new()),
        }
    }

    async fn clear(&self) -> Result<(), VectorStoreError> {
        let collection = Arc::clone(&self.collection);
        self.worker.run(move |connection| table::clear(connection, &collection)).await
    }
}

impl<E> fmt::Debug for SqliteVectorStore<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteVectorStore")
            .field("collection", &self.collection)
            .finish_non_exhaustive()
    }
}

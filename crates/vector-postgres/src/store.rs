//! The store: embeddings on one side, the database on the other.

use std::{collections::HashMap, fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use conversant_core::{
    Collection, Document, Embeddings, Match, VectorStore, VectorStoreError, unit_vectors,
};
use conversant_history::{json_fault, postgres::PostgresSettings};

use crate::{
    database::{Database, backend},
    index::VectorIndex,
    operations::{Add, Clear, List, Place, Prepare, Remove, Search, length, number},
    statements::Statements,
};

/// The default time for an operation.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(30);

/// A vector store in PostgreSQL with pgvector.
///
/// - Collections are separate: a search finds nothing of another collection, and clearing one
///   leaves the others as they are.
/// - All vectors of a collection have the same length. Another embedding model needs another
///   collection, or the collection is cleared first.
/// - Any number of stores, on any number of machines, may use the same database.
/// - A call adds all of its documents or none, also if its future is dropped. What it added is as
///   durable as the server's `synchronous_commit` makes it.
/// - A search compares all vectors of the collection, unless there is a [`VectorIndex`].
/// - Texts, metadata and names are kept byte for byte, NUL included.
/// - Every operation ends within the
///   [`operation_timeout`](PostgresVectorStoreBuilder::operation_timeout).
/// - Statements are not prepared first, so they work through a pooler such as PgBouncer in
///   transaction mode.
/// - After a failover or a restart, connections that broke are replaced. Operations that begin
///   while the server is away wait for it until their time is over. A search or an `add` whose
///   connection breaks is tried again; a `clear` fails, since others may have added documents
///   meanwhile.
///
/// A clone is a handle to the same store.
///
/// # Examples
///
/// See the [crate's page](crate).
#[derive(Clone)]
pub struct PostgresVectorStore<E> {
    embeddings: E,
    database: Database,
    statements: Arc<Statements>,
    index: VectorIndex,
}

/// Settings of a [`PostgresVectorStore`].
///
/// | setting | default |
/// |---|---|
/// | [`index`](Self::index) | none |
/// | [`max_connections`](Self::max_connections) | 16 |
/// | [`connect_timeout`](Self::connect_timeout) | 10 s |
/// | [`acquire_timeout`](Self::acquire_timeout) | 10 s |
/// | [`operation_timeout`](Self::operation_timeout) | 30 s |
/// | [`root_certificates`](Self::root_certificates) | the system's |
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until it connects"]
pub struct PostgresVectorStoreBuilder {
    settings: PostgresSettings,
    operation_timeout: Duration,
    index: VectorIndex,
}

impl PostgresVectorStoreBuilder {
    /// Sets the index of searches. By default there is none.
    pub const fn index(mut self, index: VectorIndex) -> Self {
        self.index = index;
        self
    }

    /// Sets the number of connections, at most. 16 by default, and at least 1.
    pub const fn max_connections(mut self, max: usize) -> Self {
        self.settings.max_connections = max;
        self
    }

    /// Sets how long to wait for the server to accept a connection. 10 seconds by default.
    ///
    /// It is the time for each address, of which a name or the URL can have several. Let all of
    /// them fit into the [`operation_timeout`](Self::operation_timeout): an address that is silent
    /// takes its whole time before the next one is tried.
    pub const fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.settings.connect_timeout = timeout;
        self
    }

    /// Sets how long to wait for a free connection. 10 seconds by default.
    pub const fn acquire_timeout(mut self, timeout: Duration) -> Self {
        self.settings.acquire_timeout = timeout;
        self
    }

    /// Sets how long an operation may take, without the time of the embedding model. 30 seconds by
    /// default. Creating an index in [`connect`](Self::connect) counts too.
    pub const fn operation_timeout(mut self, timeout: Duration) -> Self {
        self.operation_timeout = timeout;
        self
    }

    /// Sets certificates, in PEM, to trust in addition to the system's.
    pub fn root_certificates(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.settings.root_certificates = pem.into();
        self
    }

    /// Connects, and creates the extension, the tables and the index if they are missing.
    /// `embeddings` computes the vectors.
    ///
    /// # Errors
    /// - [`VectorStoreError::Backend`] if the URL cannot be parsed, the database cannot be reached,
    ///   it has no pgvector, the index cannot be created, or there is no Tokio runtime.
    /// - [`VectorStoreError::ReadOnly`] if the database is read-only, or the user may not create
    ///   what is missing.
    /// - [`VectorStoreError::TimedOut`] if the database does not answer in time.
    pub async fn connect<E: Embeddings>(
        self,
        embeddings: E,
    ) -> Result<PostgresVectorStore<E>, VectorStoreError> {
        let index = self.index;
        index.check().map_err(backend)?;
        let database = Database::new(&self.settings, self.operation_timeout).map_err(backend)?;
        let statements = Arc::new(database.run(Prepare { index }).await?);
        Ok(PostgresVectorStore { embeddings, database, statements, index })
    }
}

impl PostgresVectorStore<()> {
    /// Returns a builder for a store in a database, for example
    /// `postgres://user:password@host/database` or a list of libpq settings.
    pub fn builder(url: impl Into<String>) -> PostgresVectorStoreBuilder {
        PostgresVectorStoreBuilder {
            settings: PostgresSettings::new(url),
            operation_timeout: OPERATION_TIMEOUT,
            index: VectorIndex::None,
        }
    }
}

impl<E: Embeddings> PostgresVectorStore<E> {
    /// Connects with the default settings.
    ///
    /// # Errors
    /// As [`PostgresVectorStoreBuilder::connect`].
    pub async fn connect(url: impl Into<String>, embeddings: E) -> Result<Self, VectorStoreError> {
        PostgresVectorStore::builder(url).connect(embeddings).await
    }
}

/// Returns an error if vectors of `found` numbers do not fit the collection's.
fn check(expected: i32, found: usize) -> Result<(), VectorStoreError> {
    match usize::try_from(expected) {
        Ok(expected) if expected == found => Ok(()),
        expected => {
            Err(VectorStoreError::Dimension { expected: expected.unwrap_or_default(), found })
        }
    }
}

#[async_trait]
impl<E: Embeddings> VectorStore for PostgresVectorStore<E> {
    async fn add(
        &self,
        collection: &Collection,
        documents: &[Document],
    ) -> Result<(), VectorStoreError> {
        if documents.is_empty() {
            return Ok(());
        }
        let place = Place::of(collection)?;
        let texts: Vec<_> = documents.iter().map(|document| document.text.clone()).collect();
        let vectors = unit_vectors(&self.embeddings, &texts).await?;
        let found = vectors.first().map_or(0, Vec::len);
        // Of several documents with one id, the last one stays, in the place of the first.
        let mut places = HashMap::new();
        let mut entries: Vec<(&Document, Vec<f32>)> = Vec::with_capacity(documents.len());
        for (document, vector) in documents.iter().zip(vectors) {
            let index = *places.entry(document.id.as_str()).or_insert(entries.len());
            match entries.get_mut(index) {
                Some(entry) => *entry = (document, vector),
                None => entries.push((document, vector)),
            }
        }
        let json = |(document, _): &(&Document, _)| serde_json::to_string(document);
        let add = Add {
            statements: Arc::clone(&self.statements),
            place,
            dimensions: length(found),
            ids: entries.iter().map(|(document, _)| document.id.as_bytes().to_vec()).collect(),
            documents: entries.iter().map(json).collect::<Result<_, _>>().map_err(backend)?,
            vectors: entries.into_iter().flat_map(|(_, vector)| vector).collect(),
        };
        check(self.database.run(add).await?, found)
    }

    async fn search(
        &self,
        collection: &Collection,
        text: &str,
        k: usize,
    ) -> Result<Vec<Match>, VectorStoreError> {
        if k == 0 {
            return Ok(Vec::new());
        }
        let place = Place::of(collection)?;
        let vectors = unit_vectors(&self.embeddings, &[text.to_owned()]).await?;
        let vector = vectors.into_iter().next().unwrap_or_default();
        let found = vector.len();
        let statements = Arc::clone(&self.statements);
        let search = Search { statements, place, vector, k, index: self.index };
        let Some((expected, rows)) = self.database.run(search).await? else {
            return Ok(Vec::new());
        };
        if let Err(differs) = check(expected, found) {
            // A collection whose documents were all removed has vectors of no length.
            let is_empty = self.list(collection, None, 1).await?.is_empty();
            return if is_empty { Ok(Vec::new()) } else { Err(differs) };
        }
        rows.into_iter().map(|(json, score)| Ok(Match::new(decode(&json)?, score))).collect()
    }

    async fn clear(&self, collection: &Collection) -> Result<(), VectorStoreError> {
        let place = Place::of(collection)?;
        self.database.run(Clear { statements: Arc::clone(&self.statements), place }).await
    }

    async fn list(
        &self,
        collection: &Collection,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Document>, VectorStoreError> {
        let list = List {
            statements: Arc::clone(&self.statements),
            place: Place::of(collection)?,
            after: after.map(|id| id.as_bytes().to_vec()),
            limit: number(limit),
        };
        let documents = self.database.run(list).await?;
        documents.iter().map(|json| decode(json)).collect()
    }

    async fn remove(
        &self,
        collection: &Collection,
        ids: &[&str],
    ) -> Result<usize, VectorStoreError> {
        let remove = Remove {
            statements: Arc::clone(&self.statements),
            place: Place::of(collection)?,
            ids: ids.iter().map(|id| id.as_bytes().to_vec()).collect(),
        };
        self.database.run(remove).await
    }
}

fn decode(json: &str) -> Result<Document, VectorStoreError> {
    serde_json::from_str(json).map_err(|error| {
        let what = json_fault("a document", &error);
        VectorStoreError::Corrupt { what, source: None }
    })
}

impl<E> fmt::Debug for PostgresVectorStore<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresVectorStore")
            .field("database", &self.database)
            .field("index", &self.index)
            .finish_non_exhaustive()
    }
}

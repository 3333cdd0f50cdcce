//! The store: embeddings on one side, the database on the other.

use std::{collections::HashMap, fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use conversant_core::{
    Collection, Document, Embeddings, Match, VectorStore, VectorStoreError, unit_vectors,
};
use conversant_history::{
    json_fault,
    postgres::{PostgresError, PostgresSettings},
};
use tokio_postgres::{Client, Row, types::Type};

use crate::{
    database::{Access, Database, Operation, backend},
    index::VectorIndex,
    statements::{Statements, prepare},
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
/// # Examples
///
/// See the [crate's page](crate).
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

/// A length as the server has it. Longer vectors are refused by the server.
fn length(vector: usize) -> i32 {
    i32::try_from(vector).unwrap_or(i32::MAX)
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
        check(expected, found)?;
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
            limit: i64::try_from(limit).unwrap_or(i64::MAX),
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

/// The key of a collection.
#[derive(Clone)]
struct Place {
    kind: i16,
    name: Vec<u8>,
}

impl Place {
    fn of(collection: &Collection) -> Result<Self, VectorStoreError> {
        let (kind, name) = match collection {
            Collection::Session(session) => (0, session.as_str()),
            Collection::Group(group) => (1, group.as_str()),
            Collection::User(user) => (2, user.as_str()),
            Collection::Shared(name) => (3, &**name),
            _ => {
                return Err(VectorStoreError::Unsupported { what: "a collection of this kind" });
            }
        };
        Ok(Self { kind, name: name.as_bytes().to_vec() })
    }
}

/// Creates what is missing.
struct Prepare {
    index: VectorIndex,
}

impl Operation for Prepare {
    type Output = Statements;

    const IS_REPEATED: bool = true;
    const ACCESS: Access = Access::Prepares;

    async fn run(&self, client: &Client) -> Result<Statements, PostgresError> {
        prepare(client, self.index).await
    }
}

/// Adds documents, and returns the length of the collection's vectors. If it differs, nothing was
/// added.
struct Add {
    statements: Arc<Statements>,
    place: Place,
    dimensions: i32,
    ids: Vec<Vec<u8>>,
    documents: Vec<String>,
    /// One after the other.
    vectors: Vec<f32>,
}

impl Operation for Add {
    type Output = i32;

    const IS_REPEATED: bool = true;
    const ACCESS: Access = Access::Writes;

    async fn run(&self, client: &Client) -> Result<i32, PostgresError> {
        let row = client
            .query_typed_one(
                &self.statements.add,
                &[
                    (&self.place.kind, Type::INT2),
                    (&self.place.name, Type::BYTEA),
                    (&self.dimensions, Type::INT4),
                    (&self.ids, Type::BYTEA_ARRAY),
                    (&self.documents, Type::TEXT_ARRAY),
                    (&self.vectors, Type::FLOAT4_ARRAY),
                ],
            )
            .await?;
        Ok(row.try_get(0)?)
    }
}

/// Searches a collection. Returns the length of its vectors and the documents found, each as JSON
/// with its similarity, or `None` if there is no such collection.
struct Search {
    statements: Arc<Statements>,
    place: Place,
    vector: Vec<f32>,
    k: usize,
    index: VectorIndex,
}

type Found = (i32, Vec<(String, f32)>);

impl Operation for Search {
    type Output = Option<Found>;

    const IS_REPEATED: bool = true;
    const ACCESS: Access = Access::Reads;

    async fn run(&self, client: &Client) -> Result<Option<Found>, PostgresError> {
        if let Some(statement) = &self.statements.search_index
            && self.index.dimensions() == Some(self.vector.len())
        {
            let settings = self.index.search_settings(self.k, self.statements.can_iterate);
            let begin = format!("BEGIN READ ONLY; {settings}");
            // The three are sent together.
            let (begun, rows, ended) = tokio::join!(
                client.batch_execute(&begin),
                self.select(statement, client),
                client.batch_execute("COMMIT"),
            );
            begun?;
            let outcome = found(&rows?)?;
            ended?;
            // A row without a document is that of a collection of which the index found nothing.
            if outcome.as_ref().is_some_and(|(_, documents)| documents.len() >= self.k) {
                return Ok(outcome);
            }
        }
        found(&self.select(&self.statements.search, client).await?)
    }
}

impl Search {
    async fn select(&self, statement: &str, client: &Client) -> Result<Vec<Row>, PostgresError> {
        let k = i64::try_from(self.k).unwrap_or(i64::MAX);
        let rows = client
            .query_typed(
                statement,
                &[
                    (&self.place.kind, Type::INT2),
                    (&self.place.name, Type::BYTEA),
                    (&self.vector, Type::FLOAT4_ARRAY),
                    (&length(self.vector.len()), Type::INT4),
                    (&k, Type::INT8),
                ],
            )
            .await?;
        Ok(rows)
    }
}

/// Reads rows. A collection whose vectors have another length has one row without a document.
fn found(rows: &[Row]) -> Result<Option<Found>, PostgresError> {
    let Some(first) = rows.first() else { return Ok(None) };
    let mut documents = Vec::with_capacity(rows.len());
    for row in rows {
        if let Some(document) = row.try_get::<_, Option<String>>(1)? {
            let distance: f64 = row.try_get(2)?;
            documents.push((document, -distance as f32));
        }
    }
    Ok(Some((first.try_get(0)?, documents)))
}

/// Removes a collection.
struct Clear {
    statements: Arc<Statements>,
    place: Place,
}

impl Operation for Clear {
    type Output = ();

    const IS_REPEATED: bool = false;
    const ACCESS: Access = Access::Writes;

    async fn run(&self, client: &Client) -> Result<(), PostgresError> {
        let Place { kind, name } = &self.place;
        client
            .execute_typed(self.statements.clear, &[(kind, Type::INT2), (name, Type::BYTEA)])
            .await?;
        Ok(())
    }
}

/// Lists the documents of a collection after an id, each as JSON.
struct List {
    statements: Arc<Statements>,
    place: Place,
    after: Option<Vec<u8>>,
    limit: i64,
}

impl Operation for List {
    type Output = Vec<String>;

    const IS_REPEATED: bool = true;
    const ACCESS: Access = Access::Reads;

    async fn run(&self, client: &Client) -> Result<Vec<String>, PostgresError> {
        let Place { kind, name } = &self.place;
        let rows = client
            .query_typed(
                self.statements.list,
                &[
                    (kind, Type::INT2),
                    (name, Type::BYTEA),
                    (&self.after, Type::BYTEA),
                    (&self.limit, Type::INT8),
                ],
            )
            .await?;
        rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
    }
}

/// Removes documents, and returns how many there were.
struct Remove {
    statements: Arc<Statements>,
    place: Place,
    ids: Vec<Vec<u8>>,
}

impl Operation for Remove {
    type Output = usize;

    const IS_REPEATED: bool = false;
    const ACCESS: Access = Access::Writes;

    async fn run(&self, client: &Client) -> Result<usize, PostgresError> {
        let Place { kind, name } = &self.place;
        let removed = client
            .execute_typed(
                self.statements.remove,
                &[(kind, Type::INT2), (name, Type::BYTEA), (&self.ids, Type::BYTEA_ARRAY)],
            )
            .await?;
        Ok(usize::try_from(removed).unwrap_or(usize::MAX))
    }
}

//! The store: embeddings on one side, the file on the other.

use std::{
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};

use async_trait::async_trait;
use conversant_core::{
    Collection, Document, Embeddings, Match, VectorStore, VectorStoreError, unit_vectors,
};
use conversant_history::{SqliteFiles, Worker};
use rusqlite::Connection;

use crate::{
    error::{backend, sqlite_error},
    table::{self, Entry, Fit},
    vector,
};

/// A vector store in a SQLite file.
///
/// - Collections are separate: a search finds nothing of another collection, and clearing one
///   leaves the others as they are.
/// - All vectors of a collection have the same length. Another embedding model needs another
///   collection.
/// - Any number of stores, in any number of processes on one machine, may have the same file open.
/// - A document is on the disk when [`add`](VectorStore::add) returns. A call whose future is
///   dropped adds all of its documents or none.
/// - A new file has the rights that the process's umask leaves, which by default lets all users of
///   the machine read it. Make the folder private, or set the umask.
/// - A removed document is overwritten, and leaves the log of the file too. While another
///   connection reads, it stays there until the next removal, or until the last connection is
///   closed.
/// - A search compares all vectors of the collection. The calls of a store run one after the other
///   on its thread, so that a long search holds up the others. Collections that are large, or have
///   many users at the same time, are better in stores and files of their own, or in PostgreSQL.
///
/// # Examples
///
/// See the [crate's page](crate).
pub struct SqliteVectorStore<E> {
    path: PathBuf,
    embeddings: E,
    worker: Worker<Database>,
}

/// An open database. The files are dropped after the connection.
struct Database {
    connection: Connection,
    /// `None` if there is no file with the name, as for a database in memory.
    files: Option<SqliteFiles>,
}

/// Settings of a [`SqliteVectorStore`].
///
/// | setting | default |
/// |---|---|
/// | [`busy_timeout`](Self::busy_timeout) | 10 s |
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until it opens a file"]
pub struct SqliteVectorStoreBuilder {
    path: PathBuf,
    busy_timeout: Duration,
}

impl SqliteVectorStoreBuilder {
    /// Sets how long an operation waits for another process that holds the file. The default is
    /// 10 seconds; the longest wait is 24 days.
    pub const fn busy_timeout(mut self, time: Duration) -> Self {
        self.busy_timeout = time;
        self
    }

    /// Opens the file, or creates it if it does not exist. `embeddings` computes the vectors.
    ///
    /// # Errors
    /// - [`VectorStoreError::Corrupt`], if the file is not a SQLite database, or is damaged.
    /// - [`VectorStoreError::Busy`], if another process holds the file for longer than the
    ///   [`busy_timeout`](Self::busy_timeout).
    /// - [`VectorStoreError::ReadOnly`], if the file cannot be written.
    /// - [`VectorStoreError::Full`], if the disk is full.
    /// - [`VectorStoreError::Backend`], if it cannot be opened for another reason.
    pub fn open<E: Embeddings>(
        self,
        embeddings: E,
    ) -> Result<SqliteVectorStore<E>, VectorStoreError> {
        let path = std::path::absolute(&self.path).map_err(backend)?;
        // Another process may be creating the file: an empty one is new.
        if path.metadata().is_ok_and(|found| found.is_file() && found.len() > 0) {
            SqliteFiles::check_new(&path).map_err(backend)??;
        }
        let files = match table::has_file(&self.path) {
            // SQLite reports why none can be created.
            true => SqliteFiles::of_or_new(&path).ok(),
            false => None,
        };
        let connection = table::open(&self.path, self.busy_timeout).map_err(sqlite_error)?;
        let files = files.or_else(|| SqliteFiles::of(&path).ok()).map(SqliteFiles::with_logs);
        let database = Database { connection, files };
        let worker = Worker::start("vector-store", database).map_err(backend)?;
        Ok(SqliteVectorStore { path: self.path, embeddings, worker })
    }
}

impl SqliteVectorStore<()> {
    /// Returns a builder for a store in the file `path`.
    pub fn builder(path: impl AsRef<Path>) -> SqliteVectorStoreBuilder {
        SqliteVectorStoreBuilder {
            path: path.as_ref().to_owned(),
            busy_timeout: Duration::from_secs(10),
        }
    }
}

impl<E: Embeddings> SqliteVectorStore<E> {
    /// Opens the file `path` with the default settings, or creates it if it does not exist.
    ///
    /// # Errors
    /// As [`SqliteVectorStoreBuilder::open`].
    pub fn open(path: impl AsRef<Path>, embeddings: E) -> Result<Self, VectorStoreError> {
        SqliteVectorStore::builder(path).open(embeddings)
    }
}

impl<E> SqliteVectorStore<E> {
    /// Finishes the operations that were started and closes the file. When it returns, the file can
    /// be moved or removed. Operations that are started later fail.
    ///
    /// A store that is dropped closes its file too, but later, on its own thread.
    pub async fn close(&self) {
        self.worker.close().await;
    }

    /// Runs an operation, and checks that the file is still that of its name.
    async fn run<R: Send + 'static>(
        &self,
        run: impl FnOnce(&mut Connection) -> rusqlite::Result<R> + Send + 'static,
    ) -> Result<R, VectorStoreError> {
        let path = self.path.clone();
        let run = move |Database { connection, files }: &mut Database| {
            let outcome = run(connection);
            if let Some(files) = files {
                files.check_write(|| table::is_whole(&path))?;
            }
            outcome.map_err(sqlite_error)
        };
        self.worker.run(run).await?
    }
}

/// Returns an error if vectors of `found` numbers do not fit the collection.
fn check(fit: &Fit, found: usize) -> Result<(), VectorStoreError> {
    match *fit {
        Fit::Fits => Ok(()),
        Fit::Differs { expected } => Err(VectorStoreError::Dimension { expected, found }),
    }
}

#[async_trait]
impl<E: Embeddings> VectorStore for SqliteVectorStore<E> {
    async fn add(
        &self,
        collection: &Collection,
        documents: &[Document],
    ) -> Result<(), VectorStoreError> {
        if documents.is_empty() {
            return Ok(());
        }
        let texts: Vec<_> = documents.iter().map(|document| document.text.clone()).collect();
        let vectors = unit_vectors(&self.embeddings, &texts).await?;
        let found = vectors.first().map_or(0, Vec::len);
        let mut entries = Vec::with_capacity(documents.len());
        for (document, vector) in documents.iter().zip(vectors) {
            let metadata = serde_json::to_string(&document.metadata).map_err(backend)?;
            let vector = vector::to_bytes(&vector);
            entries.push(Entry { document: document.clone(), metadata, vector });
        }
        let place = table::Place::of(collection)?;
        let add = move |connection: &mut Connection| table::add(connection, &place, &entries);
        check(&self.run(add).await?, found)
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
        let vectors = unit_vectors(&self.embeddings, &[text.to_owned()]).await?;
        let vector = vectors.into_iter().next().unwrap_or_default();
        let found = vector.len();
        let vector = vector::to_bytes(&vector);
        let place = table::Place::of(collection)?;
        let search = move |connection: &mut Connection| {
            Ok(match table::fit(connection, &place, vector.len())? {
                Fit::Fits => Ok(table::search(connection, &place, &vector, k)?),
                other @ Fit::Differs { .. } => Err(other),
            })
        };
        match self.run(search).await? {
            Ok(matches) => Ok(matches),
            Err(fit) => check(&fit, found).map(|()| Vec::new()),
        }
    }

    async fn clear(&self, collection: &Collection) -> Result<(), VectorStoreError> {
        let place = table::Place::of(collection)?;
        let clear = move |connection: &mut Connection| table::clear(connection, &place);
        self.run(clear).await
    }

    async fn list(
        &self,
        collection: &Collection,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Document>, VectorStoreError> {
        let place = table::Place::of(collection)?;
        let after = after.map(str::to_owned);
        self.run(move |connection| table::list(connection, &place, after.as_deref(), limit)).await
    }

    async fn remove(
        &self,
        collection: &Collection,
        ids: &[&str],
    ) -> Result<usize, VectorStoreError> {
        let place = table::Place::of(collection)?;
        let ids: Vec<_> = ids.iter().map(|&id| id.to_owned()).collect();
        self.run(move |connection| table::remove(connection, &place, &ids)).await
    }
}

impl<E> fmt::Debug for SqliteVectorStore<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteVectorStore").field("path", &self.path).finish_non_exhaustive()
    }
}

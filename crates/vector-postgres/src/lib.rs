//! A vector store in PostgreSQL: a [`VectorStore`](conversant_core::VectorStore) on pgvector, for
//! any number of processes on any number of machines.
//!
//! Use it with `conversant-memory`'s `VectorStoreMemory`, or search it directly. For one machine,
//! `conversant-vector-sqlite` needs no server.
//!
//! The database needs pgvector, which Debian has as `postgresql-NN-pgvector`. The store creates the
//! extension if the user may, and three tables in the first schema of the `search_path`.
//!
//! # Examples
//!
//! ```no_run
//! use conversant_core::{Collection, Document, Embeddings, SessionId, VectorStore};
//! use conversant_vector_postgres::{PostgresVectorStore, VectorIndex};
//!
//! # async fn run(embeddings: impl Embeddings) -> Result<(), Box<dyn std::error::Error>> {
//! let store = PostgresVectorStore::builder("postgres://localhost/chat")
//!     .index(VectorIndex::hnsw(1536))
//!     .connect(embeddings)
//!     .await?;
//! let collection = Collection::from(SessionId::new("user-7")?);
//! store.add(&collection, &[Document::new("1", "banana"), Document::new("2", "oboe")]).await?;
//! let found = store.search(&collection, "a canal", 1).await?;
//! # Ok(())
//! # }
//! ```

mod database;
mod index;
mod operations;
mod statements;
mod store;

pub use conversant_history::postgres::PostgresError;

pub use self::{
    index::VectorIndex,
    store::{PostgresVectorStore, PostgresVectorStoreBuilder},
};

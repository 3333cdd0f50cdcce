//! A vector store in a SQLite file: a [`VectorStore`](conversant_core::VectorStore) that outlives
//! the process.
//!
//! For programs on one machine. SQLite is compiled in; there is no server to install. It works with
//! any async runtime, because the store has its own thread. Use it with `conversant-memory`'s
//! `VectorStoreMemory`, or search it directly.
//!
//! A search compares all vectors of the collection, with a SQL function of this crate. The
//! extension `sqlite-vec` does the same, but linking it takes unsafe code, which this project does
//! not use.
//!
//! # Examples
//!
//! ```
//! use conversant_core::{
//!     Collection, Document, Embeddings, ModelError, SessionId, VectorStore, async_trait,
//! };
//! use conversant_vector_sqlite::SqliteVectorStore;
//!
//! /// Counts the vowels a, e and o.
//! struct Vowels;
//!
//! #[async_trait]
//! impl Embeddings for Vowels {
//!     async fn embed(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, ModelError> {
//!         let count = |text: &str, vowel: &str| text.matches(vowel).count() as f32;
//!         let vector = |text: &String| ["a", "e", "o"].map(|vowel| count(text, vowel)).to_vec();
//!         Ok(texts.iter().map(vector).collect())
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let file = folder.path().join("vectors.db");
//! let collection = Collection::from(SessionId::new("user-7")?);
//! let store = SqliteVectorStore::open(&file, Vowels)?;
//! store.add(&collection, &[Document::new("1", "banana"), Document::new("2", "oboe")]).await?;
//! store.close().await;
//!
//! let store = SqliteVectorStore::open(&file, Vowels)?;
//! let found = store.search(&collection, "a canal", 1).await?;
//! assert_eq!(found[0].document.text, "banana");
//! // Another session's collection is another one.
//! let other = Collection::from(SessionId::new("user-8")?);
//! assert!(store.search(&other, "a canal", 1).await?.is_empty());
//! # Ok(())
//! # }
//! ```

mod error;
mod store;
mod table;
mod vector;

pub use self::store::{SqliteVectorStore, SqliteVectorStoreBuilder};

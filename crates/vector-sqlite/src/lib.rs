//! A vector store that outlives the process: a [`VectorStore`](conversant_core::VectorStore) in a SQLite file.
//!
//! For programs on one machine. SQLite is built in; there is nothing to install and no server. Any runtime will do, or none: the
//! store has a thread of its own. Give it to `conversant-memory`'s `VectorStoreMemory`, or search with it yourself.
//!
//! A search compares with every document of the collection, by a function of ours inside SQLite. The extension `sqlite-vec` does
//! the same, and can only be linked in by unsafe code, which this project has none of.
//!
//! # Examples
//!
//! ```
//! use conversant_core::{async_trait, Document, Embeddings, ModelError, VectorStore};
//! use conversant_vector_sqlite::SqliteVectorStore;
//!
//! /// Counts the vowels a, e and o.
//! struct Vowels;
//!
//! #[async_trait]
//! impl Embeddings for Vowels {
//!     async fn embed(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, ModelError> {
//!         let count = |text: &str, vowel| text.matches(vowel).count() as f32;
//!         Ok(texts.iter().map(|text| vec![count(text, 'a'), count(text, 'e'), count(text, 'o')]).collect())
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let file = folder.path().join("vectors.db");
//! let store = SqliteVectorStore::open(&file, "user-7", Vowels)?;
//! store.add(&[Document::new("1", "banana"), Document::new("2", "oboe")]).await?;
//! drop(store);
//!
//! let store = SqliteVectorStore::open(&file, "user-7", Vowels)?;
//! assert_eq!(store.search("a canal", 1).await?[0].document.text, "banana");
//! # Ok(())
//! # }
//! ```

mod store;
mod table;
mod vector;
mod worker;

pub use self::store::SqliteVectorStore;

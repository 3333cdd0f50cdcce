//! Stores that keep their data in memory.

mod history;
mod listing;
mod session;
mod sessions;
mod turn_id_hash;
mod turn_tree;
#[cfg(feature = "vectors")]
mod vector_store;

pub use self::history::InMemoryHistory;
#[cfg(feature = "vectors")]
pub use self::vector_store::InMemoryVectorStore;

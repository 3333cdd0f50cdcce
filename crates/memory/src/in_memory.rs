//! Stores that keep their data in memory.

mod history;
mod listing;
mod session;
mod sessions;
mod turn_id_hash;
mod turn_tree;
mod vector_store;

pub use self::{history::InMemoryHistory, vector_store::InMemoryVectorStore};

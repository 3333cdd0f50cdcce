//! Stores that keep their data in memory.

mod history;
mod session;
mod vector_store;

pub use self::{history::InMemoryHistory, vector_store::InMemoryVectorStore};

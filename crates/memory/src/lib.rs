//! Memories: what of a conversation a prompt sees.
//!
//! Depend on this crate to give a chain a memory; to **write** one, `conversant-core` is enough. A memory is a view: what was
//! said stays in its [`ChatHistory`](conversant_core::ChatHistory), whatever of it the view shows. Nothing here does I/O,
//! spawns or sleeps.
//!
//! # Examples
//!
//! ```
//! use conversant_core::{vars, LoadContext, Memory, Ticket, Turn};
//! use conversant_memory::BufferMemory;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), conversant_core::MemoryError> {
//! let memory = BufferMemory::new().with_memory_key("chat_history");
//! memory.save(&Turn::exchange("Hi there my friend", "Hello!"), Ticket::default()).await?;
//!
//! let loaded = memory.load(LoadContext::new(&vars! {})).await?;
//! assert_eq!(loaded.variables, vars! { "chat_history" => "Human: Hi there my friend\nAI: Hello!" });
//! # Ok(())
//! # }
//! ```

mod buffer;
mod conversation;
mod in_memory_history;
mod read;
mod string_buffer;
mod trim;
mod window;
mod written;

pub use self::{
    buffer::BufferMemory, in_memory_history::InMemoryHistory, string_buffer::StringBufferMemory,
    trim::Trim, window::WindowMemory,
};

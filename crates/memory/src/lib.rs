//! Memories: what of a conversation a prompt sees.
//!
//! Depend on this crate to give a chain a memory; to **write** one, `conversant-core` is enough. A memory is a view: what was
//! said stays in its [`ChatHistory`](conversant_core::ChatHistory), whatever of it the view shows. Nothing here does I/O,
//! spawns or sleeps.
//!
//! | | shows | in LangChain |
//! |---|---|---|
//! | [`BufferMemory`] | the whole conversation | `ConversationBufferMemory` |
//! | [`StringBufferMemory`] | the same as text, a line break before it | `ConversationStringBufferMemory` |
//! | [`WindowMemory`] | the last `k` turns | `ConversationBufferWindowMemory` |
//! | [`TokenBufferMemory`] | what fits into a limit of tokens | `ConversationTokenBufferMemory` |
//! | [`SummaryMemory`] | a summary | `ConversationSummaryMemory` |
//! | [`SummaryBufferMemory`] | a summary, and the last turns | `ConversationSummaryBufferMemory` |
//! | [`EntityMemory`] | the last turns, and what is known of the names in the user's words | `ConversationEntityMemory` |
//! | [`KnowledgeGraphMemory`] | facts about those names | `ConversationKGMemory` |
//! | [`VectorStoreMemory`] | the turns nearest in meaning to the user's words | `VectorStoreRetrieverMemory` |
//! | [`CombinedMemory`] | what several memories show | `CombinedMemory` |
//! | [`ReadOnlyMemory`] | another chain's memory, and leaves it as it is | `ReadOnlySharedMemory` |
//! | [`SimpleMemory`] | fixed facts | `SimpleMemory` |
//!
//! All but the last three have a conversation of their own, in memory, unless they are given another with `with_history`. Keys, prefixes and
//! defaults are LangChain's. Limits cut by whole turns; [`Trim::LangChain`] cuts as LangChain does. Memories that ask a model work
//! in [`maintain`](conversant_core::Memory::maintain), which a chain calls after each answer; whoever keeps a memory by hand calls it too.
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

mod asked;
mod budget;
mod buffer;
mod combined;
mod conflict;
mod conversation;
mod cut;
mod derived;
mod entities;
mod entity;
mod in_memory_history;
mod in_memory_vector_store;
mod knowledge_graph;
mod leased;
mod literal;
mod opening;
mod read;
mod read_only;
mod simple;
mod string_buffer;
mod summariser;
mod summary;
mod summary_buffer;
mod tail;
mod token_buffer;
mod trim;
mod turns;
mod vector_store_memory;
mod window;
mod written;

pub use self::{
    buffer::BufferMemory,
    combined::{CombinedMemory, CombinedMemoryError},
    conflict::Conflict,
    cut::Oversized,
    entity::EntityMemory,
    in_memory_history::InMemoryHistory,
    in_memory_vector_store::InMemoryVectorStore,
    knowledge_graph::KnowledgeGraphMemory,
    leased::LeasedMemory,
    read_only::ReadOnlyMemory,
    simple::SimpleMemory,
    string_buffer::StringBufferMemory,
    summary::SummaryMemory,
    summary_buffer::SummaryBufferMemory,
    token_buffer::TokenBufferMemory,
    trim::Trim,
    vector_store_memory::VectorStoreMemory,
    window::WindowMemory,
};

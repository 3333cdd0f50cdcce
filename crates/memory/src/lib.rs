//! Memories: the part of a conversation that a prompt contains.
//!
//! Depend on this crate to give a chain a memory; to **write** a memory, `conversant-core` is
//! enough. A memory is a view: the conversation stays in its
//! [`ChatHistory`](conversant_core::ChatHistory), whichever part of it the view shows. Nothing here
//! does I/O or spawns. Only changes of [`Facts`] wait, for each other.
//!
//! | memory | feature | shows | LangChain 0.1.20 |
//! |---|---|---|---|
//! | [`BufferMemory`] | | the whole conversation | `ConversationBufferMemory` |
//! | [`StringBufferMemory`] | | the same as text after a line break | `ConversationStringBufferMemory` |
//! | [`WindowMemory`] | | the last `k` turns | `ConversationBufferWindowMemory` |
//! | [`TokenBufferMemory`] | | the turns within a token limit | `ConversationTokenBufferMemory` |
//! | [`SummaryMemory`] | `summaries` | a summary | `ConversationSummaryMemory` |
//! | [`SummaryBufferMemory`] | `summaries` | a summary and the last turns | `ConversationSummaryBufferMemory` |
//! | [`EntityMemory`] | `entities` | the last turns and descriptions of entities | `ConversationEntityMemory` |
//! | [`KnowledgeGraphMemory`] | `entities` | facts about entities | `ConversationKGMemory` |
//! | [`VectorStoreMemory`] | `vectors` | the turns nearest in meaning | `VectorStoreRetrieverMemory` |
//! | [`CombinedMemory`] | `combined` | the variables of several memories | `CombinedMemory` |
//! | [`ReadOnlyMemory`] | | another memory, without changing it | `ReadOnlySharedMemory` |
//! | [`LeasedMemory`] | | another memory, by one process at a time | |
//! | [`SimpleMemory`] | | fixed variables | `SimpleMemory` |
//!
//! All features are on by default.
//!
//! All but the last four have their own in-memory conversation unless `with_history` sets another.
//! Keys, prefixes and defaults are LangChain's. Limits remove whole turns; [`Trim::LangChain`]
//! removes messages as LangChain does. Memories that call a model do so in
//! [`maintain`](conversant_core::Memory::maintain), which a chain calls after each answer. Without
//! a chain, call it yourself.
//!
//! # What is known of a user
//!
//! What [`EntityMemory`] and [`VectorStoreMemory`] derive from a conversation belongs to its
//! session. `with_scope` shares it between the sessions of a user or a group, by the type of the
//! id ([`Scope`](conversant_core::Scope)). [`Facts`] lists, corrects and forgets what an entity
//! memory knows; [`VectorStore`](conversant_core::VectorStore) does it for turns.
//!
//! # What a call costs
//!
//! | memory | loads from the history | calls of the memory's model |
//! |---|---|---|
//! | [`BufferMemory`], [`StringBufferMemory`] | new messages | 0 |
//! | [`WindowMemory`] | the window | 0 |
//! | [`TokenBufferMemory`] | new messages | 0 |
//! | [`SummaryMemory`] | new messages | 1 |
//! | [`SummaryBufferMemory`] | new messages | 1 in about 20 turns |
//! | [`EntityMemory`] | the last `k` turns | 1, and 1 for each entity, at most 20 |
//! | [`KnowledgeGraphMemory`] | the last `k` turns | 2 |
//! | [`VectorStoreMemory`] | the version, and those of other sessions that it finds | 1 of the embedding model for the search, 1 for the turn |
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

#![cfg_attr(docsrs, feature(doc_cfg))]

mod buffer;
#[cfg(feature = "combined")]
mod combined;
mod conversation;
#[cfg(feature = "entities")]
mod entity;
#[cfg(feature = "entities")]
mod facts;
mod in_memory;
#[cfg(feature = "entities")]
mod knowledge_graph;
mod leased;
#[cfg(any(feature = "entities", feature = "summaries", feature = "vectors"))]
mod llm;
mod read_only;
mod simple;
mod string_buffer;
#[cfg(feature = "summaries")]
mod summary;
#[cfg(feature = "summaries")]
mod summary_buffer;
mod sync;
#[cfg(feature = "summaries")]
mod title;
mod token_buffer;
mod trim;
#[cfg(feature = "vectors")]
mod vector_store;
mod window;

#[cfg(feature = "combined")]
pub use self::combined::{CombinedMemory, CombinedMemoryError};
pub use self::{
    buffer::BufferMemory,
    conversation::Conflict,
    in_memory::InMemoryHistory,
    leased::LeasedMemory,
    read_only::ReadOnlyMemory,
    simple::SimpleMemory,
    string_buffer::StringBufferMemory,
    token_buffer::TokenBufferMemory,
    trim::{Oversized, Trim},
    window::WindowMemory,
};
#[cfg(feature = "entities")]
pub use self::{
    entity::EntityMemory,
    facts::{Fact, Facts},
    knowledge_graph::KnowledgeGraphMemory,
};
#[cfg(feature = "vectors")]
pub use self::{in_memory::InMemoryVectorStore, vector_store::VectorStoreMemory};
#[cfg(feature = "summaries")]
pub use self::{summary::SummaryMemory, summary_buffer::SummaryBufferMemory, title::title};

//! Conformance suites: the contracts of custom histories, memories, vector stores and models.
//!
//! A suite is an async function that takes a constructor of the implementation and runs every
//! check. It returns a [`SuiteReport`], or a [`SuiteError`] that names each failed check and what
//! it found. It needs no test framework. Run it in the runtime of the implementation, or with
//! [`block_on`](crate::block_on).
//!
//! | to test a … | run | which needs |
//! |---|---|---|
//! | [`ChatHistory`](conversant_core::ChatHistory) | [`history()`] | a store; sessions are its own |
//! | store whose versions name their last turn | [`versioned_history`] | as [`history()`] |
//! | store whose turns are a tree | [`branched_history`] | all operations of branches |
//! | store that lists its sessions | [`listed_history`] | all operations of lists |
//! | store behind a network | [`networked_history`] | a server, and a way to open it by address |
//! | store of LangChain's rows | [`langchain_history`] | a way to add rows as Python; `turns` |
//! | store on a server that can be killed | [`killed_history`] | a [`Server`](crate::servers::Server) |
//! | store that several handles write | [`shared_history`] | several handles to one store |
//! | store that outlives its handle | [`reopened_history`] | a way to open the same store |
//! | [`Memory`](conversant_core::Memory) | [`memory()`] | a fresh conversation each time |
//! | memory that calls a model | [`memory_with_model`] | the same, around the suite's model |
//! | [`VectorStore`](conversant_core::VectorStore) | [`vector_store()`] | a store with given embeddings |
//! | [`ChatModel`](conversant_core::ChatModel) | [`chat_model`] | a model that answers anything |
//! | [`CompletionModel`](conversant_core::CompletionModel) | [`completion_model`] | the same |
//! | model over a server that may be slow | [`slow_chat_model`] | a model whose answers never end |
//!
//! A check that does not apply (notes, in a history without notes) is skipped, and the report lists
//! it. Most checks of [`shared_history`], [`networked_history`] and [`killed_history`] compare
//! whole turns, and are skipped if the store does not have
//! [`turns`](conversant_core::ChatHistory::turns). A panic of the implementation is not caught: it
//! fails the test where it happens. An implementation that never returns hangs its suite.

mod check;
mod history;
mod langchain;
mod malformed;
mod memory;
mod model;
mod networked;
mod report;
mod slow_model;
mod vector_store;

pub use self::{
    history::{
        branched_history, history, listed_history, reopened_history, shared_history,
        versioned_history,
    },
    langchain::{LangChainRows, langchain_history},
    malformed::{MALFORMED_MESSAGES, MALFORMED_SECRET},
    memory::{memory, memory_with_model},
    model::{chat_model, completion_model},
    networked::{killed_history, networked_history, with_patience},
    report::{SuiteError, SuiteReport},
    slow_model::{slow_chat_model, slow_completion_model},
    vector_store::{EmbeddingFault, TopicEmbeddings, vector_store},
};

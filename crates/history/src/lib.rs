//! A kit for authors of [`ChatHistory`](conversant_core::ChatHistory) stores.
//!
//! A store needs `conversant-core` alone. This crate has the parts that the stores of this
//! workspace share; use those that fit.
//!
//! | part | for | feature |
//! |---|---|---|
//! | [`lease_holder`], [`lease_holder_at`], [`begins_later`] | unguessable holders of leases | |
//! | [`FileIdentity`] | noticing that an open file was replaced | |
//! | [`HistoryAt`] | the view of a session at a point, for stores of branches | |
//! | [`invalid_json`], [`json_fault`] | errors that quote nothing of what is stored | |
//! | [`langchain`] | rows of LangChain's message histories, and the turns that they form | `langchain` |
//! | [`postgres`] | connections to PostgreSQL, whose statements are cancelled when they are given up | `postgres` |
//! | [`SqliteFiles`] | noticing that an open SQLite file was replaced or overwritten | `sqlite` |
//! | [`SqliteErrorClass`] | what an error of SQLite means for a store | `sqlite` |
//! | [`Worker`], [`Threads`] | threads that own a resource whose calls block, such as a file | `worker` |
//! | [`SessionExecutor`] | operations on a networked store: in order, each within a time limit | `tokio` |
//! | [`ServerClock`] | requests that a server refuses once they are late | `tokio` |
//! | [`SessionLocks`] | one writer per session | `tokio` |
//!
//! Messages are encoded with [`Message::to_stored_json`](conversant_core::Message::to_stored_json)
//! and decoded with [`Message::from_stored_json`](conversant_core::Message::from_stored_json).

#![cfg_attr(docsrs, feature(doc_cfg))]

mod branch_view;
#[cfg(feature = "tokio")]
mod executor;
mod file_identity;
mod invalid_json;
#[cfg(feature = "langchain")]
pub mod langchain;
mod lease;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(feature = "tokio")]
mod server_clock;
#[cfg(feature = "tokio")]
mod session_locks;
#[cfg(feature = "sqlite")]
mod sqlite_error;
#[cfg(feature = "sqlite")]
mod sqlite_files;
#[cfg(feature = "worker")]
mod worker;

#[cfg(feature = "worker")]
pub use self::worker::{Jobs, Threads, Worker, WorkerError};
pub use self::{
    branch_view::{BranchedHistory, HistoryAt},
    file_identity::FileIdentity,
    invalid_json::{invalid_json, json_fault},
    lease::{begins_later, lease_holder, lease_holder_at},
};
#[cfg(feature = "tokio")]
pub use self::{
    executor::{Call, MAX_TIMEOUT, SessionExecutor},
    server_clock::ServerClock,
    session_locks::{ReadGuard, SessionLocks, WriteGuard},
};
#[cfg(feature = "sqlite")]
pub use self::{
    sqlite_error::SqliteErrorClass,
    sqlite_files::{SqliteFileFault, SqliteFiles},
};

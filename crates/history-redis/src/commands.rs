//! The operations, one per file. Each changes a session by one script, whole or not at all.

mod append;
mod branch;
mod completion;
#[cfg(feature = "cluster")]
mod copy_fork;
mod empty;
mod lease;
mod list;
#[cfg(feature = "cluster")]
mod list_cluster;
mod listing;
mod load;
mod note;
mod scan;
mod schema;
mod scripts;
mod stored_turn;

pub(crate) use self::{
    append::Append,
    branch::{Alternatives, Fork, SetTip},
    completion::Completions,
    empty::{Clear, Delete, Deletion},
    lease::{Release, Take},
    list::List,
    listing::{Info, ListSessions, Selection, SetLabel, SetTitle},
    load::{First, Load, Loaded},
    note::{LoadNote, PutNote, ReplaceNote, encode as encode_note},
    scan::Scan,
    schema::CheckSchema,
    scripts::{script, tip, version},
    stored_turn::Decoded,
};
#[cfg(feature = "cluster")]
pub(crate) use self::{
    copy_fork::CopyFork,
    list_cluster::{Adopt, ListCluster, ListSessionsOfCluster},
};

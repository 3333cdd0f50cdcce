//! The operations, one per file. Each changes a session by one script, whole or not at all.

mod append;
mod empty;
mod lease;
mod list;
#[cfg(feature = "cluster")]
mod list_cluster;
mod load;
mod note;
mod scan;
mod schema;
mod scripts;

#[cfg(feature = "cluster")]
pub(crate) use self::list_cluster::{Adopt, ListCluster};
pub(crate) use self::{
    append::Append,
    empty::{Clear, Delete},
    lease::{Release, Take},
    list::List,
    load::{First, Load, Loaded, Stored},
    note::{LoadNote, PutNote},
    scan::Scan,
    schema::CheckSchema,
    scripts::{script, tip, version},
};

//! The operations, one per file. Each changes a session by one script, whole or not at all.

mod append;
mod empty;
mod lease;
mod list;
mod load;
mod note;
mod scan;
mod schema;
mod scripts;

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

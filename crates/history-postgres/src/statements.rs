//! The operations, one per file, with their SQL. Each is one statement.

mod append;
mod branch;
mod columns;
mod empty;
mod lease;
mod list;
mod load;
mod load_last;
mod note;
mod plain;
mod query;
mod search;

pub(crate) use self::{
    append::{Append, HOLD},
    branch::{Alternatives, Fork, SetTip, Settle},
    columns::{column, count, signed, version},
    empty::{Clear, Delete, Sweep},
    lease::{Release, Take},
    list::{DeleteSessions, Info, List, ListPage, SetLabel, SetTitle},
    load::{First, Load, Loaded, Stored},
    load_last::{LoadLast, MAX_LAST_TURNS},
    note::{LoadNote, PutNote, ReplaceNote, encode as encode_note},
    plain::IsAt,
    query::Preparation,
    search::{IndexTitles, Place, Unindexed},
};

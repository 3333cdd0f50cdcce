//! What is asked of the database, one operation a file, its SQL beside what it means. Each is one statement: whole, or nothing.

mod append;
mod empty;
mod lease;
mod list;
mod load;
mod note;

use conversant_core::{HistoryError, Version};
use tokio_postgres::{Row, types::FromSqlOwned};

pub(crate) use self::{
    append::Append,
    empty::{Clear, Delete, Sweep},
    lease::{Release, Take},
    list::List,
    load::{First, Load, Loaded, Stored},
    note::{LoadNote, PutNote},
};
use crate::error::Failure;

/// Reads a column.
pub(crate) fn column<T: FromSqlOwned>(row: &Row, index: usize) -> Result<T, Failure> {
    Ok(row.try_get(index)?)
}

/// Reads a number that is stored as a signed one.
pub(crate) fn count(row: &Row, index: usize) -> Result<u64, Failure> {
    let stored: i64 = column(row, index)?;
    u64::try_from(stored).map_err(|_| {
        let what = format!("a count is {stored}");
        HistoryError::Corrupt { what, source: None }.into()
    })
}

/// Reads an epoch and a number of messages, from neighbouring columns.
pub(crate) fn version(row: &Row, index: usize) -> Result<Version, Failure> {
    Ok(Version::new(count(row, index)?, count(row, index + 1)?))
}

/// Turns a number into one that can be stored. No session gets so long.
pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

//! What is asked of the server, one operation a file. Each changes a session by one script: whole, or nothing.

mod append;
mod empty;
mod lease;
mod list;
mod load;
mod note;
mod schema;

use std::sync::LazyLock;

use conversant_core::{HistoryError, Version};
use redis::Script;

pub(crate) use self::{
    append::Append,
    empty::{Clear, Delete},
    lease::{Release, Take},
    list::List,
    load::{First, Load, Loaded, Stored},
    note::{LoadNote, PutNote},
    schema::CheckSchema,
};

/// Makes a script of files, each with what the ones before it have found out.
macro_rules! script {
    ($($part:literal),+) => { script!("", $($part),+; ) };
    ($first_line:literal, $($part:literal),+; ) => {
        LazyLock::new(|| Script::new(concat!(
            $first_line,
            $(include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/scripts/", $part, ".lua"))),+
        )))
    };
}

pub(crate) use script;

static APPEND: LazyLock<Script> = script!("session", "check", "append");
static FIRST: LazyLock<Script> = script!("session", "check", "first");
static LOAD: LazyLock<Script> = script!("session", "check", "load");
static CLEAR: LazyLock<Script> = script!("session", "clear");
static DELETE: LazyLock<Script> = script!("session", "delete");
static EPOCH: LazyLock<Script> = script!("session", "epoch");
/// The two for a server that is full: from version 7 on, it lets a script that frees room write a little.
static CLEAR_FULL: LazyLock<Script> = script!("#!lua flags=allow-oom\n", "session", "clear"; );
static DELETE_FULL: LazyLock<Script> = script!("#!lua flags=allow-oom\n", "session", "delete"; );
static NOTE: LazyLock<Script> = script!("session", "check", "note");
static PUT_NOTE: LazyLock<Script> = script!("session", "check", "put_note");
static TAKE: LazyLock<Script> = script!("take");
static RELEASE: LazyLock<Script> = script!("release");
static SESSIONS: LazyLock<Script> = script!("sessions");

/// Reads a count that a script answers.
fn count(answered: i64) -> Result<u64, HistoryError> {
    u64::try_from(answered).map_err(|_| corrupt(format!("a count is {answered}")))
}

pub(crate) fn version(epoch: i64, messages: i64) -> Result<Version, HistoryError> {
    Ok(Version::new(count(epoch)?, count(messages)?))
}

fn corrupt(what: String) -> HistoryError {
    HistoryError::Corrupt { what, source: None }
}

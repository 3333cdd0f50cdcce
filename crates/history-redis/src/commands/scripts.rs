//! The scripts of the operations, and the values that they exchange.

use std::sync::LazyLock;

use conversant_core::{HistoryError, Version};
use redis::Script;

/// Joins files to a script. Each uses the variables of those before it.
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

pub(super) static APPEND: LazyLock<Script> =
    script!("clock", "session", "tip", "turns", "check", "append");
pub(super) static FIRST: LazyLock<Script> =
    script!("clock", "session", "tip", "turns", "check", "first");
pub(super) static LOAD: LazyLock<Script> =
    script!("clock", "session", "tip", "turns", "check", "load");
pub(super) static CLEAR: LazyLock<Script> = script!("clock", "session", "clear");
pub(super) static DELETE: LazyLock<Script> = script!("clock", "session", "delete");
pub(super) static EPOCH: LazyLock<Script> = script!("clock", "session", "epoch");
/// The twins for a full server. From version 7 on, a script with this flag may write a little, to
/// free space.
pub(super) static CLEAR_FULL: LazyLock<Script> = script!("#!lua flags=allow-oom
", "clock", "session", "clear"; );
pub(super) static DELETE_FULL: LazyLock<Script> = script!("#!lua flags=allow-oom
", "clock", "session", "delete"; );
pub(super) static NOTE: LazyLock<Script> =
    script!("clock", "session", "tip", "turns", "check", "note");
pub(super) static PUT_NOTE: LazyLock<Script> =
    script!("clock", "session", "tip", "turns", "check", "put_note");
pub(super) static TAKE: LazyLock<Script> = script!("clock", "lease", "take");
pub(super) static RELEASE: LazyLock<Script> = script!("clock", "lease", "release");
pub(super) static SESSIONS: LazyLock<Script> = script!("clock", "sessions");
pub(super) static INDEX_BEGIN: LazyLock<Script> = script!("index_begin");
pub(super) static INDEX_ADD: LazyLock<Script> = script!("index_add");
pub(super) static INDEX_END: LazyLock<Script> = script!("index_end");

/// Checks a count that a script returned.
pub(super) fn count(answered: i64) -> Result<u64, HistoryError> {
    u64::try_from(answered).map_err(|_| corrupt(format!("found a count of {answered}")))
}

/// Returns a version, its tip as the scripts write it: in hexadecimal, or empty if it is not known.
pub(crate) fn version(epoch: i64, messages: i64, tip: &str) -> Result<Version, HistoryError> {
    let tip = u64::from_str_radix(tip, 16).unwrap_or(0);
    Ok(Version::new(count(epoch)?, count(messages)?).with_tip(tip))
}

/// Formats the tip of a version for the scripts.
pub(crate) fn tip(version: Version) -> String {
    if version.tip == 0 { String::new() } else { format!("{:016x}", version.tip) }
}

pub(super) fn corrupt(what: String) -> HistoryError {
    HistoryError::Corrupt { what, source: None }
}

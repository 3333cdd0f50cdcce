//! The scripts of the operations, and the values that they exchange.

use std::sync::LazyLock;

use conversant_core::{Expect, HistoryError, Point, Version};
use redis::{Cmd, ErrorKind, FromRedisValue, RedisResult, Script, ServerErrorKind, ToRedisArgs};

use crate::link::Link;

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

/// A script on a session whose state is checked.
macro_rules! session_script {
    ($($part:literal),+) => {
        script!("clock", "session", "tip", "branch", "check", $($part),+)
    };
}

pub(super) static APPEND: LazyLock<Script> = script!(
    "append_plain",
    "clock",
    "session",
    "tip",
    "branch",
    "check",
    "left",
    "tree",
    "listing",
    "append"
);
pub(super) static FIRST: LazyLock<Script> = session_script!("first");
pub(super) static LOAD: LazyLock<Script> = session_script!("load");
pub(super) static SET_TIP: LazyLock<Script> = session_script!("tree", "set_tip");
pub(super) static ALTERNATIVES: LazyLock<Script> = session_script!("alternatives");
pub(super) static FORK: LazyLock<Script> = session_script!("tree", "listing", "labels", "fork");
#[cfg(feature = "cluster")]
pub(super) static STAGE: LazyLock<Script> = script!("stage");
#[cfg(feature = "cluster")]
pub(super) static TAKE_COPY: LazyLock<Script> =
    session_script!("tree", "listing", "labels", "take_copy");
pub(super) static NOTE: LazyLock<Script> = session_script!("turn_with", "note");
pub(super) static PUT_NOTE: LazyLock<Script> =
    session_script!("turn_with", "tree", "listing", "put_note");
pub(super) static CLEAR: LazyLock<Script> =
    script!("clock", "session", "tip", "branch", "tree", "listing", "clear");
pub(super) static DELETE: LazyLock<Script> =
    script!("clock", "session", "tip", "branch", "tree", "listing", "label", "delete");
pub(super) static SET_TITLE: LazyLock<Script> = session_script!("tree", "listing", "set_title");
pub(super) static SET_LABEL: LazyLock<Script> = session_script!("tree", "listing", "set_label");
pub(super) static INFO: LazyLock<Script> = session_script!("tree", "listing", "info");
pub(super) static RELIST: LazyLock<Script> = session_script!("tree", "listing", "relist");
pub(super) static PAGE: LazyLock<Script> = script!("clock", "label", "page");
pub(super) static EPOCH: LazyLock<Script> = script!("clock", "session", "epoch");
/// The twins for a full server. From version 7 on, a script with this flag may write a little, to
/// free space.
pub(super) static CLEAR_FULL: LazyLock<Script> = script!("#!lua flags=allow-oom
", "clock", "session", "tip", "branch", "tree", "listing", "clear"; );
pub(super) static DELETE_FULL: LazyLock<Script> = script!("#!lua flags=allow-oom
", "clock", "session", "tip", "branch", "tree", "listing", "label", "delete"; );
pub(super) static TAKE: LazyLock<Script> = script!("clock", "lease", "take");
pub(super) static RELEASE: LazyLock<Script> = script!("clock", "lease", "release");
pub(super) static SESSIONS: LazyLock<Script> = script!("clock", "sessions");
pub(super) static INDEX_BEGIN: LazyLock<Script> = script!("index_begin");
pub(super) static INDEX_ADD: LazyLock<Script> = script!("index_add");
pub(super) static INDEX_END: LazyLock<Script> = script!("index_end");

/// An invocation of a script that writes its arguments as they are sent. That of the client has a
/// copy of each.
pub(super) struct Invocation<'s> {
    script: &'s Script,
    command: Cmd,
}

impl<'s> Invocation<'s> {
    pub(super) fn new(script: &'s Script, keys: &[&String]) -> Self {
        let mut command = redis::cmd("EVALSHA");
        command.arg(script.get_hash()).arg(keys.len()).arg(keys);
        Self { script, command }
    }

    pub(super) fn arg(&mut self, argument: impl ToRedisArgs) -> &mut Self {
        self.command.arg(argument);
        self
    }

    /// Runs the script, which the server gets first if it does not have it.
    pub(super) async fn run<T: FromRedisValue>(&self, link: &mut Link) -> RedisResult<T> {
        match self.command.query_async(link).await {
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                self.script.prepare_invoke().load_async(link).await?;
                self.command.query_async(link).await
            }
            answer => answer,
        }
    }
}

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

/// Formats a lifetime for the scripts.
pub(super) fn lifetime(milliseconds: Option<u64>) -> String {
    milliseconds.map_or_else(String::new, |lifetime| lifetime.to_string())
}

/// Formats a point for the scripts. `None` is the tip.
pub(super) fn point(point: Option<Point>) -> Result<String, HistoryError> {
    match point {
        None => Ok(String::new()),
        Some(Point::Start) => Ok("start".to_owned()),
        Some(Point::After(turn)) => Ok(turn.to_string()),
        Some(_) => Err(HistoryError::Unsupported { what: "this point" }),
    }
}

/// An expectation as the scripts take it.
pub(super) struct Expected {
    /// 0 any, 1 the same epoch, 2 exactly.
    pub(super) kind: u8,
    pub(super) version: Version,
}

impl Expected {
    pub(super) fn new(expect: Expect) -> Result<Self, HistoryError> {
        let (kind, version) = match expect {
            Expect::Any => (0, Version::default()),
            Expect::SameEpoch(seen) => (1, seen),
            Expect::Exactly(seen) => (2, seen),
            _ => return Err(HistoryError::Unsupported { what: "this expectation" }),
        };
        Ok(Self { kind, version })
    }
}

pub(super) fn corrupt(what: String) -> HistoryError {
    HistoryError::Corrupt { what, source: None }
}

//! What is asked of LangChain's list: one script each, whole or nothing.

use std::{collections::BTreeSet, sync::LazyLock};

use conversant_core::{Expect, HistoryError, SessionId, TurnId, Version};
use redis::{Script, aio::ConnectionManager};

use super::rows::TURN_ID;
use crate::{
    commands::{script, version},
    engine::Operation,
    error::Failure,
};

static APPEND: LazyLock<Script> = script!("langchain", "langchain_append");
static LOAD: LazyLock<Script> = script!("langchain", "langchain_load");
static CLEAR: LazyLock<Script> = script!("langchain", "langchain_clear");

/// Rows that are to be loaded.
pub(super) struct Fetch {
    pub(super) key: String,
    pub(super) part: Part,
}

/// How many rows are wanted.
#[derive(Clone, Copy)]
pub(super) enum Part {
    /// The last so many.
    Last(u64),
    /// Those after a version, or all if the epoch is another.
    After(Version),
    /// The first so many.
    First(u64),
}

/// Rows of a session, in order.
pub(super) struct Fetched {
    pub(super) version: Version,
    pub(super) rows: Vec<Vec<u8>>,
}

impl Operation for Fetch {
    type Output = Fetched;

    async fn run(&self, connection: &mut ConnectionManager) -> Result<Fetched, Failure> {
        let mut script = LOAD.prepare_invoke();
        script.key(&self.key);
        match self.part {
            Part::Last(rows) => script.arg(rows),
            Part::After(seen) => script.arg(seen.epoch).arg(seen.messages),
            Part::First(rows) => script.arg("first").arg(rows),
        };
        let (epoch, messages, mut rows): (i64, i64, Vec<Vec<u8>>) =
            script.invoke_async(connection).await?;
        rows.reverse();
        Ok(Fetched { version: version(epoch, messages)?, rows })
    }
}

/// A turn's rows that are to be written.
pub(super) struct Write {
    pub(super) key: String,
    pub(super) turn: TurnId,
    pub(super) expect: Expect,
    pub(super) rows: Vec<String>,
    pub(super) lifetime_ms: Option<u64>,
}

impl Operation for Write {
    type Output = Version;

    async fn run(&self, connection: &mut ConnectionManager) -> Result<Version, Failure> {
        let (kind, seen) = match self.expect {
            Expect::Any => (0_u8, Version::default()),
            Expect::SameEpoch(seen) => (1, seen),
            Expect::Exactly(seen) => (2, seen),
            _ => return Err(HistoryError::Unsupported { what: "this expectation" }.into()),
        };
        let mut script = APPEND.prepare_invoke();
        script
            .key(&self.key)
            // Within a text, the quotes would be escaped.
            .arg(format!("\"{TURN_ID}\":\"{}\"", self.turn))
            .arg(kind)
            .arg(seen.epoch)
            .arg(seen.messages)
            .arg(self.lifetime_ms.map_or_else(String::new, |lifetime| lifetime.to_string()))
            .arg(&self.rows);
        let (is_stale, epoch, messages): (bool, i64, i64) = script.invoke_async(connection).await?;
        let current = version(epoch, messages)?;
        if is_stale {
            return Err(HistoryError::Stale { expected: seen, current }.into());
        }
        Ok(current)
    }
}

/// Removes a session.
pub(super) struct Clear {
    pub(super) key: String,
    /// The epoch that it was seen in, so that a script that comes late does nothing to a session that was begun anew.
    pub(super) epoch: u64,
}

impl Operation for Clear {
    type Output = ();

    async fn run(&self, connection: &mut ConnectionManager) -> Result<(), Failure> {
        let mut script = CLEAR.prepare_invoke();
        script.key(&self.key).arg(self.epoch);
        script.invoke_async::<i64>(connection).await?;
        Ok(())
    }
}

/// Lists sessions: all of them, in the order of their bytes.
pub(super) struct List {
    pub(super) prefix: String,
}

/// How many keys one step of a scan looks at.
const STEP: usize = 1000;

impl Operation for List {
    type Output = BTreeSet<SessionId>;

    async fn run(&self, connection: &mut ConnectionManager) -> Result<Self::Output, Failure> {
        let mut pattern = String::with_capacity(self.prefix.len() + 1);
        for char in self.prefix.chars() {
            if matches!(char, '*' | '?' | '[' | ']' | '\\' | '^' | '-') {
                pattern.push('\\');
            }
            pattern.push(char);
        }
        pattern.push('*');
        let mut sessions = BTreeSet::new();
        let mut cursor = "0".to_owned();
        loop {
            let mut scan = redis::cmd("SCAN");
            scan.arg(&cursor)
                .arg("MATCH")
                .arg(&pattern)
                .arg("COUNT")
                .arg(STEP)
                .arg("TYPE")
                .arg("list");
            let (next, keys): (String, Vec<Vec<u8>>) = scan.query_async(connection).await?;
            // Names that are no session's of ours, such as an empty one, can't be asked for.
            let names = keys.into_iter().filter_map(|key| String::from_utf8(key).ok());
            sessions.extend(
                names.filter_map(|key| SessionId::new(key.strip_prefix(&self.prefix)?).ok()),
            );
            if next == "0" {
                return Ok(sessions);
            }
            cursor = next;
        }
    }
}

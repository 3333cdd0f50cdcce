//! The operations on LangChain's list: one script each, whole or not at all.

use std::{collections::BTreeSet, sync::LazyLock};

use conversant_core::{Expect, HistoryError, SessionId, Turn, Version};
use conversant_history::langchain::{Part, Row, TURN_ID, numbered_turn_id, turns};
use redis::Script;

use crate::{
    commands::{Scan, script, tip, version},
    error::Failure,
    keys::escape_pattern,
    link::Link,
    pool::{Limit, Operation},
};

static APPEND: LazyLock<Script> = script!("clock", "tip", "langchain", "langchain_append");
static LOAD: LazyLock<Script> = script!("tip", "langchain", "langchain_load");
static CLEAR: LazyLock<Script> = script!("clock", "tip", "langchain", "langchain_clear");

/// Rows to load.
pub(super) struct Fetch {
    pub(super) key: String,
    pub(super) part: Part,
}

/// Rows of a session, in order.
pub(super) struct Fetched {
    pub(super) version: Version,
    pub(super) rows: Vec<Vec<u8>>,
}

impl Operation for Fetch {
    type Output = Fetched;

    async fn run(&self, connection: &mut Link, _: Limit) -> Result<Fetched, Failure> {
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
        Ok(Fetched { version: version(epoch, messages, "")?, rows })
    }
}

/// The rows of a turn to write.
pub(super) struct Write {
    pub(super) key: String,
    pub(super) turn: Turn,
    pub(super) expect: Expect,
    pub(super) rows: Vec<String>,
    pub(super) lifetime_ms: Option<u64>,
}

impl Operation for Write {
    type Output = Version;

    async fn run(&self, connection: &mut Link, limit: Limit) -> Result<Version, Failure> {
        let (kind, seen) = match self.expect {
            Expect::Any => (0_u8, Version::default()),
            Expect::SameEpoch(seen) => (1, seen),
            Expect::Exactly(seen) => (2, seen),
            _ => return Err(HistoryError::Unsupported { what: "this expectation" }.into()),
        };
        let mut script = APPEND.prepare_invoke();
        script
            .key(&self.key)
            .arg(limit.0)
            .arg(self.turn.id().to_string())
            // Within a text, the quotes would be escaped.
            .arg(format!("\"{TURN_ID}\":\"{}\"", self.turn.id()))
            .arg(kind)
            .arg(seen.epoch)
            .arg(seen.messages)
            .arg(tip(seen))
            .arg(self.lifetime_ms.map_or_else(String::new, |lifetime| lifetime.to_string()))
            .arg(&self.rows);
        let (is_stale, epoch, messages, tip, known): (bool, i64, i64, String, Vec<Vec<u8>>) =
            script.invoke_async(connection).await?;
        let current = version(epoch, messages, &tip)?;
        if is_stale {
            return Err(HistoryError::Stale { expected: seen, current }.into());
        }
        self.check_stored(&known, current)?;
        Ok(current)
    }
}

impl Write {
    /// Checks that the turn that is stored under the id is this one. `rows` are its rows, newest
    /// first, the last of which is that of a version.
    fn check_stored(&self, rows: &[Vec<u8>], end: Version) -> Result<(), HistoryError> {
        let first = end.messages.saturating_sub(rows.len() as u64);
        let rows: Vec<_> = (first..)
            .zip(rows.iter().rev())
            .map(|(number, json)| decode(number, json))
            .collect::<Result<_, _>>()?;
        turns(&rows).iter().try_for_each(|stored| self.turn.check_stored(stored))
    }
}

/// Decodes a row by its number.
pub(super) fn decode(number: u64, json: &[u8]) -> Result<Row, HistoryError> {
    Row::decode(json, format_args!("row {number}"), || numbered_turn_id(number))
}

/// Removes a session.
pub(super) struct Clear {
    pub(super) key: String,
    /// The epoch in which it was seen. A script that arrives late has no effect on a session that
    /// was begun anew.
    pub(super) epoch: u64,
}

impl Operation for Clear {
    type Output = ();

    async fn run(&self, connection: &mut Link, limit: Limit) -> Result<(), Failure> {
        let mut script = CLEAR.prepare_invoke();
        script.key(&self.key).arg(limit.0).arg(self.epoch);
        script.invoke_async::<i64>(connection).await?;
        Ok(())
    }
}

/// Lists all sessions, in byte order.
pub(super) struct List {
    pub(super) prefix: String,
}

impl Operation for List {
    type Output = BTreeSet<SessionId>;

    async fn run(&self, connection: &mut Link, _: Limit) -> Result<Self::Output, Failure> {
        let pattern = format!("{}*", escape_pattern(&self.prefix));
        let mut sessions = BTreeSet::new();
        let mut scan = Scan::new(pattern, Some("list"));
        while let Some(keys) = scan.next(connection).await? {
            // Names that are not valid for a session, such as an empty one, are left out.
            let names = keys.into_iter().filter_map(|key| String::from_utf8(key).ok());
            sessions
                .extend(names.filter_map(|key| {
                    SessionId::from_stored(key.strip_prefix(&self.prefix)?).ok()
                }));
        }
        Ok(sessions)
    }
}

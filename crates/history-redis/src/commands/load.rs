//! Loads a part of a session, and its version, as they are at one moment.

use conversant_core::{HistoryError, Point, Range, Version};

use super::{
    scripts::{FIRST, LOAD, count, point, tip, version},
    stored_turn::StoredTurn,
};
use crate::{
    error::Failure,
    keys::SessionKeys,
    link::Link,
    pool::{Limit, Operation},
};

/// The most last turns that are loaded without a script.
const MAX_LAST_TURNS: usize = 10_000;

/// A part of a session to load.
pub(crate) struct Load {
    pub(crate) keys: SessionKeys,
    pub(crate) range: Range,
    /// The point at which the session ends. `None` is the tip.
    pub(crate) point: Option<Point>,
}

/// The loaded turns that have messages of the part, each whole.
pub(crate) struct Loaded {
    pub(crate) version: Version,
    pub(crate) turns: Vec<StoredTurn>,
    /// The number of messages before those after a version.
    pub(crate) before: u64,
}

impl Operation for Load {
    type Output = Loaded;

    async fn run(&self, connection: &mut Link, _: Limit) -> Result<Loaded, Failure> {
        if let Some(loaded) = self.without_script(connection).await? {
            return Ok(loaded);
        }
        let (range, first, second) = match self.range {
            Range::All => ("all", 0, 0),
            Range::LastTurns(turns) => ("turns", turns as u64, 0),
            Range::LastMessages(messages) => ("messages", messages as u64, 0),
            Range::LastBytes(bytes) => ("bytes", bytes, 0),
            Range::After(seen) => ("after", seen.epoch, seen.messages),
            _ => return Err(HistoryError::Unsupported { what: "this range" }.into()),
        };
        let mut script = LOAD.prepare_invoke();
        let seen_tip = if let Range::After(seen) = self.range { tip(seen) } else { String::new() };
        script.key(&self.keys).arg(range).arg(first).arg(second).arg(seen_tip);
        script.arg(point(self.point)?);
        type Answer = (i64, i64, String, Vec<Vec<u8>>, i64);
        let (epoch, messages, tip, turns, before): Answer = script.invoke_async(connection).await?;
        let turns = turns.into_iter().map(StoredTurn::read).collect::<Result<_, _>>()?;
        Ok(Loaded { version: version(epoch, messages, &tip)?, turns, before: count(before)? })
    }
}

/// The fields of a session's state that [`Load::without_script`] reads. The last two are those of a
/// session with branches or an expiry.
const FIELDS: [&str; 7] = ["epoch", "messages", "tip", "notes", "earlier", "tree", "expires"];

/// The answers to the commands of [`Load::without_script`]: the fields, the lengths of the list of
/// turns, of their ids and of the notes, and the last turns.
type Answers = (Vec<Option<String>>, u64, u64, u64, Vec<Vec<u8>>);

impl Load {
    /// Loads the usual parts without a script: the last turns, or nothing after the current
    /// version. Returns nothing if the script has to decide: the session has branches, an expiry or
    /// a form of an earlier version, turns follow, a key is missing, or another caller has written
    /// between the commands.
    async fn without_script(&self, connection: &mut Link) -> Result<Option<Loaded>, Failure> {
        let (last, seen) = match (self.point, self.range) {
            (None, Range::LastTurns(turns @ 1..=MAX_LAST_TURNS)) => (turns, None),
            (None, Range::After(seen)) if seen.messages > 0 => (0, Some(seen)),
            _ => return Ok(None),
        };
        let [meta, _, turns, ids, notes, ..] = &self.keys;
        let mut commands = redis::pipe();
        commands.cmd("HMGET").arg(meta).arg(&FIELDS).llen(turns).hlen(ids).hlen(notes);
        let answers: Result<Answers, _> = match isize::try_from(last) {
            Ok(last @ 1..) => commands.lrange(turns, -last, -1).query_async(connection).await,
            _ => {
                let counts: Result<_, _> = commands.query_async(connection).await;
                counts.map(|(fields, length, ids, notes)| (fields, length, ids, notes, Vec::new()))
            }
        };
        match answers {
            Ok(answers) => Ok(plain(answers, last, seen)),
            Err(error) => match Failure::from(error) {
                lost @ Failure::Lost { .. } => Err(lost),
                // The script names what is wrong.
                _ => Ok(None),
            },
        }
    }
}

/// Reads the answers to the commands, if they are those of a session in the usual form.
fn plain(answers: Answers, last: usize, seen: Option<Version>) -> Option<Loaded> {
    let (fields, length, ids, notes, turns) = answers;
    let fields: [Option<String>; 7] = fields.try_into().ok()?;
    let [Some(epoch), Some(messages), Some(tip), noted, Some(earlier), None, None] = fields else {
        return None;
    };
    let has_notes = noted.is_none_or(|noted| noted.parse() == Ok(notes));
    let version = version(epoch.parse().ok()?, messages.parse().ok()?, &tip).ok()?;
    if earlier != "0" || !has_notes || length == 0 || ids != length || version.messages == 0 {
        return None;
    }
    if let Some(seen) = seen {
        return version.matches(seen).then(|| Loaded {
            version,
            turns: Vec::new(),
            before: version.messages,
        });
    }
    if turns.len() as u64 != length.min(last as u64) {
        return None;
    }
    let turns = turns.into_iter().map(StoredTurn::read).collect::<Result<Vec<_>, _>>().ok()?;
    let ends = turns.last()?.ends_with(version);
    ends.then_some(Loaded { version, turns, before: 0 })
}

/// The turns that have the first messages of a session.
pub(crate) struct First {
    pub(crate) keys: SessionKeys,
    pub(crate) count: usize,
    pub(crate) point: Option<Point>,
}

impl Operation for First {
    type Output = Vec<StoredTurn>;

    async fn run(&self, connection: &mut Link, _: Limit) -> Result<Vec<StoredTurn>, Failure> {
        let mut script = FIRST.prepare_invoke();
        script.key(&self.keys).arg(self.count).arg(point(self.point)?);
        let turns: Vec<Vec<u8>> = script.invoke_async(connection).await?;
        Ok(turns.into_iter().map(StoredTurn::read).collect::<Result<_, _>>()?)
    }
}

//! The list of sessions: titles, labels, and pages by the last use.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{SystemTime, UNIX_EPOCH},
};

use conversant_core::{
    Cost, HistoryError, SessionCursor, SessionFilter, SessionId, SessionInfo, TurnId, Usage,
    UsageTotals, clock,
};
use redis::{FromRedisValue, ParsingError, Value};
use tokio::task::{JoinError, JoinSet};

use super::{
    completion::{Completion, cannot_write},
    scan::Scan,
    scripts::{
        INDEX_BEGIN, INDEX_END, INFO, PAGE, RELIST, SET_LABEL, SET_TITLE, corrupt, count, lifetime,
    },
};
use crate::{
    error::{Failure, RedisError, backend},
    keys::{Keys, SessionKeys},
    link::Link,
    pool::{Limit, Operation},
};

/// The number of elements that one script examines. The server does nothing else meanwhile.
const PAGE_SIZE: usize = 500;

/// The largest time of an element, in milliseconds: it has 15 digits.
const MAX_MILLIS: u64 = 999_999_999_999_999;

/// Sets or removes the title of a session.
pub(crate) struct SetTitle {
    pub(crate) keys: SessionKeys,
    pub(crate) session: SessionId,
    pub(crate) title: Option<String>,
    pub(crate) lifetime_ms: Option<u64>,
}

impl Operation for SetTitle {
    type Output = ();

    async fn run(&self, connection: &mut Link, limit: Limit) -> Result<(), Failure> {
        let mut script = SET_TITLE.prepare_invoke();
        script.key(&self.keys).arg(limit.0).arg(self.session.as_str());
        script.arg(lifetime(self.lifetime_ms)).arg(self.title.as_deref().unwrap_or_default());
        Ok(script.invoke_async::<i64>(connection).await.map(drop)?)
    }
}

/// Sets or removes a label of a session.
pub(crate) struct SetLabel {
    pub(crate) keys: SessionKeys,
    pub(crate) session: SessionId,
    pub(crate) name: String,
    pub(crate) value: Option<String>,
    pub(crate) lifetime_ms: Option<u64>,
}

impl Operation for SetLabel {
    type Output = ();

    async fn run(&self, connection: &mut Link, limit: Limit) -> Result<(), Failure> {
        let mut script = SET_LABEL.prepare_invoke();
        script.key(&self.keys).arg(limit.0).arg(self.session.as_str());
        script.arg(lifetime(self.lifetime_ms)).arg(SessionInfo::MAX_LABELS);
        script.arg(&self.name).arg(&self.value);
        if script.invoke_async(connection).await? {
            Ok(())
        } else {
            Err(HistoryError::TooManyLabels { limit: SessionInfo::MAX_LABELS }.into())
        }
    }
}

/// A session as a list shows it.
pub(crate) struct Info {
    pub(crate) keys: SessionKeys,
    pub(crate) session: SessionId,
}

impl Operation for Info {
    type Output = Option<SessionInfo>;

    async fn run(&self, connection: &mut Link, _: Limit) -> Result<Option<SessionInfo>, Failure> {
        let mut script = INFO.prepare_invoke();
        script.key(&self.keys).arg(self.session.as_str());
        let found: Option<Described> = script.invoke_async(connection).await?;
        Ok(found.map(Described::read).transpose()?)
    }
}

/// The name of a session, its number of turns, and the fields of its list.
#[derive(Clone)]
pub(super) struct Described(String, u64, Vec<Option<String>>);

impl FromRedisValue for Described {
    fn from_redis_value(value: Value) -> Result<Self, ParsingError> {
        let (name, turns, fields) = FromRedisValue::from_redis_value(value)?;
        Ok(Self(name, turns, fields))
    }
}

impl Described {
    /// Reads the name and the last use. The other fields may be damaged.
    fn read_place(self) -> Result<SessionInfo, HistoryError> {
        let Self(name, _, fields) = self;
        Self(name, 0, fields.into_iter().take(1).collect()).read()
    }

    /// Reads the fields `used title labels created bytes input output total cached written
    /// reasoning cost`.
    pub(super) fn read(self) -> Result<SessionInfo, HistoryError> {
        let Self(name, turns, fields) = self;
        let session = SessionId::from_stored(name).map_err(|error| HistoryError::Corrupt {
            what: "found an invalid session name".to_owned(),
            source: Some(error.into()),
        })?;
        let text = |at: usize| fields.get(at).and_then(Option::as_deref);
        let number = |at: usize| text(at).map(read_number).transpose();
        let time = |at| Ok::<_, HistoryError>(number(at)?.map(clock::time));
        let mut info = SessionInfo::new(session, time(0)?.unwrap_or(UNIX_EPOCH));
        info.title = text(1).map(str::to_owned);
        info.labels = read_labels(text(2).unwrap_or_default())?;
        info.created_at = time(3)?;
        info.turns = turns;
        info.bytes = number(4)?.unwrap_or_default();
        let usage = match (number(5)?, number(6)?, number(7)?) {
            (Some(input_tokens), Some(output_tokens), Some(total_tokens)) => {
                let mut usage = Usage::new(input_tokens, output_tokens);
                usage.total_tokens = total_tokens;
                usage.cached_tokens = number(8)?;
                usage.cache_write_tokens = number(9)?;
                usage.reasoning_tokens = number(10)?;
                Some(usage)
            }
            _ => None,
        };
        info.totals = UsageTotals::new(usage, number(11)?.map(Cost::from_picos));
        Ok(info)
    }
}

fn read_number(text: &str) -> Result<u64, HistoryError> {
    let parsed =
        text.parse().map_err(|_| corrupt("cannot decode a number of a list".to_owned()))?;
    count(parsed)
}

/// Parses labels: lines of names and values.
fn read_labels(text: &str) -> Result<BTreeMap<String, String>, HistoryError> {
    let mut lines = text.strip_suffix('\n').into_iter().flat_map(|text| text.split('\n'));
    let mut labels = BTreeMap::new();
    while let Some(name) = lines.next() {
        let value = lines.next().ok_or_else(|| corrupt("cannot decode labels".to_owned()))?;
        labels.insert(name.to_owned(), value.to_owned());
    }
    Ok(labels)
}

/// Returns the labels of a session as its keys have them.
#[cfg(feature = "cluster")]
pub(super) fn labels_text(info: &SessionInfo) -> String {
    info.labels.iter().map(|(name, value)| format!("{name}\n{value}\n")).collect()
}

/// Returns what is recorded with a turn, as names and numbers.
pub(super) fn totals_text(totals: UsageTotals) -> String {
    let UsageTotals { usage, cost, .. } = totals;
    let of_usage = usage.into_iter().flat_map(|usage| {
        [
            ("input", Some(usage.input_tokens)),
            ("output", Some(usage.output_tokens)),
            ("total", Some(usage.total_tokens)),
            ("cached", usage.cached_tokens),
            ("written", usage.cache_write_tokens),
            ("reasoning", usage.reasoning_tokens),
        ]
    });
    let numbers = of_usage.chain([("cost", cost.map(Cost::as_picos))]);
    // The server's numbers are signed.
    let most = i64::MAX.unsigned_abs();
    let texts = numbers
        .filter_map(|(name, number)| Some(format!("{name} {}", number?.min(most))))
        .collect::<Vec<_>>();
    texts.join(" ")
}

/// Returns the milliseconds since 1970 of a time.
pub(super) fn millis(time: SystemTime) -> u64 {
    clock::millis(time).min(MAX_MILLIS)
}

/// Returns the first millisecond at a time or after it.
fn millis_from(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let whole = u64::try_from(since.as_nanos().div_ceil(1_000_000)).unwrap_or(MAX_MILLIS);
    whole.min(MAX_MILLIS)
}

/// The conditions of a filter, as the scripts take them.
#[derive(Clone)]
pub(crate) struct Selection {
    /// The first millisecond of the last use, and the first one after.
    since: u64,
    before: u64,
    labels: Vec<(String, String)>,
}

impl Selection {
    /// Returns the conditions of a filter.
    ///
    /// # Errors
    /// [`HistoryError::Unsupported`] if the filter has a text.
    pub(crate) fn new(filter: &SessionFilter) -> Result<Self, HistoryError> {
        if filter.words().next().is_some() {
            return Err(HistoryError::Unsupported { what: "search in sessions" });
        }
        let labels = filter.labels.clone().into_iter().collect();
        let since = filter.used_since.map_or(0, millis_from);
        let before = filter.used_before.map_or(MAX_MILLIS, millis_from);
        Ok(Self { since, before, labels })
    }

    /// Adds the conditions to the arguments of a script that checks all of them.
    pub(super) fn arguments(&self) -> Vec<String> {
        let times = [self.since.to_string(), self.before.to_string()];
        let labels = self.labels.iter().flat_map(|(name, value)| [name.clone(), value.clone()]);
        times.into_iter().chain(labels).collect()
    }

    /// Returns the begin of the elements that are read: those of a label, or of all sessions.
    fn prefix(&self) -> String {
        self.labels.first().map_or("\n".to_owned(), |(name, value)| format!("{name}\n{value}\n"))
    }
}

/// A part of the list.
#[derive(Clone)]
pub(crate) struct ListSessions {
    pub(crate) keys: Keys,
    pub(crate) selection: Selection,
    pub(crate) after: Option<SessionCursor>,
    /// The oldest are first, for a deletion: of each, the name and the last use alone.
    pub(crate) is_ascending: bool,
    pub(crate) limit: usize,
    pub(crate) completion: Completion,
}

impl Operation for ListSessions {
    type Output = Vec<SessionInfo>;

    async fn run(&self, connection: &mut Link, _: Limit) -> Result<Vec<SessionInfo>, Failure> {
        let mut is_writable = true;
        loop {
            let (found, is_complete) = self.of(&self.keys.list(), connection).await?;
            if is_complete || !is_writable {
                return Ok(found);
            }
            let (keys, link) = (self.keys.clone(), connection.clone());
            match self.completion.run(|| complete(keys, link)).await {
                // What the list has is listed.
                Err(failure) if cannot_write(&failure) => is_writable = false,
                completed => completed?,
            }
        }
    }
}

impl ListSessions {
    /// Loads sessions of a list. Returns whether the list is complete.
    pub(super) async fn of(
        &self,
        list: &str,
        connection: &mut Link,
    ) -> Result<(Vec<SessionInfo>, bool), Failure> {
        let Selection { since, before, labels } = &self.selection;
        let prefix = self.selection.prefix();
        let mut lowest = format!("[{prefix}{since:015}");
        let mut highest = format!("({prefix}{before:015}");
        if let Some(after) = &self.after {
            let millis = after.last_used_millis().min(MAX_MILLIS);
            let after = format!("({prefix}{millis:015}\n{}", after.session());
            match self.is_ascending {
                true => lowest = after,
                false => highest = highest.min(after),
            }
        }
        let (mut from, to) = if self.is_ascending { (lowest, highest) } else { (highest, lowest) };
        let mut sessions = Vec::new();
        let mut is_complete = true;
        while sessions.len() < self.limit {
            let mut script = PAGE.prepare_invoke();
            script.key(list).arg(&from).arg(&to).arg(u8::from(self.is_ascending));
            script.arg(PAGE_SIZE).arg(self.limit - sessions.len()).arg(self.keys.prefix());
            for (name, value) in labels.iter().skip(1) {
                script.arg(name).arg(value);
            }
            let (found, last, complete): (Vec<Described>, Option<String>, bool) =
                script.invoke_async(connection).await?;
            is_complete &= complete;
            for described in found {
                sessions.push(match self.is_ascending {
                    true => described.read_place()?,
                    false => described.read()?,
                });
            }
            let Some(last) = last else { break };
            from = format!("({last}");
        }
        Ok((sessions, is_complete))
    }
}

/// Adds all sessions to the list, which the server has evicted or an earlier version has not kept.
/// Other processes may do the same at once.
async fn complete(keys: Keys, mut link: Link) -> Result<(), Failure> {
    let (list, mark) = (keys.list(), TurnId::random().to_string());
    let mut begin = INDEX_BEGIN.prepare_invoke();
    begin.key(&list).arg(&mark).invoke_async::<i64>(&mut link).await?;
    // A session without its state is not listed.
    let mut scan = Scan::new(keys.pattern_of_states(), None);
    while let Some(found) = scan.next(&mut link).await? {
        let names = found.iter().filter_map(|key| keys.session_of(key)).collect();
        relist(&keys, names, &link).await?;
    }
    let mut end = INDEX_END.prepare_invoke();
    // If the list was evicted meanwhile, the caller finds it incomplete.
    end.key(&list).arg(&mark).invoke_async::<i64>(&mut link).await?;
    Ok(())
}

/// The number of sessions that are added to the list at once.
const RELISTED_AT_ONCE: usize = 64;

/// Adds sessions to the list, some at once: each is a command, and the server answers many in the
/// time of a round trip.
pub(super) async fn relist(
    keys: &Keys,
    names: BTreeSet<String>,
    link: &Link,
) -> Result<(), Failure> {
    let mut running = JoinSet::new();
    for name in names {
        let Ok(session) = SessionId::from_stored(name) else { continue };
        if running.len() >= RELISTED_AT_ONCE {
            relisted(running.join_next().await)?;
        }
        running.spawn(relist_one(keys.session(&session), session, link.clone()));
    }
    while !running.is_empty() {
        relisted(running.join_next().await)?;
    }
    Ok(())
}

fn relisted(ended: Option<Result<Result<(), Failure>, JoinError>>) -> Result<(), Failure> {
    let ended = ended.unwrap_or(Ok(Ok(())));
    ended.unwrap_or_else(|_| {
        let what = "cannot complete the list of sessions: the runtime ended";
        Err(backend(RedisError::new(what)).into())
    })
}

async fn relist_one(keys: SessionKeys, session: SessionId, mut link: Link) -> Result<(), Failure> {
    let mut relist = RELIST.prepare_invoke();
    relist.key(&keys).arg(session.as_str());
    match relist.invoke_async::<i64>(&mut link).await.map_err(Failure::from) {
        // It is reported when it is loaded.
        Err(Failure::Refused(HistoryError::Corrupt { .. })) => Ok(()),
        relisted => relisted.map(drop),
    }
}

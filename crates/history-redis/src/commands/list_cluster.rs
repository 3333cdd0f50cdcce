//! Lists the sessions of a cluster, whose slots have an index each.

use std::collections::{BTreeMap, BTreeSet};

use conversant_core::{HistoryError, SessionId, SessionInfo};
use redis::{Cmd, RedisError as ClientError};
use tokio::task::JoinSet;

use super::{
    list::{List, Page},
    listing::{ListSessions, relist},
    scan::Scan,
};
use crate::{
    cluster::{ListedSlots, SLOTS},
    error::{Failure, RedisError, backend},
    keys::Keys,
    link::Link,
    pool::{Limit, Operation},
};

/// The number of slots that are read at once.
const AT_ONCE: usize = 64;

/// The mark of a cluster whose slots have their indexes, and the lists of sessions by their last
/// use. The mark of version 1 had no lists.
const ADOPTED: u64 = 2;

/// The sessions after one, in byte order: the indexes of all slots that have had sessions, merged.
pub(crate) struct ListCluster {
    pub(crate) list: List,
    pub(crate) listed: ListedSlots,
}

impl Operation for ListCluster {
    type Output = Vec<SessionId>;

    async fn run(&self, link: &mut Link, _: Limit) -> Result<Vec<SessionId>, Failure> {
        list(&self.list, &self.listed, link).await
    }
}

async fn list(
    list: &List,
    listed: &ListedSlots,
    link: &mut Link,
) -> Result<Vec<SessionId>, Failure> {
    if list.limit == 0 {
        return Ok(Vec::new());
    }
    let slots = slots(&list.keys, listed, link).await?;
    let mut found = BTreeSet::new();
    for slots in slots.chunks(AT_ONCE) {
        let mut pages = JoinSet::new();
        for &slot in slots {
            let (list, mut link) = (list.clone(), link.clone());
            pages.spawn(async move { of_slot(&list, slot, &mut link).await });
        }
        while let Some(page) = pages.join_next().await {
            found.extend(page.map_err(|_| ended())??);
            while found.len() > list.limit {
                found.pop_last();
            }
        }
    }
    Ok(found.into_iter().collect())
}

fn ended() -> HistoryError {
    backend(RedisError::new("cannot use the cluster: the runtime ended"))
}

/// Returns the slots that have had sessions. Those that another process has added become known
/// here, and those that the cluster has lost in a failover are added again.
async fn slots(keys: &Keys, listed: &ListedSlots, link: &mut Link) -> Result<Vec<u16>, Failure> {
    let found: Vec<u16> = redis::cmd("SMEMBERS").arg(keys.slots()).query_async(link).await?;
    let stored = ListedSlots::default();
    found.iter().for_each(|&slot| stored.insert(slot));
    let lost: Vec<u16> = listed.iter().filter(|&slot| !stored.contains(slot)).collect();
    found.iter().for_each(|&slot| listed.insert(slot));
    if !lost.is_empty() {
        redis::cmd("SADD").arg(keys.slots()).arg(lost).query_async::<i64>(link).await?;
    }
    Ok(listed.iter().collect())
}

async fn of_slot(list: &List, slot: u16, link: &mut Link) -> Result<Vec<SessionId>, Failure> {
    let index = list.keys.index_of(slot);
    let mut after = list.after.as_ref().map_or_else(String::new, SessionId::to_string);
    let mut sessions = Vec::new();
    while sessions.len() < list.limit {
        let page = Page::load(list, &index, &after, sessions.len(), link).await?;
        sessions.extend(page.sessions);
        let Some(last) = page.last else { break };
        after = last;
    }
    Ok(sessions)
}

/// Sessions by their last use: the lists of all slots that have had sessions, merged.
pub(crate) struct ListSessionsOfCluster {
    pub(crate) list: ListSessions,
    pub(crate) listed: ListedSlots,
}

impl Operation for ListSessionsOfCluster {
    type Output = Vec<SessionInfo>;

    async fn run(&self, link: &mut Link, _: Limit) -> Result<Vec<SessionInfo>, Failure> {
        let ListSessions { keys, is_ascending, limit, .. } = &self.list;
        if *limit == 0 {
            return Ok(Vec::new());
        }
        let mut found = Vec::new();
        for slots in slots(keys, &self.listed, link).await?.chunks(AT_ONCE) {
            let mut parts = JoinSet::new();
            for &slot in slots {
                let (list, mut link) = (self.list.clone(), link.clone());
                parts.spawn(async move { list.of(&list.keys.list_of(slot), &mut link).await });
            }
            while let Some(part) = parts.join_next().await {
                found.extend(part.map_err(|_| ended())??.0);
            }
            found.sort_by(|a: &SessionInfo, b| {
                let order = (a.last_used_at, &a.session).cmp(&(b.last_used_at, &b.session));
                if *is_ascending { order } else { order.reverse() }
            });
            found.truncate(*limit);
        }
        Ok(found)
    }
}

/// Gives each slot its index, once, for keys that a single server had before they were moved to the
/// cluster.
pub(crate) struct Adopt {
    pub(crate) keys: Keys,
}

impl Operation for Adopt {
    type Output = ();

    async fn run(&self, link: &mut Link, _: Limit) -> Result<(), Failure> {
        let (mark, keys) = (self.keys.cluster(), &self.keys);
        let done: Option<u64> = redis::cmd("GET").arg(&mark).query_async(link).await?;
        if done.is_some_and(|done| done >= ADOPTED) {
            return Ok(());
        }
        let mut slots: BTreeSet<u16> = BTreeSet::new();
        let mut scan = Scan::new(keys.pattern_of_sessions(), None);
        while let Some(found) = scan.next(link).await? {
            let mut by_slot: BTreeMap<u16, BTreeSet<String>> = BTreeMap::new();
            for name in found.iter().filter_map(|key| keys.session_of(key)) {
                by_slot.entry(Keys::slot(&name)).or_default().insert(name);
            }
            slots.extend(by_slot.keys());
            add_names(keys, by_slot, link).await?;
            let states = found.iter().filter(|key| Keys::is_state(key));
            relist(keys, states.filter_map(|key| keys.session_of(key)).collect(), link).await?;
        }
        if !slots.is_empty() {
            redis::cmd("SADD").arg(keys.slots()).arg(&slots).query_async::<i64>(link).await?;
        }
        let epoch: Option<u64> = redis::cmd("GET").arg(keys.floor()).query_async(link).await?;
        if let Some(epoch) = epoch {
            let floors = (0..SLOTS).map(|slot| {
                let mut set = redis::cmd("SET");
                set.arg(keys.floor_of(slot)).arg(epoch).arg("NX");
                set
            });
            run_all(floors, link).await?;
        }
        let set: Result<(), ClientError> =
            redis::cmd("SET").arg(&mark).arg(ADOPTED).query_async(link).await;
        Ok(set?)
    }
}

/// Adds names of sessions to the indexes of their slots.
async fn add_names(
    keys: &Keys,
    by_slot: BTreeMap<u16, BTreeSet<String>>,
    link: &Link,
) -> Result<(), Failure> {
    let commands = by_slot.into_iter().map(|(slot, names)| {
        let mut add = redis::cmd("ZADD");
        add.arg(keys.index_of(slot));
        for name in names {
            add.arg(0).arg(name);
        }
        add
    });
    run_all(commands, link).await
}

/// Runs commands, some at once.
async fn run_all(commands: impl Iterator<Item = Cmd>, link: &Link) -> Result<(), Failure> {
    let mut running = JoinSet::new();
    for command in commands {
        if running.len() >= AT_ONCE
            && let Some(ran) = running.join_next().await
        {
            ran.map_err(|_| ended())??;
        }
        let mut link = link.clone();
        running.spawn(async move { command.query_async::<redis::Value>(&mut link).await });
    }
    while let Some(ran) = running.join_next().await {
        ran.map_err(|_| ended())??;
    }
    Ok(())
}

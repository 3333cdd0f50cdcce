//! The nodes and slots of a cluster.

use std::sync::{
    Arc, LazyLock,
    atomic::{AtomicU64, Ordering},
};

use redis::{
    cluster_async::ClusterConnection,
    cluster_routing::{RoutingInfo, SingleNodeRoutingInfo},
    from_redis_value,
};

use crate::{
    error::{Failure, RedisError, backend},
    link::Link,
    pool::{Limit, Operation},
};

/// The number of slots of every cluster.
pub(crate) const SLOTS: u16 = 16_384;

/// For each slot, the smallest number whose text is in it. A key with the number in braces is on
/// the node that has the slot.
static TAGS: LazyLock<Box<[u32]>> = LazyLock::new(|| {
    let mut tags = vec![None; usize::from(SLOTS)];
    let mut missing = tags.len();
    for number in 0_u32.. {
        if missing == 0 {
            break;
        }
        if let Some(tag @ None) = tags.get_mut(usize::from(slot_of(&number.to_string()))) {
            *tag = Some(number);
            missing -= 1;
        }
    }
    tags.into_iter().flatten().collect()
});

/// Returns the slot of keys with a text in braces.
pub(crate) fn slot_of(tag: &str) -> u16 {
    crc16::State::<crc16::XMODEM>::calculate(tag.as_bytes()) % SLOTS
}

/// Returns a text that is in a slot.
pub(crate) fn tag_of(slot: u16) -> u32 {
    TAGS.get(usize::from(slot)).copied().unwrap_or_default()
}

/// The slots whose sessions can be listed, as far as this process knows. A slot that has had
/// sessions stays one of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct ListedSlots(Arc<Bits>);

#[derive(Debug)]
struct Bits(Box<[AtomicU64]>);

impl Default for Bits {
    fn default() -> Self {
        Self((0..SLOTS / 64).map(|_| AtomicU64::new(0)).collect())
    }
}

impl ListedSlots {
    pub(crate) fn contains(&self, slot: u16) -> bool {
        let bits = self.0.0.get(usize::from(slot / 64)).map(|bits| bits.load(Ordering::Relaxed));
        bits.unwrap_or(0) & 1 << (slot % 64) != 0
    }

    pub(crate) fn insert(&self, slot: u16) {
        if let Some(bits) = self.0.0.get(usize::from(slot / 64)) {
            bits.fetch_or(1 << (slot % 64), Ordering::Relaxed);
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = u16> {
        (0..SLOTS).filter(|&slot| self.contains(slot))
    }
}

/// Ensures, before an append, that the slot of its session is one of those that a list reads.
#[derive(Debug)]
pub(crate) struct Listing {
    pub(crate) listed: ListedSlots,
    pub(crate) slot: u16,
    /// The set of the slots.
    pub(crate) key: String,
}

impl Listing {
    pub(crate) async fn ensure(&self, link: &mut Link) -> Result<(), Failure> {
        if !self.listed.contains(self.slot) {
            let mut add = redis::cmd("SADD");
            add.arg(&self.key).arg(self.slot);
            add.query_async::<i64>(link).await?;
            self.listed.insert(self.slot);
        }
        Ok(())
    }
}

/// An operation on a session that is listed from then on.
pub(crate) struct Listed<O> {
    pub(crate) operation: O,
    pub(crate) listing: Listing,
}

impl<O: Operation> Operation for Listed<O> {
    type Output = O::Output;

    async fn run(&self, link: &mut Link, limit: Limit) -> Result<O::Output, Failure> {
        self.listing.ensure(link).await?;
        self.operation.run(link, limit).await
    }
}

/// Returns the addresses of the nodes that have slots.
pub(crate) async fn masters(
    connection: &mut ClusterConnection,
) -> Result<Vec<SingleNodeRoutingInfo>, Failure> {
    let mut nodes = redis::cmd("CLUSTER");
    nodes.arg("NODES");
    let random = RoutingInfo::SingleNode(SingleNodeRoutingInfo::Random);
    let nodes = connection.route_command(nodes, random).await?;
    let nodes: String = from_redis_value(nodes).map_err(|_| unexpected())?;
    // id address@port[,name] flags master ping pong epoch link slots…
    let parse = |line: &str| {
        let mut words = line.split(' ');
        let address = words.nth(1)?;
        let flags = words.next()?;
        let is_master = flags.split(',').any(|flag| flag == "master");
        let has_slots = words.nth(5).is_some();
        if !is_master || !has_slots || flags.split(',').any(|flag| flag == "fail") {
            return None;
        }
        let (host, port) = address.split('@').next()?.rsplit_once(':')?;
        let port = port.parse().ok()?;
        Some(SingleNodeRoutingInfo::ByAddress { host: host.to_owned(), port })
    };
    let masters: Vec<_> = nodes.lines().filter_map(parse).collect();
    if masters.is_empty() { Err(unexpected()) } else { Ok(masters) }
}

fn unexpected() -> Failure {
    backend(RedisError::new("cannot find the nodes of the cluster: unexpected answer")).into()
}

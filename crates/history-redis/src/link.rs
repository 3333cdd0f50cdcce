//! A connection of any kind: to one server, to a cluster, or to the master that sentinels name.

use redis::{Cmd, Pipeline, RedisFuture, Value, aio::ConnectionLike};

use crate::renewed::RenewedConnection;

/// A connection that carries many operations at once. Clones share it.
#[derive(Clone)]
pub(crate) enum Link {
    /// It connects to the same address again when it breaks.
    Single(RenewedConnection),
    /// It follows redirections, and connects to the nodes that have a session's slot.
    #[cfg(feature = "cluster")]
    Cluster(redis::cluster_async::ClusterConnection),
    /// It asks the sentinels for the master when it breaks.
    #[cfg(feature = "sentinel")]
    Sentinel(RenewedConnection),
}

impl Link {
    /// Returns whether another server may take over: a refusal to write then passes.
    pub(crate) const fn is_replicated(&self) -> bool {
        !matches!(self, Self::Single(_))
    }
}

impl ConnectionLike for Link {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::Single(single) => single.req_packed_command(cmd),
            #[cfg(feature = "cluster")]
            Self::Cluster(cluster) => cluster.req_packed_command(cmd),
            #[cfg(feature = "sentinel")]
            Self::Sentinel(sentinel) => sentinel.req_packed_command(cmd),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::Single(single) => single.req_packed_commands(pipeline, offset, count),
            #[cfg(feature = "cluster")]
            Self::Cluster(cluster) => cluster.req_packed_commands(pipeline, offset, count),
            #[cfg(feature = "sentinel")]
            Self::Sentinel(sentinel) => sentinel.req_packed_commands(pipeline, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::Single(single) => single.get_db(),
            #[cfg(feature = "cluster")]
            Self::Cluster(cluster) => cluster.get_db(),
            #[cfg(feature = "sentinel")]
            Self::Sentinel(sentinel) => sentinel.get_db(),
        }
    }
}

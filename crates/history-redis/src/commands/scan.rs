//! Scans the keys of a database.

use crate::{error::Failure, link::Link};

/// The number of keys that one step of a scan examines.
const STEP: usize = 1000;

/// The keys that match a pattern, of all types or of one, some at a time. A key can be found
/// twice.
pub(crate) struct Scan {
    pattern: String,
    kind: Option<&'static str>,
    /// `None` once all keys were examined.
    cursor: Option<String>,
    /// The nodes of a cluster that are left, once they are known.
    #[cfg(feature = "cluster")]
    nodes: Option<Vec<redis::cluster_routing::SingleNodeRoutingInfo>>,
}

impl Scan {
    pub(crate) fn new(pattern: String, kind: Option<&'static str>) -> Self {
        Self {
            pattern,
            kind,
            cursor: Some("0".to_owned()),
            #[cfg(feature = "cluster")]
            nodes: None,
        }
    }

    /// Returns the keys that the next step finds, or `None` after the last one.
    pub(crate) async fn next(
        &mut self,
        connection: &mut Link,
    ) -> Result<Option<Vec<Vec<u8>>>, Failure> {
        let Some(cursor) = self.cursor.take() else { return Ok(None) };
        let mut scan = redis::cmd("SCAN");
        scan.arg(&cursor).arg("MATCH").arg(&self.pattern);
        scan.arg("COUNT").arg(STEP);
        if let Some(kind) = self.kind {
            scan.arg("TYPE").arg(kind);
        }
        #[cfg(feature = "cluster")]
        if let Link::Cluster(cluster) = connection {
            return self.next_of_cluster(scan, cluster).await;
        }
        let (next, keys): (String, Vec<Vec<u8>>) = scan.query_async(connection).await?;
        self.cursor = (next != "0").then_some(next);
        Ok(Some(keys))
    }

    /// Scans the nodes of a cluster one after the other.
    #[cfg(feature = "cluster")]
    async fn next_of_cluster(
        &mut self,
        scan: redis::Cmd,
        cluster: &mut redis::cluster_async::ClusterConnection,
    ) -> Result<Option<Vec<Vec<u8>>>, Failure> {
        let nodes = match &mut self.nodes {
            Some(nodes) => nodes,
            none @ None => none.insert(crate::cluster::masters(cluster).await?),
        };
        let Some(node) = nodes.last().cloned() else { return Ok(None) };
        let route = redis::cluster_routing::RoutingInfo::SingleNode(node);
        let answer = cluster.route_command(scan, route).await?;
        let (next, keys): (String, Vec<Vec<u8>>) =
            redis::from_redis_value(answer).map_err(redis::RedisError::from)?;
        if next == "0" {
            nodes.pop();
        }
        self.cursor = (!nodes.is_empty()).then_some(next);
        Ok(Some(keys))
    }
}

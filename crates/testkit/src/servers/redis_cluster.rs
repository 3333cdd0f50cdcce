//! A Redis Cluster.

use std::io;

use super::{
    port::Port,
    process::{Folder, find_program},
    redis_node::{RedisNode, wait_until},
};

/// The number of slots of a cluster.
const SLOTS: usize = 16_384;

/// The time in milliseconds after which a node that does not answer is replaced by its replica.
const NODE_TIMEOUT: &str = "1000";

/// A Redis Cluster of its own: masters that share the slots, and replicas of the first master.
///
/// It keeps its data in memory. What a master has acknowledged is on its replicas a moment later.
///
/// # Examples
///
/// ```no_run
/// use conversant_testkit::servers::RedisCluster;
///
/// # fn main() -> std::io::Result<()> {
/// let Some(mut cluster) = RedisCluster::start(3, 1)? else { return Ok(()) };
/// println!("{:?}", cluster.urls());
/// cluster.kill(0)?;
/// cluster.wait_for_failover()?;
/// # Ok(())
/// # }
/// ```
pub struct RedisCluster {
    nodes: Vec<RedisNode>,
    /// The nodes' ports for each other.
    buses: Vec<Port>,
    masters: usize,
    /// Removed after the nodes have ended.
    _folder: Folder,
}

impl RedisCluster {
    /// Starts a cluster, and waits until it serves all slots. Returns `None` if Redis is not
    /// installed.
    ///
    /// # Errors
    /// The system's error, or one that says that the cluster did not start. Redis before version 7
    /// cannot be used.
    pub fn start(masters: usize, replicas: usize) -> io::Result<Option<Self>> {
        if find_program("redis-server").is_none() {
            return Ok(None);
        }
        let folder = Folder::new("redis-cluster")?;
        let mut nodes = Vec::new();
        let mut buses = Vec::new();
        for _ in 0..masters + replicas {
            let bus = Port::reserve()?;
            let bus_number = bus.to_string();
            let settings = [
                ["--save", ""],
                ["--cluster-enabled", "yes"],
                ["--cluster-node-timeout", NODE_TIMEOUT],
                ["--cluster-replica-validity-factor", "0"],
                ["--repl-diskless-sync-delay", "0"],
                ["--cluster-port", &bus_number],
            ];
            let settings: Vec<String> = settings.concat().into_iter().map(str::to_owned).collect();
            nodes.push(RedisNode::start(folder.path(), &settings)?);
            buses.push(bus);
        }
        let cluster = Self { nodes, buses, masters, _folder: folder };
        cluster.form()?;
        Ok(Some(cluster))
    }

    fn form(&self) -> io::Result<()> {
        let Some(first) = self.nodes.first() else { return Ok(()) };
        // All of them, so that none waits for what the others tell about each other.
        for (number, node) in self.nodes.iter().enumerate() {
            for (other, bus) in self.nodes.iter().zip(&self.buses).skip(number + 1) {
                node.ask(&format!("CLUSTER MEET 127.0.0.1 {} {bus}", other.port))?;
            }
        }
        let (masters, replicas) = self.nodes.split_at(self.masters.min(self.nodes.len()));
        for (number, master) in masters.iter().enumerate() {
            let from = number * SLOTS / masters.len();
            let to = (number + 1) * SLOTS / masters.len() - 1;
            master.ask(&format!("CLUSTER ADDSLOTSRANGE {from} {to}"))?;
        }
        wait_until(|| self.nodes.iter().all(|node| self.is_whole(node)))?;
        let id = first.ask("CLUSTER MYID")?;
        for replica in replicas {
            wait_until(|| replica.ask(&format!("CLUSTER REPLICATE {id}")).is_ok())?;
        }
        for replica in replicas {
            let is_linked = |info: String| info.contains("master_link_status:up");
            wait_until(|| replica.ask("INFO replication").is_ok_and(is_linked))?;
        }
        Ok(())
    }

    /// Returns whether a node knows all others and all slots.
    fn is_whole(&self, node: &RedisNode) -> bool {
        let nodes = format!("cluster_known_nodes:{}\r", self.nodes.len());
        node.ask("CLUSTER INFO")
            .is_ok_and(|info| info.contains("cluster_state:ok") && info.contains(&nodes))
    }

    /// Returns the URLs of all nodes: masters first, then the replicas of the first one.
    #[must_use]
    pub fn urls(&self) -> Vec<String> {
        self.nodes.iter().map(|node| format!("redis://127.0.0.1:{}/", node.port)).collect()
    }

    /// Kills a node with `SIGKILL`.
    ///
    /// # Errors
    /// The system's error.
    pub fn kill(&mut self, node: usize) -> io::Result<()> {
        self.nodes.get_mut(node).map_or(Ok(()), RedisNode::kill)
    }

    /// Waits until a replica has replaced the first master, which was killed.
    ///
    /// # Errors
    /// An error that says that it has not.
    pub fn wait_for_failover(&self) -> io::Result<()> {
        let replicas = self.nodes.get(self.masters..).unwrap_or_default();
        let is_master = |node: &RedisNode| {
            node.ask("INFO replication").is_ok_and(|info| info.contains("role:master"))
                && node.ask("CLUSTER INFO").is_ok_and(|info| info.contains("cluster_state:ok"))
        };
        wait_until(|| replicas.iter().any(is_master))
    }
}

impl std::fmt::Debug for RedisCluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisCluster").field("urls", &self.urls()).finish_non_exhaustive()
    }
}

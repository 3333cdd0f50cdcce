//! A Redis server with a replica and a sentinel.

use std::{fs, io};

use super::{
    process::{Folder, find_program},
    redis_node::{RedisNode, wait_until},
};

/// The time in milliseconds after which a master that does not answer is replaced.
const DOWN_AFTER: &str = "1000";

/// A Redis server, a replica of it, and a sentinel that replaces one by the other. The sentinel's
/// name for the master is `mymaster`.
///
/// # Examples
///
/// ```no_run
/// use conversant_testkit::servers::RedisSentinel;
///
/// # fn main() -> std::io::Result<()> {
/// let Some(mut servers) = RedisSentinel::start()? else { return Ok(()) };
/// println!("{}", servers.sentinel_url());
/// servers.kill_master()?;
/// # Ok(())
/// # }
/// ```
pub struct RedisSentinel {
    master: RedisNode,
    _replica: RedisNode,
    sentinel: RedisNode,
    /// Removed after the servers have ended.
    _folder: Folder,
}

impl RedisSentinel {
    /// Starts the three. Returns `None` if Redis is not installed.
    ///
    /// # Errors
    /// The system's error, or one that says that a server did not start.
    pub fn start() -> io::Result<Option<Self>> {
        if find_program("redis-server").is_none() {
            return Ok(None);
        }
        let folder = Folder::new("redis-sentinel")?;
        let owned = |settings: &[&str]| settings.iter().map(|&one| one.to_owned()).collect();
        let base: Vec<String> = owned(&["--save", "", "--repl-diskless-sync-delay", "0"]);
        let master = RedisNode::start(folder.path(), &base)?;
        let port = master.port.to_string();
        let mut settings = base;
        settings.extend(["--replicaof", "127.0.0.1", &port].map(str::to_owned));
        let replica = RedisNode::start(folder.path(), &settings)?;
        let is_linked = |info: String| info.contains("master_link_status:up");
        wait_until(|| replica.ask("INFO replication").is_ok_and(is_linked))?;
        let file = folder.path().join("sentinel.conf");
        let settings = format!(
            "sentinel monitor mymaster 127.0.0.1 {port} 1\n\
             sentinel down-after-milliseconds mymaster {DOWN_AFTER}\n\
             sentinel failover-timeout mymaster 5000\n"
        );
        fs::write(&file, settings)?;
        let settings = owned(&[&file.to_string_lossy(), "--sentinel"]);
        let sentinel = RedisNode::start(folder.path(), &settings)?;
        let knows_replica = |info: String| info.contains("slaves=1");
        wait_until(|| sentinel.ask("INFO sentinel").is_ok_and(knows_replica))?;
        Ok(Some(Self { master, _replica: replica, sentinel, _folder: folder }))
    }

    /// Returns the URL of the sentinel.
    #[must_use]
    pub fn sentinel_url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.sentinel.port)
    }

    /// Kills the master with `SIGKILL`. The sentinel replaces it a moment later.
    ///
    /// # Errors
    /// The system's error.
    pub fn kill_master(&mut self) -> io::Result<()> {
        self.master.kill()
    }
}

impl std::fmt::Debug for RedisSentinel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisSentinel")
            .field("sentinel", &self.sentinel_url())
            .finish_non_exhaustive()
    }
}

//! Servers of a test's own: PostgreSQL and Redis from the installed programs, on the loopback
//! interface, to be killed, restarted and restored.
//!
//! A server has a folder of its own and ends with its value. Where the programs are not installed,
//! [`PostgresServer::start`] and [`RedisServer::start`] return `None`, and the test should say
//! that it did not run.
//!
//! The functions block. On a Tokio runtime, call them in `spawn_blocking`.

mod counting_proxy;
mod port;
mod postgres;
mod process;
mod redis;
mod redis_cluster;
mod redis_node;
mod redis_sentinel;
mod server;

pub use self::{
    counting_proxy::{CountingProxy, Traffic},
    postgres::PostgresServer,
    redis::RedisServer,
    redis_cluster::RedisCluster,
    redis_sentinel::RedisSentinel,
    server::Server,
};

//! A proxy that counts what goes through it.

use std::{
    fmt, io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    task::{JoinHandle, JoinSet},
};

/// The size of the buffer of a direction, in bytes.
const BUFFER: usize = 64 * 1024;

/// A proxy on the loopback interface that counts the bytes and the round trips between a client and
/// a server, for tests that limit them.
///
/// # Examples
///
/// ```no_run
/// use conversant_testkit::servers::CountingProxy;
///
/// # async fn run() -> std::io::Result<()> {
/// let proxy = CountingProxy::start("127.0.0.1:6379").await?;
/// let url = format!("redis://{}/", proxy.address());
/// let before = proxy.traffic();
/// // Connect to `url`, and do something.
/// assert_eq!(proxy.traffic().round_trips - before.round_trips, 0);
/// # Ok(())
/// # }
/// ```
pub struct CountingProxy {
    address: SocketAddr,
    counters: Arc<Counters>,
    task: JoinHandle<()>,
}

/// The traffic through a [`CountingProxy`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Traffic {
    /// How often a client has sent something after it had read, or at its begin.
    pub round_trips: u64,
    /// The bytes that clients have sent.
    pub sent: u64,
    /// The bytes that the server has sent.
    pub received: u64,
}

#[derive(Default)]
struct Counters {
    round_trips: AtomicU64,
    sent: AtomicU64,
    received: AtomicU64,
}

impl CountingProxy {
    /// Starts a proxy to a server, on the present Tokio runtime. It ends when it is dropped, with
    /// its connections.
    ///
    /// # Errors
    /// The system's error.
    pub async fn start(server: impl Into<String>) -> io::Result<Self> {
        let server = server.into();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let counters = Arc::<Counters>::default();
        let shared = Arc::clone(&counters);
        let task = tokio::spawn(async move {
            // Dropped with this task, it ends theirs.
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                if let Ok(server) = TcpStream::connect(&server).await {
                    connect(client, server, &shared, &mut connections);
                }
                while connections.try_join_next().is_some() {}
            }
        });
        Ok(Self { address, counters, task })
    }

    /// Returns the address of the proxy.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns what has gone through it so far.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        let count = |counter: &AtomicU64| counter.load(Ordering::SeqCst);
        let Counters { round_trips, sent, received } = &*self.counters;
        Traffic { round_trips: count(round_trips), sent: count(sent), received: count(received) }
    }
}

impl Drop for CountingProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl fmt::Debug for CountingProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CountingProxy")
            .field("address", &self.address)
            .field("traffic", &self.traffic())
            .finish_non_exhaustive()
    }
}

/// Copies both directions of a connection, each in a task that ends with it.
fn connect(
    client: TcpStream,
    server: TcpStream,
    counters: &Arc<Counters>,
    connections: &mut JoinSet<()>,
) {
    // Small packets are not held back.
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let is_answered = Arc::new(AtomicBool::new(true));
    let (up, down) = (Arc::clone(counters), Arc::clone(counters));
    let answered = Arc::clone(&is_answered);
    connections.spawn(copy(from_client, to_server, move |bytes| {
        up.sent.fetch_add(bytes, Ordering::SeqCst);
        if is_answered.swap(false, Ordering::SeqCst) {
            up.round_trips.fetch_add(1, Ordering::SeqCst);
        }
    }));
    connections.spawn(copy(from_server, to_client, move |bytes| {
        down.received.fetch_add(bytes, Ordering::SeqCst);
        answered.store(true, Ordering::SeqCst);
    }));
}

async fn copy(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, count: impl Fn(u64) + Send) {
    let mut buffer = vec![0; BUFFER];
    while let Ok(bytes @ 1..) = from.read(&mut buffer).await {
        count(bytes as u64);
        let read = buffer.get(..bytes).unwrap_or_default();
        if to.write_all(read).await.is_err() {
            return;
        }
    }
    let _ = to.shutdown().await;
}

//! Servers that accept connections and do not answer, and connections that break: the history goes
//! on where there is time.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use conversant_core::{ChatHistory, Expect, HistoryError, Range, SessionId, Turn};
use conversant_harness::Tested;
use conversant_history_postgres::PostgresHistory;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy},
    net::{TcpListener, TcpStream},
    sync::Notify,
    task::JoinSet,
};

use crate::server::Server;

const ORDER: Ordering = Ordering::SeqCst;

/// A proxy whose connections are silent or break.
struct Proxy {
    address: SocketAddr,
    state: Arc<State>,
    _tasks: JoinSet<()>,
}

#[derive(Default)]
struct State {
    /// The number of new connections that get no answer.
    silent: AtomicUsize,
    /// The number of requests that get no answer.
    swallowed: AtomicUsize,
    /// The number of requests at which their connection is closed.
    breaking: AtomicUsize,
    closing: Notify,
}

impl Proxy {
    async fn start(server: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, state) = (listener.local_addr().unwrap(), Arc::<State>::default());
        let (shared, mut tasks) = (Arc::clone(&state), JoinSet::new());
        tasks.spawn(async move {
            let (mut connections, mut silent) = (JoinSet::new(), Vec::new());
            while let Ok((client, _)) = listener.accept().await {
                if is_next(&shared.silent) {
                    silent.push(client);
                    continue;
                }
                let (state, server) = (Arc::clone(&shared), server.clone());
                connections.spawn(async move {
                    let closed = state.closing.notified();
                    tokio::select! {
                        () = closed => {}
                        _ = relay(client, server, &state) => {}
                    }
                });
            }
        });
        Self { address, state, _tasks: tasks }
    }

    /// Closes all connections. The next ones get no answer.
    fn fall_silent(&self, connections: usize) {
        self.state.silent.store(connections, ORDER);
        self.state.closing.notify_waiters();
    }
}

/// Returns whether a number was left, and reduces it.
fn is_next(left: &AtomicUsize) -> bool {
    left.fetch_update(ORDER, ORDER, |left| left.checked_sub(1)).is_ok()
}

async fn relay(client: TcpStream, server: String, state: &State) -> io::Result<()> {
    let (mut client_read, mut client_write) = client.into_split();
    let (mut server_read, mut server_write) = TcpStream::connect(server).await?.into_split();
    let mut buffer = vec![0; 65_536];
    loop {
        tokio::select! {
            count = client_read.read(&mut buffer) => {
                let count = count?;
                // A statement, not the begin of a connection.
                let is_request = matches!(buffer[..count].first(), Some(b'P' | b'Q' | b'B'));
                if count == 0 || is_request && is_next(&state.breaking) {
                    return Ok(());
                }
                if !(is_request && is_next(&state.swallowed)) {
                    server_write.write_all(&buffer[..count]).await?;
                }
            }
            copied = copy(&mut server_read, &mut client_write) => return copied.map(drop),
        }
    }
}

/// Returns the parts of a URL before, of and after the address of its server.
fn parts(url: &str) -> (String, String, String) {
    let (scheme, rest) = url.split_once("//").unwrap();
    let (login, rest) = rest.rsplit_once('@').unwrap();
    let (address, rest) = rest.split_once('/').unwrap();
    (format!("{scheme}//{login}@"), address.to_owned(), format!("/{rest}"))
}

async fn proxied(server: &Server) -> (Proxy, String) {
    let (before, address, after) = parts(&server.url);
    let proxy = Proxy::start(address).await;
    let url = format!("{before}{}{after}", proxy.address);
    (proxy, url)
}

fn session() -> SessionId {
    SessionId::new("s").unwrap()
}

/// The machine of the first address is frozen, or gone without a word.
pub(crate) async fn a_silent_address_leaves_time_for_the_next() -> Tested {
    let server = Server::start().await?;
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (before, address, after) = parts(&server.url);
    let url = format!("{before}{},{address}{after}", silent.local_addr().unwrap());
    let builder = PostgresHistory::builder(url).connect_timeout(Duration::from_secs(2));
    let history = builder.connect().await.unwrap();
    history.append(&session(), &Turn::exchange("hi", "hello"), Expect::Any).await.unwrap();
    assert_eq!(history.load(&session(), Range::All).await.unwrap().messages.len(), 2);
    server.stop().await;
    Ok(())
}

/// A machine that restarts: connections break, and new ones get no answer for a while.
pub(crate) async fn a_server_that_falls_silent_is_waited_for() -> Tested {
    let server = Server::start().await?;
    let (proxy, url) = proxied(&server).await;
    let builder = PostgresHistory::builder(&url).connect_timeout(Duration::from_secs(1));
    let history = loop {
        // A loaded machine may take longer to connect.
        if let Ok(history) = builder.clone().connect().await {
            break history;
        }
    };
    let turn = Turn::exchange("hi", "hello");
    proxy.fall_silent(2);
    history.append(&session(), &turn, Expect::Any).await.unwrap();
    proxy.fall_silent(2);
    assert_eq!(history.load(&session(), Range::All).await.unwrap().messages.len(), 2);
    // The first connection is not waited for, since its address may be wrong.
    proxy.fall_silent(1);
    let first = builder.connect().await;
    assert!(matches!(first, Err(HistoryError::Backend { .. })), "{first:?}");
    server.stop().await;
    Ok(())
}

/// The statements that settle an earlier write are tried again as all others are.
pub(crate) async fn a_session_is_settled_although_connections_break() -> Tested {
    let server = Server::start().await?;
    let (proxy, url) = proxied(&server).await;
    let builder = PostgresHistory::builder(&url).operation_timeout(Duration::from_secs(3));
    let history = builder.connect().await.unwrap();
    let turn = Turn::exchange("hi", "hello");
    proxy.state.swallowed.store(1, ORDER);
    let lost = history.append(&session(), &turn, Expect::Any).await;
    assert!(matches!(lost, Err(HistoryError::TimedOut { .. })), "{lost:?}");
    proxy.state.breaking.store(3, ORDER);
    let second = Turn::exchange("again", "hello");
    history.append(&session(), &second, Expect::Any).await.unwrap();
    assert_eq!(proxy.state.breaking.load(ORDER), 0);
    assert_eq!(history.turns(&session(), Range::All).await.unwrap(), [second]);
    server.stop().await;
    Ok(())
}

//! A TCP proxy that breaks, cuts and holds connections.

use std::{
    collections::BTreeSet,
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{Notify, watch},
    task::{JoinHandle, JoinSet},
};

const ORDER: Ordering = Ordering::SeqCst;

/// A proxy between a client and a server. It ends when it is dropped, with its connections.
pub(super) struct Proxy {
    address: SocketAddr,
    state: Arc<State>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct State {
    /// The number of answers in place of which the connection breaks.
    swallowed: AtomicUsize,
    /// The number of bytes of answers after which the connection breaks, plus 1; 0 for no limit.
    cut: AtomicUsize,
    broken: Notify,
    /// The number of requests that pass before all are held; 0 for no limit.
    passing: AtomicUsize,
    held: watch::Sender<Hold>,
    set_aside: Notify,
    /// The numbers of the connections that are open.
    open: watch::Sender<BTreeSet<usize>>,
}

/// The connections whose requests are held.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Hold {
    #[default]
    None,
    All,
    /// Those that were accepted before this one.
    Before(usize),
}

impl Hold {
    const fn is_of(self, connection: usize) -> bool {
        match self {
            Self::None => false,
            Self::All => true,
            Self::Before(next) => connection < next,
        }
    }
}

impl Proxy {
    pub(super) async fn start(server: &str) -> io::Result<Self> {
        let (server, state) = (server.to_owned(), Arc::new(State::default()));
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let (address, shared) = (listener.local_addr()?, Arc::clone(&state));
        let task = tokio::spawn(async move {
            // Dropped with this task, it ends theirs.
            let (mut number, mut connections) = (0, JoinSet::new());
            while let Ok((client, _)) = listener.accept().await {
                let (server, state) = (server.clone(), Arc::clone(&shared));
                state.open.send_modify(|open| {
                    open.insert(number);
                });
                connections.spawn(async move {
                    if let Ok(server) = TcpStream::connect(server).await {
                        // Small packets are not held back.
                        let _ = (client.set_nodelay(true), server.set_nodelay(true));
                        relay(number, client, server, &state).await;
                    }
                    state.open.send_modify(|open| {
                        open.remove(&number);
                    });
                });
                while connections.try_join_next().is_some() {}
                number += 1;
            }
        });
        Ok(Self { address, state, task })
    }

    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Breaks the connection in place of the next answer: the server completes the request, and the
    /// client does not receive the result.
    pub(super) fn swallow_answer(&self) {
        self.state.swallowed.store(1, ORDER);
    }

    /// Breaks a connection once this many bytes of answers have passed.
    pub(super) fn cut_answers_after(&self, bytes: usize) {
        self.state.cut.store(bytes + 1, ORDER);
    }

    /// Lets answers pass again.
    pub(super) fn heal(&self) {
        self.state.cut.store(0, ORDER);
    }

    /// Breaks all connections.
    pub(super) fn break_connections(&self) {
        self.state.broken.notify_waiters();
    }

    /// Holds all requests. They reach the server at [`release`](Self::release), even if their
    /// client has disconnected.
    pub(super) fn hold(&self) {
        self.state.held.send_replace(Hold::All);
    }

    /// Holds all requests after the next ones.
    pub(super) fn hold_after(&self, requests: usize) {
        match requests {
            0 => self.hold(),
            _ => self.state.passing.store(requests, ORDER),
        }
    }

    /// Closes the connections to the clients, and holds what they have sent. New connections are
    /// served.
    pub(super) fn set_aside(&self) {
        self.state.passing.store(0, ORDER);
        let next = self.state.open.borrow().last().map_or(0, |last| last + 1);
        self.state.held.send_replace(Hold::Before(next));
        self.state.set_aside.notify_waiters();
    }

    /// Holds all requests of the connections that there are, which stay open. New connections are
    /// served.
    pub(super) fn freeze(&self) {
        let next = self.state.open.borrow().last().map_or(0, |last| last + 1);
        self.state.held.send_replace(Hold::Before(next));
    }

    /// Sends the server what was held of connections that were set aside, and waits until it has
    /// closed them.
    pub(super) async fn deliver(&self) {
        let Hold::Before(next) = self.state.held.send_replace(Hold::None) else { return };
        let mut open = self.state.open.subscribe();
        let _ = open.wait_for(|open| open.first().is_none_or(|first| *first >= next)).await;
    }

    pub(super) fn release(&self) {
        self.state.held.send_replace(Hold::None);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Passes bytes on until the server ends the connection or the proxy breaks it.
async fn relay(number: usize, client: TcpStream, server: TcpStream, state: &State) {
    let (client_read, client_write) = client.into_split();
    let (server_read, server_write) = server.into_split();
    let requests = async {
        let _ = pass_requests(number, client_read, server_write, state).await;
        // The server ends the connection once it has read all.
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = state.broken.notified() => {}
        () = pass_answers(server_read, client_write, state) => {}
        () = requests => {}
    }
}

async fn pass_requests(
    number: usize,
    mut client: impl AsyncRead + Unpin,
    mut server: impl AsyncWrite + Unpin,
    state: &State,
) -> io::Result<()> {
    let (mut buffer, mut held) = (vec![0; 65_536], state.held.subscribe());
    loop {
        let count = client.read(&mut buffer).await.unwrap_or(0);
        let _ = held.wait_for(|hold| !hold.is_of(number)).await;
        match buffer.get(..count) {
            Some(bytes) if count > 0 => server.write_all(bytes).await?,
            _ => return server.shutdown().await,
        }
        let less = |left: usize| left.checked_sub(1);
        if state.passing.fetch_update(ORDER, ORDER, less) == Ok(1) {
            state.held.send_replace(Hold::All);
        }
    }
}

async fn pass_answers(
    mut server: impl AsyncRead + Unpin,
    mut client: impl AsyncWrite + Unpin,
    state: &State,
) {
    let mut buffer = vec![0; 65_536];
    let set_aside = state.set_aside.notified();
    tokio::pin!(set_aside);
    let mut is_aside = false;
    loop {
        let count = tokio::select! {
            () = &mut set_aside, if !is_aside => {
                is_aside = true;
                let _ = client.shutdown().await;
                continue;
            }
            count = server.read(&mut buffer) => count.unwrap_or(0),
        };
        let less = |left: usize| left.checked_sub(1);
        if count == 0 || state.swallowed.fetch_update(ORDER, ORDER, less).is_ok() {
            return;
        }
        let cut = state.cut.load(ORDER);
        let passed = if cut == 0 { count } else { count.min(cut - 1) };
        if cut > 0 {
            state.cut.store(cut - passed, ORDER);
        }
        // A client that has disconnected does not end the connection, since its request may be in
        // progress.
        let _ = client.write_all(buffer.get(..passed).unwrap_or_default()).await;
        if passed < count {
            return;
        }
    }
}

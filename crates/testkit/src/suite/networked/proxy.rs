//! A TCP proxy that breaks, cuts and holds connections.

use std::{
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
    task::JoinHandle,
};

/// A proxy between a client and a server. It ends when it is dropped.
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
    /// Whether requests are held.
    held: watch::Sender<bool>,
}

impl Proxy {
    pub(super) async fn start(server: &str) -> io::Result<Self> {
        let (server, state) = (server.to_owned(), Arc::new(State::default()));
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let (address, shared) = (listener.local_addr()?, Arc::clone(&state));
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (server, state) = (server.clone(), Arc::clone(&shared));
                tokio::spawn(async move {
                    if let Ok(server) = TcpStream::connect(server).await {
                        relay(client, server, &state).await;
                    }
                });
            }
        });
        Ok(Self { address, state, task })
    }

    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Breaks the connection in place of the next answer: the server does what it was asked, and
    /// the client does not hear of it.
    pub(super) fn swallow_answer(&self) {
        self.state.swallowed.store(1, Ordering::SeqCst);
    }

    /// Breaks a connection once this many bytes of answers have passed.
    pub(super) fn cut_answers_after(&self, bytes: usize) {
        self.state.cut.store(bytes + 1, Ordering::SeqCst);
    }

    /// Lets answers pass again.
    pub(super) fn heal(&self) {
        self.state.cut.store(0, Ordering::SeqCst);
    }

    /// Breaks all connections.
    pub(super) fn break_connections(&self) {
        self.state.broken.notify_waiters();
    }

    /// Holds all requests. They reach the server at [`release`](Self::release), also if their
    /// client has gone.
    pub(super) fn hold(&self) {
        self.state.held.send_replace(true);
    }

    pub(super) fn release(&self) {
        self.state.held.send_replace(false);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Passes bytes on until the server ends the connection or the proxy breaks it.
async fn relay(client: TcpStream, server: TcpStream, state: &State) {
    let (client_read, client_write) = client.into_split();
    let (server_read, server_write) = server.into_split();
    let requests = async {
        let _ = pass_requests(client_read, server_write, state).await;
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
    mut client: impl AsyncRead + Unpin,
    mut server: impl AsyncWrite + Unpin,
    state: &State,
) -> io::Result<()> {
    let (mut buffer, mut held) = (vec![0; 65_536], state.held.subscribe());
    loop {
        let count = client.read(&mut buffer).await.unwrap_or(0);
        let _ = held.wait_for(|is_held| !is_held).await;
        match buffer.get(..count) {
            Some(bytes) if count > 0 => server.write_all(bytes).await?,
            _ => return server.shutdown().await,
        }
    }
}

async fn pass_answers(
    mut server: impl AsyncRead + Unpin,
    mut client: impl AsyncWrite + Unpin,
    state: &State,
) {
    let mut buffer = vec![0; 65_536];
    loop {
        let count = server.read(&mut buffer).await.unwrap_or(0);
        let less = |left: usize| left.checked_sub(1);
        let order = Ordering::SeqCst;
        if count == 0 || state.swallowed.fetch_update(order, order, less).is_ok() {
            return;
        }
        let cut = state.cut.load(order);
        let passed = if cut == 0 { count } else { count.min(cut - 1) };
        if cut > 0 {
            state.cut.store(cut - passed, order);
        }
        // A client that has gone does not end the connection: its request may be under way.
        let _ = client.write_all(buffer.get(..passed).unwrap_or_default()).await;
        if passed < count {
            return;
        }
    }
}

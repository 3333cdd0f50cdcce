//! Connections that hang or were closed, and a server that restarts: the history recovers.

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
use conversant_history_redis::RedisHistory;
use conversant_testkit::servers::{RedisCluster, RedisServer};
use redis::aio::MultiplexedConnection;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy},
    net::{TcpListener, TcpStream},
    task::{JoinSet, spawn_blocking},
};

use crate::server::{Server, chain, not_installed};

/// A proxy that can freeze its connections, and answer in the place of a server that loads its
/// data.
struct Proxy {
    address: SocketAddr,
    state: Arc<State>,
    _tasks: JoinSet<()>,
}

#[derive(Default)]
struct State {
    accepted: AtomicUsize,
    /// The connections before this one hang.
    frozen: AtomicUsize,
    /// The requests that were sent on connections that hang.
    swallowed: AtomicUsize,
    /// The number of requests to refuse.
    loading: AtomicUsize,
}

const ORDER: Ordering = Ordering::SeqCst;

impl Proxy {
    async fn start(server: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, state) = (listener.local_addr().unwrap(), Arc::<State>::default());
        let (shared, mut tasks) = (Arc::clone(&state), JoinSet::new());
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let number = shared.accepted.fetch_add(1, ORDER);
                let (state, server) = (Arc::clone(&shared), server.clone());
                connections.spawn(async move {
                    let _ = relay(number, client, server, &state).await;
                });
            }
        });
        Self { address, state, _tasks: tasks }
    }

    fn freeze(&self) {
        self.state.frozen.store(self.state.accepted.load(ORDER), ORDER);
    }

    fn swallowed(&self) -> usize {
        self.state.swallowed.load(ORDER)
    }

    /// Refuses the next requests, as a server does that loads its data.
    fn refuse(&self, requests: usize) {
        self.state.loading.store(requests, ORDER);
    }
}

async fn relay(number: usize, client: TcpStream, server: String, state: &State) -> io::Result<()> {
    let (mut client_read, mut client_write) = client.into_split();
    let (mut server_read, mut server_write) = TcpStream::connect(server).await?.into_split();
    let mut buffer = vec![0; 65_536];
    loop {
        tokio::select! {
            count = client_read.read(&mut buffer) => match count? {
                0 => return Ok(()),
                _ if number < state.frozen.load(ORDER) => {
                    state.swallowed.fetch_add(1, ORDER);
                }
                count => {
                    let request = &buffer[..count];
                    // What a client sends first is not refused.
                    let is_first = request.windows(7).any(|word| word == b"SETINFO");
                    let less = |left: usize| left.checked_sub(1);
                    if !is_first && state.loading.fetch_update(ORDER, ORDER, less).is_ok() {
                        let refusal = b"-LOADING Redis is loading the dataset in memory\r\n";
                        client_write.write_all(refusal).await?;
                    } else {
                        server_write.write_all(request).await?;
                    }
                }
            },
            copied = copy(&mut server_read, &mut client_write) => return copied.map(drop),
        }
    }
}

fn session() -> SessionId {
    SessionId::new("s").unwrap()
}

/// Starts a proxy to the server, and returns its URL.
async fn proxied(server: &Server) -> (Proxy, String) {
    let (scheme, rest) = server.url.split_once("//").unwrap();
    let (address, rest) = rest.split_once('/').unwrap();
    let (login, address) = match address.rsplit_once('@') {
        Some((login, address)) => (format!("{login}@"), address),
        None => (String::new(), address),
    };
    let proxy = Proxy::start(address.to_owned()).await;
    let url = format!("{scheme}//{login}{}/{rest}", proxy.address);
    (proxy, url)
}

/// A frozen balancer, or a firewall that has forgotten the connections: they take what is sent, and
/// nothing is answered. The first operation notices it, whichever of the two times ends first, and
/// no other one meets a link from before.
pub(crate) async fn links_that_hang_are_all_replaced_by_one_operation() -> Tested {
    let server = Server::start().await?;
    let (short, long) = (Duration::from_secs(1), Duration::from_secs(60));
    for (connect, operation) in [(short, long), (long, short)] {
        let (proxy, url) = proxied(&server).await;
        let builder = RedisHistory::builder(url).prefix(&server.prefix).connect_timeout(connect);
        let history = builder.operation_timeout(operation).connect().await.unwrap();
        history.append(&session(), &Turn::exchange("hi", "hello"), Expect::Any).await.unwrap();
        proxy.freeze();
        let first = history.load(&session(), Range::All).await;
        match first {
            Ok(slice) if connect == short => assert!(!slice.messages.is_empty()),
            Err(HistoryError::TimedOut { .. }) if operation == short => {}
            other => panic!("{other:?}"),
        }
        for _ in 0..8 {
            history.load(&session(), Range::All).await.unwrap();
        }
        assert_eq!(proxy.swallowed(), 1);
    }
    server.stop().await;
    Ok(())
}

/// The silent node announces the address of the proxy. The connections to the other one stay.
pub(crate) async fn a_silent_node_of_a_cluster_costs_the_others_nothing() -> Tested {
    let started = spawn_blocking(|| RedisCluster::start(2, 0).unwrap()).await.unwrap();
    let cluster = started.ok_or_else(not_installed)?;
    let [silent, other] = <[String; 2]>::try_from(cluster.urls()).unwrap();
    let address = silent.split("//").nth(1).unwrap().trim_end_matches('/');
    let proxy = Proxy::start(address.to_owned()).await;
    let port = proxy.address.port();
    let [mut of_silent, mut of_other] = [control(&silent).await, control(&other).await];
    let mut announce = redis::cmd("CONFIG");
    announce.arg("SET").arg("cluster-announce-port").arg(port);
    announce.query_async::<()>(&mut of_silent).await.unwrap();
    let (mut nodes, known) = (redis::cmd("CLUSTER"), format!(":{port}@"));
    nodes.arg("NODES");
    while !nodes.query_async::<String>(&mut of_other).await.unwrap().contains(&known) {}
    let builder = RedisHistory::cluster([format!("redis://{}/", proxy.address), other]);
    let builder = builder.connect_timeout(Duration::from_secs(1));
    let history = builder.operation_timeout(Duration::from_secs(3)).connect().await.unwrap();
    let sessions = ["a", "b", "c", "d", "e", "f", "g", "h"].map(|id| SessionId::new(id).unwrap());
    for session in &sessions {
        history.append(session, &Turn::exchange("hi", "hello"), Expect::Any).await.unwrap();
    }
    let mut keys = redis::cmd("KEYS");
    let keys: Vec<String> = keys.arg("*").query_async(&mut of_other).await.unwrap();
    let is_served =
        |session: &SessionId| keys.iter().any(|key| key.contains(&format!("{{{session}}}")));
    let (served, lost): (Vec<_>, Vec<_>) = sessions.iter().partition(|id| is_served(id));
    assert!(!served.is_empty());
    let before = clients(&mut of_other).await;
    // New connections hang too.
    proxy.state.frozen.store(usize::MAX, ORDER);
    history.load(lost[0], Range::All).await.unwrap_err();
    for session in served {
        assert_eq!(history.load(session, Range::All).await.unwrap().messages.len(), 2);
    }
    assert_eq!(clients(&mut of_other).await, before);
    Ok(())
}

async fn control(url: &str) -> MultiplexedConnection {
    let client = redis::Client::open(url).unwrap();
    client.get_multiplexed_async_connection().await.unwrap()
}

/// Returns the ids of the connections of a server.
async fn clients(control: &mut MultiplexedConnection) -> Vec<String> {
    let mut list = redis::cmd("CLIENT");
    list.arg("LIST");
    let list: String = list.query_async(control).await.unwrap();
    list.lines().filter_map(|line| Some(line.split(' ').next()?.to_owned())).collect()
}

pub(crate) async fn a_server_that_loads_its_data_is_waited_for() -> Tested {
    let server = Server::start().await?;
    let (proxy, url) = proxied(&server).await;
    let builder = RedisHistory::builder(url).prefix(&server.prefix);
    let history = builder.clone().connect().await.unwrap();
    let turn = Turn::exchange("hi", "hello");
    proxy.refuse(6);
    history.append(&session(), &turn, Expect::Any).await.unwrap();
    proxy.refuse(6);
    assert_eq!(history.load(&session(), Range::All).await.unwrap().messages.len(), 2);
    proxy.refuse(6);
    builder.clone().connect().await.unwrap();
    // Once the time is over, the error says why, and the turn is known not to be stored.
    let hasty = builder.operation_timeout(Duration::from_secs(1)).connect().await.unwrap();
    let second = Turn::exchange("again", "hello");
    proxy.refuse(usize::MAX);
    let errors = [
        hasty.load(&session(), Range::All).await.map(drop).unwrap_err(),
        hasty.append(&session(), &second, Expect::Any).await.map(drop).unwrap_err(),
    ];
    for error in errors {
        assert!(matches!(error, HistoryError::Backend { .. }), "{error:?}");
        assert!(chain(&error).contains("LOADING"), "{}", chain(&error));
    }
    proxy.refuse(0);
    assert_eq!(hasty.load(&session(), Range::All).await.unwrap().messages.len(), 2);
    server.stop().await;
    Ok(())
}

/// All of them, as a server does that closes idle ones.
pub(crate) async fn connections_that_the_server_has_closed_are_replaced() -> Tested {
    let started = spawn_blocking(|| RedisServer::start(&[]).unwrap()).await.unwrap();
    let server = started.ok_or_else(not_installed)?;
    let history = RedisHistory::connect(server.url()).await.unwrap();
    let turn = Turn::exchange("hi", "hello");
    history.append(&session(), &turn, Expect::Any).await.unwrap();
    let client = redis::Client::open(server.url()).unwrap();
    let mut control = client.get_multiplexed_async_connection().await.unwrap();
    for _ in 0..8 {
        let mut close = redis::cmd("CLIENT");
        close.arg("KILL").arg("TYPE").arg("normal").arg("SKIPME").arg("yes");
        assert!(close.query_async::<u64>(&mut control).await.unwrap() > 0);
        let found = history.load(&session(), Range::All).await.unwrap();
        assert_eq!(found.messages.len(), 2);
    }
    Ok(())
}

/// Operations that begin while the server is away wait for it.
pub(crate) async fn a_server_that_restarts_is_waited_for_within_the_limit() -> Tested {
    let started = spawn_blocking(|| RedisServer::start(&[]).unwrap()).await.unwrap();
    let mut server = started.ok_or_else(not_installed)?;
    let history = RedisHistory::connect(server.url()).await.unwrap();
    let hasty = RedisHistory::builder(server.url()).operation_timeout(Duration::from_secs(1));
    let hasty = hasty.connect().await.unwrap();
    let [first, new] = ["first", "new"].map(|name| SessionId::new(name).unwrap());
    let [turn, second] = ["hi", "again"].map(|words| Turn::exchange(words, "hello"));
    history.append(&first, &turn, Expect::Any).await.unwrap();
    server.kill().unwrap();
    // Once the time is over, the error says why.
    let error = hasty.load(&first, Range::All).await.unwrap_err();
    assert!(matches!(error, HistoryError::Backend { .. }), "{error:?}");
    let error = hasty.append(&new, &turn, Expect::Any).await.unwrap_err();
    assert!(chain(&error).contains("refused"), "{}", chain(&error));
    let restarted = spawn_blocking(move || {
        server.restart().unwrap();
        server
    });
    // On the connections that broke, and without any.
    let (loaded, appended, listed, again, restarted) = tokio::join!(
        history.load(&first, Range::All),
        history.append(&new, &turn, Expect::Any),
        history.sessions(None, 9),
        history.append(&first, &second, Expect::Any),
        restarted,
    );
    assert_eq!(loaded.unwrap().messages.len(), 2);
    assert_eq!(appended.unwrap().messages, 2);
    assert!(listed.unwrap().contains(&first));
    assert_eq!(again.unwrap().messages, 4);
    drop(restarted.unwrap());
    Ok(())
}

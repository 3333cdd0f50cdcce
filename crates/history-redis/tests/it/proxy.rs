//! Connections that break: a proxy that swallows the server's answers, or breaks.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use conversant_core::{ChatHistory, Expect, Note, Range, SessionId, Turn};
use conversant_history_redis::RedisHistory;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Notify,
};

use crate::server::Server;

/// Between a client and the server.
struct Proxy {
    url: String,
    /// How many answers are still to be swallowed; the connection breaks then.
    swallow: Arc<AtomicUsize>,
    /// Breaks all connections.
    broken: Arc<Notify>,
}

impl Proxy {
    async fn start(url: &str) -> Self {
        let (before, rest) = url.split_once("//").unwrap();
        let (host, rest) = rest.split_once('/').unwrap();
        let (host, swallow) = (host.to_owned(), Arc::new(AtomicUsize::new(0)));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("{before}//{}/{rest}", listener.local_addr().unwrap());
        let (to_swallow, broken) = (Arc::clone(&swallow), Arc::new(Notify::new()));
        let breaking = Arc::clone(&broken);
        tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let server = TcpStream::connect(&host).await.unwrap();
                tokio::spawn(pass(client, server, Arc::clone(&to_swallow), Arc::clone(&breaking)));
            }
        });
        Self { url, swallow, broken }
    }
}

/// Passes bytes on until one side ends, or an answer is to be swallowed: the server did what it was asked, and nobody hears of it.
async fn pass(
    mut client: TcpStream,
    mut server: TcpStream,
    swallow: Arc<AtomicUsize>,
    broken: Arc<Notify>,
) {
    let (mut asked, mut answered) = (vec![0; 65_536], vec![0; 65_536]);
    loop {
        tokio::select! {
            () = broken.notified() => return,
            read = client.read(&mut asked) => match read {
                Ok(count) if count > 0 => server.write_all(&asked[..count]).await.unwrap(),
                _ => return,
            },
            read = server.read(&mut answered) => match read {
                Ok(count) if count > 0 => {
                    let less = |left: usize| left.checked_sub(1);
                    if swallow.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less).is_ok() {
                        return;
                    }
                    if client.write_all(&answered[..count]).await.is_err() {
                        return;
                    }
                }
                _ => return,
            },
        }
    }
}

#[tokio::test]
async fn a_lost_answer_is_settled_by_the_turn() {
    let Some(server) = Server::start("lost answers").await else { return };
    let proxy = Proxy::start(&server.url).await;
    let builder = RedisHistory::builder(&proxy.url).prefix(&server.prefix);
    let history = builder.connections(2).connect().await.unwrap();
    let session = SessionId::new("lost").unwrap();
    let mut turns = Vec::new();
    for number in 0..5 {
        let turn = Turn::exchange(format!("question {number}"), "answer");
        let seen = history.load(&session, Range::LastTurns(0)).await.unwrap().version;
        // The server appends the turn, and the connection breaks before it says so.
        proxy.swallow.store(1, Ordering::SeqCst);
        let version = history.append(&session, &turn, Expect::Exactly(seen)).await.unwrap();
        assert_eq!(version.messages, seen.messages + 2);
        turns.push(turn);
    }
    assert_eq!(history.turns(&session, Range::All).await.unwrap(), turns);

    let version = history.load(&session, Range::LastTurns(0)).await.unwrap().version;
    proxy.swallow.store(1, Ordering::SeqCst);
    history.put_note(&session, "summary", &Note::new("brief", version)).await.unwrap();
    proxy.swallow.store(1, Ordering::SeqCst);
    assert!(history.note(&session, "summary").await.unwrap().is_some());
    proxy.swallow.store(1, Ordering::SeqCst);
    let lease =
        history.lease(&session, std::time::Duration::from_secs(600)).await.unwrap().unwrap();
    proxy.swallow.store(1, Ordering::SeqCst);
    history.release(&lease).await.unwrap();
    history.lease(&session, std::time::Duration::from_secs(600)).await.unwrap().unwrap();
    proxy.swallow.store(1, Ordering::SeqCst);
    history.clear(&session).await.unwrap();
    let cleared = history.load(&session, Range::All).await.unwrap();
    assert!(cleared.messages.is_empty());
    assert!(cleared.version.epoch > version.epoch);
    proxy.swallow.store(1, Ordering::SeqCst);
    history.delete(&session).await.unwrap();
    assert_eq!(server.keys().await, ["epoch", "schema"]);
    server.stop().await;
}

#[tokio::test]
async fn a_server_that_ends_its_connections_is_asked_again() {
    let Some(server) = Server::start("connections that the server ends").await else { return };
    let proxy = Proxy::start(&server.url).await;
    let builder = RedisHistory::builder(&proxy.url).prefix(&server.prefix);
    let history = builder.connections(2).connect().await.unwrap();
    let session = SessionId::new("ended").unwrap();
    for number in 0..4 {
        let turn = Turn::exchange(format!("question {number}"), "answer");
        proxy.broken.notify_waiters();
        history.append(&session, &turn, Expect::Any).await.unwrap();
    }
    assert_eq!(history.load(&session, Range::All).await.unwrap().messages.len(), 8);
    server.stop().await;
}

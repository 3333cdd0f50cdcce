//! Statements are prepared on a connection to the server itself, and not behind a pooler.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use conversant_core::{ChatHistory, Expect, Range, SessionId, Turn};
use conversant_harness::Tested;
use conversant_history_postgres::PostgresHistory;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};

use crate::server::Server;

/// The type of the message with which a client sends the text of a statement, and that with which a
/// server begins: its process and a key.
const PARSE: u8 = b'P';
const BACKEND_KEY: u8 = b'K';

/// Passes messages on, and counts the texts of statements. As a pooler, it begins connections with
/// a process of its own.
#[derive(Default)]
struct Proxy {
    is_pooler: AtomicBool,
    parsed: AtomicUsize,
}

impl Proxy {
    /// Returns its address.
    async fn start(self: &Arc<Self>, server: String) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let proxy = Arc::clone(self);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let passed_on = TcpStream::connect(&server).await.unwrap();
                for connection in [&client, &passed_on] {
                    connection.set_nodelay(true).unwrap();
                }
                let (from_client, to_client) = client.into_split();
                let (from_server, to_server) = passed_on.into_split();
                // The first message of a client has no type.
                tokio::spawn(Arc::clone(&proxy).pass(from_client, to_server, 0));
                tokio::spawn(Arc::clone(&proxy).pass(from_server, to_client, 1));
            }
        });
        address
    }

    /// Passes messages on until the connection ends. `head` is the length of the first one's type.
    async fn pass(self: Arc<Self>, mut from: OwnedReadHalf, mut to: OwnedWriteHalf, head: usize) {
        let mut head = head;
        while let Ok(mut message) = read(&mut from, head).await {
            if head == 1 && message[0] == PARSE {
                self.parsed.fetch_add(1, Ordering::Relaxed);
            }
            if head == 1 && message[0] == BACKEND_KEY && self.is_pooler.load(Ordering::Relaxed) {
                message[5] ^= 0x40;
            }
            head = 1;
            if to.write_all(&message).await.is_err() {
                return;
            }
        }
    }
}

/// Reads a message: its type, its length without the type, and the rest.
async fn read(from: &mut OwnedReadHalf, head: usize) -> std::io::Result<Vec<u8>> {
    let mut message = vec![0; head + 4];
    from.read_exact(&mut message).await?;
    let length = u32::from_be_bytes(message[head..].try_into().unwrap());
    message.resize(head + length as usize, 0);
    from.read_exact(&mut message[head + 4..]).await?;
    Ok(message)
}

/// Returns the statements that were sent with their text in three calls after the first one.
async fn parsed_in_calls(proxy: &Proxy, history: &PostgresHistory, session: &SessionId) -> usize {
    let turn = || Turn::exchange("q", "a");
    let mut seen = history.append(session, &turn(), Expect::Any).await.unwrap();
    let mut before = 0;
    for number in 0..4 {
        if number == 1 {
            before = proxy.parsed.load(Ordering::Relaxed);
        }
        seen = history.load(session, Range::After(seen)).await.unwrap().version;
        seen = history.append(session, &turn(), Expect::SameEpoch(seen)).await.unwrap();
    }
    let found = history.load(session, Range::All).await.unwrap().messages.len();
    assert_eq!(found, 10);
    // The load of all turns is prepared when it is first used.
    proxy.parsed.load(Ordering::Relaxed) - before - 1
}

pub(crate) async fn statements_are_prepared_unless_a_pooler_is_in_between() -> Tested {
    let server = Server::start().await?;
    let (user, rest) = server.url.split_once('@').unwrap();
    let (address, rest) = rest.split_once('/').unwrap();
    let proxy = Arc::new(Proxy::default());
    let url = format!("{user}@{}/{rest}&sslmode=disable", proxy.start(address.to_owned()).await);
    let builder = || PostgresHistory::builder(&url).max_connections(1);
    let cases = [(false, None, 0), (true, None, 6), (true, Some(true), 0), (false, Some(false), 6)];
    for (number, (is_pooler, prepared, expected)) in cases.into_iter().enumerate() {
        proxy.is_pooler.store(is_pooler, Ordering::Relaxed);
        let builder = match prepared {
            Some(prepared) => builder().prepared_statements(prepared),
            None => builder(),
        };
        let history = builder.connect().await.unwrap();
        let session = SessionId::new(format!("{number}")).unwrap();
        let parsed = parsed_in_calls(&proxy, &history, &session).await;
        assert_eq!(parsed, expected, "a pooler: {is_pooler}, the setting: {prepared:?}");
    }
    server.stop().await;
    Ok(())
}

/// A pooler that hides itself, or a server that drops all statements, costs no call.
pub(crate) async fn a_statement_that_the_server_lost_is_sent_with_its_text() -> Tested {
    let server = Server::start().await?;
    let history = PostgresHistory::builder(&server.url).max_connections(1).connect().await.unwrap();
    let session = SessionId::new("s").unwrap();
    let seen = history.append(&session, &Turn::exchange("q", "a"), Expect::Any).await.unwrap();
    history.load(&session, Range::After(seen)).await.unwrap();
    let forget = "CREATE FUNCTION forget() RETURNS trigger LANGUAGE plpgsql AS \
        'BEGIN DEALLOCATE ALL; RETURN NULL; END'; \
        CREATE TRIGGER forget AFTER INSERT ON conversant_turns EXECUTE FUNCTION forget()";
    server.client.batch_execute(forget).await.unwrap();
    let turn = || Turn::exchange("q", "a");
    let mut seen = seen;
    for _ in 0..3 {
        seen = history.append(&session, &turn(), Expect::SameEpoch(seen)).await.unwrap();
        seen = history.load(&session, Range::After(seen)).await.unwrap().version;
    }
    let found = history.load(&session, Range::All).await.unwrap().messages.len();
    assert_eq!(found, 8);
    server.stop().await;
    Ok(())
}

//! Connections: their limits, and clients that hold them.

use std::time::Duration;

use conversant_testkit::ScriptedChat;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use web_chat::{listener::ConnectionLimits, service::Limits};

use crate::{
    client::{Events, ask, request},
    support::{Running, Settings},
};

const ONE: &str = "019ab000-0000-7000-8000-000000000001";

/// Clients that open connections and send half of a request, or ask for a stream and never read it.
pub(crate) async fn a_thousand_half_open_connections_do_not_hold_the_service() {
    let head_timeout = Duration::from_secs(2);
    let connections = ConnectionLimits { head_timeout, ..ConnectionLimits::default() };
    let limits = Limits { readers: 100, ..Limits::default() };
    let settings = Settings { connections, limits, ..Settings::default() };
    let chat = Running::with(ScriptedChat::new(["Still here."]), settings).await;
    let host = chat.address.to_string();
    let mut open = Vec::new();
    for number in 0..1000 {
        let mut socket = TcpStream::connect(chat.address).await.unwrap();
        let half = match number % 2 {
            0 => "GET / HTTP/1.1\r\nhost: ".to_owned(),
            _ => format!("POST /api/sessions/s/turns HTTP/1.1\r\nhost: {host}\r\n"),
        };
        // The service may have ended it already.
        let _ = socket.write_all(half.as_bytes()).await;
        open.push(socket);
    }
    assert_eq!(request(chat.address, "GET /", None).await.status, 200);
    let mut streams = Vec::new();
    for _ in 0..100 {
        streams.push(Events::open(chat.address, "s", None).await);
    }
    // One more is refused, with a reason; all else goes on.
    let refused = request(chat.address, "GET /api/sessions/s/events", None).await;
    assert_eq!((refused.status, refused.head.contains("retry-after: 1")), (503, true));
    assert_eq!(ask(chat.address, "s", ONE, "Hi").await, 202);
    let mut first = streams.swap_remove(0);
    assert_eq!(first.until("done").await.0, "Still here.");
    drop((open, streams, first));
}

/// A connection ends with its time, also in the middle of a stream of events.
pub(crate) async fn a_connection_ends_with_its_lifetime() {
    let time = Duration::from_millis(50);
    let connections =
        ConnectionLimits { lifetime: time, last_response: time, ..ConnectionLimits::default() };
    let settings = Settings { connections, ..Settings::default() };
    let chat = Running::with(ScriptedChat::new([""; 0]), settings).await;
    let mut socket = TcpStream::connect(chat.address).await.unwrap();
    let host = chat.address;
    let request = format!("GET /api/sessions/s/events HTTP/1.1\r\nhost: {host}\r\n\r\n");
    // The service may have ended it already.
    let _ = socket.write_all(request.as_bytes()).await;
    let mut received = Vec::new();
    let _ = timeout(Duration::from_secs(60), socket.read_to_end(&mut received)).await.unwrap();
}

/// A stream of events that is open when its connection has had its time goes on to its end.
pub(crate) async fn a_stream_outlives_the_lifetime_of_its_connection() {
    let lifetime = Duration::from_millis(300);
    let connections = ConnectionLimits { lifetime, ..ConnectionLimits::default() };
    let settings = Settings { connections, ..Settings::default() };
    let chat = Running::with(ScriptedChat::new(["Hi Ada!"]), settings).await;
    let mut events = Events::open(chat.address, "s", None).await;
    // A later connection that is not used ends when it has had its time.
    let mut later = TcpStream::connect(chat.address).await.unwrap();
    let mut received = Vec::new();
    let ended = later.read_to_end(&mut received);
    timeout(Duration::from_secs(60), ended).await.unwrap().unwrap();
    assert_eq!(ask(chat.address, "s", ONE, "I am Ada.").await, 202);
    assert_eq!(events.until("done").await.0, "Hi Ada!");
}

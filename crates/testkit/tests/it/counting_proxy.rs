//! The proxy that counts what goes through it.

use conversant_testkit::servers::CountingProxy;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

#[tokio::test]
async fn its_connections_end_with_it() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = CountingProxy::start(listener.local_addr().unwrap().to_string()).await.unwrap();
    let mut client = TcpStream::connect(proxy.address()).await.unwrap();
    let (mut server, _) = listener.accept().await.unwrap();
    let mut read = [0; 4];
    client.write_all(b"ping").await.unwrap();
    server.read_exact(&mut read).await.unwrap();
    server.write_all(b"pong").await.unwrap();
    client.read_exact(&mut read).await.unwrap();
    let traffic = proxy.traffic();
    assert_eq!((traffic.round_trips, traffic.sent, traffic.received), (1, 4, 4));
    drop(proxy);
    for end in [&mut client, &mut server] {
        assert_eq!(end.read(&mut read).await.unwrap_or_default(), 0);
    }
}

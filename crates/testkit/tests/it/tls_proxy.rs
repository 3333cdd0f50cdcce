//! The proxy that speaks TLS.

use conversant_testkit::{StartTls, TlsProxy};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

#[tokio::test]
async fn its_connections_end_with_it() {
    // No client accepts the certificate, so that the server is not reached.
    let proxy = TlsProxy::start("127.0.0.1:1", Some(StartTls::POSTGRES)).await.unwrap();
    let mut client = TcpStream::connect(("127.0.0.1", proxy.port())).await.unwrap();
    client.write_all(StartTls::POSTGRES.request).await.unwrap();
    let mut read = [0; 1];
    client.read_exact(&mut read).await.unwrap();
    assert_eq!((read.as_slice(), proxy.accepted()), (StartTls::POSTGRES.answer, 0));
    drop(proxy);
    assert_eq!(client.read(&mut read).await.unwrap_or_default(), 0);
}

//! A connection that takes little room in futures: what TLS needs is on the heap.
//!
//! hyper's futures have room for a connection several times over while it is made, so that a
//! thousand streams that are opened at once would hold megabytes which no one needs later.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_rustls::MaybeHttpsStream;
use hyper_util::{
    client::legacy::connect::{Connected, Connection},
    rt::TokioIo,
};
use tokio::net::TcpStream;

/// A connection to a server or to a proxy. TLS over TLS is of the same type, so that it is compiled
/// once.
#[derive(Debug)]
pub(super) enum NetworkStream {
    Tcp(TokioIo<TcpStream>),
    Tls(Box<MaybeHttpsStream<Self>>),
}

impl From<MaybeHttpsStream<Self>> for NetworkStream {
    fn from(stream: MaybeHttpsStream<Self>) -> Self {
        match stream {
            MaybeHttpsStream::Http(stream) => stream,
            tls @ MaybeHttpsStream::Https(_) => Self::Tls(Box::new(tls)),
        }
    }
}

/// Calls a method of the connection.
macro_rules! call {
    ($stream:expr, $method:ident($($argument:expr),*)) => {
        match $stream.get_mut() {
            NetworkStream::Tcp(tcp) => Pin::new(tcp).$method($($argument),*),
            NetworkStream::Tls(tls) => Pin::new(tls.as_mut()).$method($($argument),*),
        }
    };
}

impl Read for NetworkStream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        call!(self, poll_read(context, buffer))
    }
}

impl Write for NetworkStream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        call!(self, poll_write(context, buffer))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        call!(self, poll_flush(context))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        call!(self, poll_shutdown(context))
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Tcp(tcp) => tcp.is_write_vectored(),
            Self::Tls(tls) => tls.is_write_vectored(),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        call!(self, poll_write_vectored(context, buffers))
    }
}

impl Connection for NetworkStream {
    fn connected(&self) -> Connected {
        match self {
            Self::Tcp(tcp) => tcp.connected(),
            Self::Tls(tls) => tls.connected(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::NetworkStream;

    /// The most bytes of a connection: a few words, where rustls has a kilobyte and a half.
    const MAX_BYTES: usize = 64;

    #[test]
    fn a_connection_takes_little_room_in_futures() {
        let bytes = size_of::<NetworkStream>();
        assert!(bytes <= MAX_BYTES, "{bytes} bytes");
    }
}

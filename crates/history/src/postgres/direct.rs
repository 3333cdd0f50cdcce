//! Detects poolers, which give each transaction another connection of the server.
//!
//! A server begins a connection with the number of its process and a key for cancellations. A
//! pooler has numbers of its own, because it does not know yet which process will serve. The client
//! shows the number only in a request for cancellation, which is written to memory here.

use std::{
    future::{Ready, ready},
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use deadpool_postgres::{ClientWrapper, Hook, HookError};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::timeout,
};
use tokio_postgres::{
    CancelToken,
    tls::{ChannelBinding, TlsConnect, TlsStream},
};

/// The bytes of a request for cancellation: its length, its code, the process and the key.
const REQUEST_BYTES: usize = 16;

/// Whether all connections of a pool end at the server itself. It starts as `true`.
#[derive(Clone, Debug)]
pub(super) struct AreDirect(Arc<AtomicBool>);

impl Default for AreDirect {
    fn default() -> Self {
        Self(Arc::new(AtomicBool::new(true)))
    }
}

impl AreDirect {
    pub(super) fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn deny(&self) {
        self.0.store(false, Ordering::Relaxed);
    }

    /// Returns the hook that checks each new connection, in a time.
    pub(super) fn hook(&self, time: Duration) -> Hook {
        let direct = self.clone();
        Hook::async_fn(move |client, _| {
            let direct = direct.clone();
            Box::pin(async move {
                match timeout(time, is_direct(client)).await {
                    Ok(Ok(true)) => Ok(()),
                    Ok(Ok(false)) => {
                        direct.deny();
                        Ok(())
                    }
                    Ok(Err(error)) => Err(HookError::Backend(error)),
                    Err(_) => Err(HookError::message("the server did not answer in time")),
                }
            })
        })
    }
}

async fn is_direct(client: &ClientWrapper) -> Result<bool, tokio_postgres::Error> {
    let row = client.query_typed_one("SELECT pg_catalog.pg_backend_pid()", &[]).await?;
    let serving: i32 = row.try_get(0)?;
    Ok(announced_process(client.cancel_token()).await == Some(serving))
}

/// Returns the number of the process with which a connection began.
async fn announced_process(token: CancelToken) -> Option<i32> {
    let mut request = Recorder::default();
    token.cancel_query_raw(&mut request, Unencrypted).await.ok()?;
    let start = request.0.len().checked_sub(REQUEST_BYTES)?;
    let process = request.0.get(start + 8..start + 12)?;
    Some(i32::from_be_bytes(process.try_into().ok()?))
}

/// A connection that records what is sent, and agrees to encryption.
#[derive(Default)]
struct Recorder(Vec<u8>);

impl AsyncWrite for Recorder {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        sent: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.0.extend_from_slice(sent);
        Poll::Ready(Ok(sent.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Recorder {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        answer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if answer.remaining() > 0 {
            answer.put_slice(b"S");
        }
        Poll::Ready(Ok(()))
    }
}

impl TlsStream for &mut Recorder {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

/// The encryption of a [`Recorder`]: none, since nothing leaves the process.
struct Unencrypted;

impl<'r> TlsConnect<&'r mut Recorder> for Unencrypted {
    type Stream = &'r mut Recorder;
    type Error = io::Error;
    type Future = Ready<io::Result<&'r mut Recorder>>;

    fn connect(self, stream: &'r mut Recorder) -> Self::Future {
        ready(Ok(stream))
    }
}

//! The store under test, behind the suite's proxy.

use std::{future::Future, net::SocketAddr};

use conversant_core::HistoryError;

use super::{answered::answered, proxy::Proxy};
use crate::suite::check::Stop;

/// A store and how to open it through a proxy.
pub(super) struct Network<F> {
    server: String,
    open: F,
}

impl<F> Network<F> {
    pub(super) fn new(server: &str, open: F) -> Self {
        Self { server: server.to_owned(), open }
    }

    /// Starts a proxy, and opens the store through it.
    pub(super) async fn open<H, Fut>(&self) -> Result<(Proxy, H), Stop>
    where
        F: Fn(SocketAddr) -> Fut,
        Fut: Future<Output = Result<H, HistoryError>>,
    {
        let proxy = Proxy::start(&self.server).await?;
        // A loaded machine may need longer than the limit of an operation.
        let history = answered(|| (self.open)(proxy.address())).await?;
        Ok((proxy, history))
    }
}

//! Connections, within limits: none of them can hold the service, or its end, by being slow.

use std::{pin::pin, sync::Arc, time::Duration};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    time::{sleep, timeout},
};

/// The limits of connections.
#[derive(Debug, Clone, Copy)]
pub struct ConnectionLimits {
    /// The number at the same time. Others wait.
    pub max: usize,
    /// The time within which the head of a request must have come. A connection without one ends.
    pub head_timeout: Duration,
    /// The time after which a connection takes no more requests. One that runs is answered, with
    /// `Connection: close`.
    pub lifetime: Duration,
    /// The time that this last response has. The connection ends then, also in the middle of it.
    pub last_response: Duration,
    /// The time that requests have to end with the service.
    pub end_timeout: Duration,
}

impl Default for ConnectionLimits {
    /// Returns the limits of a service in general: 1,024 connections, 10 seconds for a head, 15
    /// minutes for a connection, 11 more for its last response, and 5 seconds for the end.
    fn default() -> Self {
        Self {
            max: 1024,
            head_timeout: Duration::from_secs(10),
            lifetime: Duration::from_secs(900),
            last_response: Duration::from_secs(660),
            end_timeout: Duration::from_secs(5),
        }
    }
}

/// The wait after a connection that could not be accepted, such as for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until a future ends, and then waits for the requests that run, within the limit.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: ConnectionLimits,
    end: impl Future<Output = ()>,
) {
    let places = Arc::new(Semaphore::new(limits.max));
    // Each connection has a receiver.
    let ending = watch::Sender::new(false);
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(limits.head_timeout);
    let mut end = pin!(end);
    loop {
        let accept = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (listener.accept().await, place)
        };
        let (accepted, place) = tokio::select! {
            accepted = accept => accepted,
            () = &mut end => break,
        };
        let Ok((socket, _)) = accepted else {
            sleep(ACCEPT_PAUSE).await;
            continue;
        };
        // Pieces of an answer are small, and must not wait for each other.
        let _ = socket.set_nodelay(true);
        let service = TowerToHyperService::new(router.clone());
        let connection = http.serve_connection(TokioIo::new(socket), service);
        let ended = ending.subscribe();
        tokio::spawn(async move {
            run(connection, limits, ended).await;
            drop(place);
        });
    }
    drop(listener);
    ending.send_replace(true);
    let _ = timeout(limits.end_timeout, ending.closed()).await;
}

type Connection = http1::Connection<TokioIo<TcpStream>, TowerToHyperService<Router>>;

/// Runs a connection until it, its lifetime or the service ends, and answers the request that runs
/// then. An error is the client's, and others need not know it.
async fn run(connection: Connection, limits: ConnectionLimits, mut ending: watch::Receiver<bool>) {
    let mut connection = pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => return,
        () = sleep(limits.lifetime) => {}
        _ = ending.wait_for(|ending| *ending) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = timeout(limits.last_response, connection).await;
}

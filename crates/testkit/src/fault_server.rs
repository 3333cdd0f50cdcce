//! A raw TCP server that breaks HTTP, JSON and server-sent events, by the faults of a table.

mod connection;
mod fault;
mod fill;
mod state;
mod step;
mod table;
mod translate;
mod wire;

use std::{fmt, io, sync::Arc};

use bytes::Bytes;

use self::state::State;
pub use self::{fault::Fault, step::Step, table::faults};
use crate::loopback::Loopback;

/// A server on 127.0.0.1 that has one [`Fault`].
///
/// It sends the bytes of the fault's script as they are. An HTTP library could not reset a
/// connection, hang in the middle of a header or lie about lengths. It counts connections,
/// attempts, and connections that the client closed early.
///
/// The bystander is a second server on another port, which answers correctly. Redirects of the
/// table point to it, and clients must not follow them.
///
/// The server runs on its own thread and ends when it is dropped.
///
/// # Examples
///
/// A client is driven through the whole table:
///
/// ```
/// use conversant_testkit::{FaultServer, faults};
///
/// # fn main() -> std::io::Result<()> {
/// for fault in faults().iter().filter(|fault| fault.row() == 54) {
///     let server = FaultServer::start(fault)?;
///     // … call the model at `server.base_url()`, and look at what became of it:
///     let expected_attempts = match fault.name() {
///         "status_500" => 3,
///         _ => 3,
///     };
///     # let _ = expected_attempts;
///     assert_eq!(server.attempts(), 0); // … `expected_attempts`, once the model was called
///     assert_eq!(server.bystander_connections(), 0);
/// }
/// # Ok(())
/// # }
/// ```
pub struct FaultServer {
    own: Listening,
    bystander: Listening,
}

struct Listening {
    loopback: Loopback,
    state: Arc<State>,
}

impl FaultServer {
    /// Starts a server that has this fault, and its bystander.
    ///
    /// # Errors
    ///
    /// If no port can be bound on 127.0.0.1, or no thread started.
    pub fn start(fault: &Fault) -> io::Result<Self> {
        let bystander = Listening::start("bystander", fault::well(), String::new())?;
        let address = bystander.loopback.address().to_string();
        let own = Listening::start("fault-server", fault.clone(), address)?;
        Ok(Self { own, bystander })
    }

    /// Returns the address to configure a client with: `http://127.0.0.1:PORT/v1`.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.own.loopback.address())
    }

    /// Returns the number of connections that were accepted.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.own.state.connections.count()
    }

    /// Returns the number of requests that were begun. A request counts from its first byte.
    #[must_use]
    pub fn attempts(&self) -> usize {
        self.own.state.attempts.count()
    }

    /// Waits until `count` requests have begun.
    pub async fn attempted(&self, count: usize) {
        self.own.state.attempts.reached(count).await;
    }

    /// Returns the requests as received, including keys.
    #[must_use]
    pub fn requests(&self) -> Vec<Bytes> {
        self.own.state.requests()
    }

    /// Returns the number of connections that the client closed before the script ended.
    #[must_use]
    pub fn disconnects(&self) -> usize {
        self.own.state.disconnects.count()
    }

    /// Waits until the client has closed `count` connections before the script ended.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::{io::Write, net::TcpStream};
    /// use conversant_testkit::{Fault, FaultServer, Step, block_on};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let fault = Fault::new("hang", [Step::WaitForRequest, Step::Hang]);
    /// let server = FaultServer::start(&fault)?;
    /// let mut client = TcpStream::connect(server.base_url().replace("http://", "").replace("/v1", ""))?;
    /// client.write_all(b"POST /v1/completions HTTP/1.1\r\ncontent-length: 2\r\n\r\n{}")?;
    /// block_on(server.attempted(1));
    /// drop(client);
    /// block_on(server.disconnected(1)); // a client that gives up closes its connection
    /// # Ok(())
    /// # }
    /// ```
    pub async fn disconnected(&self, count: usize) {
        self.own.state.disconnects.reached(count).await;
    }

    /// Returns the number of connections to the bystander.
    #[must_use]
    pub fn bystander_connections(&self) -> usize {
        self.bystander.state.connections.count()
    }
}

impl Listening {
    fn start(name: &str, fault: Fault, bystander: String) -> io::Result<Self> {
        let state = Arc::new(State::new(fault, bystander));
        let loopback = Loopback::start(name, {
            let state = Arc::clone(&state);
            move |stream| connection::serve(Arc::clone(&state), stream)
        })?;
        Ok(Self { loopback, state })
    }
}

impl fmt::Debug for FaultServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultServer")
            .field("fault", &self.own.state.fault.name())
            .field("base_url", &self.base_url())
            .field("connections", &self.connections())
            .field("attempts", &self.attempts())
            .finish_non_exhaustive()
    }
}

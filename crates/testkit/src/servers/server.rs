//! Control of a server by a suite.

use std::io;

/// A server that a suite can kill, restart and restore. Its address stays the same.
///
/// Implementers of other networked stores implement it for their server.
pub trait Server: Send + 'static {
    /// Kills the server, as a machine that fails does.
    ///
    /// # Errors
    /// The system's error.
    fn kill(&mut self) -> io::Result<()>;

    /// Starts the server again, with the data that it had, and waits until it answers.
    ///
    /// # Errors
    /// The system's error, or one that says that the server did not start.
    fn restart(&mut self) -> io::Result<()>;

    /// Copies the data of the server. It answers again when this returns.
    ///
    /// # Errors
    /// The system's error.
    fn backup(&mut self) -> io::Result<()>;

    /// Replaces the data of the server by that of the last [`backup`](Self::backup). It answers
    /// again when this returns.
    ///
    /// # Errors
    /// The system's error, also if there is no backup.
    fn restore(&mut self) -> io::Result<()>;
}

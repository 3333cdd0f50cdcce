//! The tokio runtime that a call is made in.

use std::{
    collections::VecDeque,
    net::{Ipv4Addr, UdpSocket},
    panic::catch_unwind,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use conversant_core::ModelError;
use tokio::runtime::{Handle, Id};

use super::config::MAX_RUNTIMES;

/// The runtimes that were found to have a timer and sockets, the latest first.
#[derive(Debug, Default)]
pub(crate) struct CheckedRuntimes(Mutex<VecDeque<Id>>);

impl CheckedRuntimes {
    /// Checks the current runtime, the first time that it is seen.
    ///
    /// # Errors
    /// [`ModelError::Config`], outside of a runtime, or in one without a timer or sockets.
    pub(super) fn check(&self) -> Result<(), ModelError> {
        let id = current()?.id();
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.contains(&id) {
            return Ok(());
        }
        if !has_timer() {
            return Err(disabled("a timer", "enable_time"));
        }
        if !has_sockets() {
            return Err(disabled("sockets", "enable_io"));
        }
        known.push_front(id);
        known.truncate(MAX_RUNTIMES);
        Ok(())
    }
}

/// Returns the current runtime.
///
/// # Errors
/// [`ModelError::Config`], if there is none.
pub(super) fn current() -> Result<Handle, ModelError> {
    Handle::try_current().map_err(|_| {
        ModelError::config(
            "cannot call the model outside of a tokio runtime; call it from `#[tokio::main]` or \
             `Runtime::block_on`",
        )
    })
}

/// tokio cannot be asked whether a runtime has a timer: its types panic if it has not.
fn has_timer() -> bool {
    catch_unwind(|| drop(tokio::time::sleep(Duration::ZERO))).is_ok()
}

/// As for [`has_timer`]. Where no socket can be made at all, the call itself will fail.
fn has_sockets() -> bool {
    let socket = || {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).ok()?;
        socket.set_nonblocking(true).ok()?;
        Some(socket)
    };
    let Some(socket) = socket() else { return true };
    catch_unwind(|| drop(tokio::net::UdpSocket::from_std(socket))).is_ok()
}

fn disabled(what: &str, method: &str) -> ModelError {
    ModelError::config(format!(
        "cannot call the model in a tokio runtime without {what}; build it with `{method}` or \
         `enable_all`"
    ))
}

//! The failure of one call.

use std::{fmt, sync::Arc};

use crate::gate::Gate;

/// The failure of a call of a [`FailingHistory`](crate::FailingHistory) or a
/// [`FailingMemory`](crate::FailingMemory).
///
/// A failure happens before the call, which then has no effect, or [after](Self::after) it. Then
/// the call took effect, and its caller does not learn of it. Callers of stores must handle both.
///
/// # Examples
///
/// ```
/// use conversant_core::HistoryError;
/// use conversant_testkit::{Gate, FailureMode};
///
/// let full = FailureMode::fail(|| HistoryError::Full { source: "no space left on device".into() });
/// let reply_lost = FailureMode::<HistoryError>::hang().after();
/// let slow = FailureMode::<HistoryError>::hold(&Gate::new());
/// # let _ = (full, reply_lost, slow);
/// ```
#[must_use]
pub struct FailureMode<E> {
    kind: Kind<E>,
    /// Whether the call takes effect first.
    pub(super) after: bool,
}

enum Kind<E> {
    Fail(Arc<dyn Fn() -> E + Send + Sync>),
    Hold(Gate),
    Panic,
}

impl<E> FailureMode<E> {
    /// Returns the mode that fails with an error from `error`.
    pub fn fail(error: impl Fn() -> E + Send + Sync + 'static) -> Self {
        Self { kind: Kind::Fail(Arc::new(error)), after: false }
    }

    /// Returns the mode that waits until the call's future is dropped.
    pub fn hang() -> Self {
        Self::hold(&Gate::new())
    }

    /// Returns the mode that waits until `gate` lets the call through. The call then continues.
    pub fn hold(gate: &Gate) -> Self {
        Self { kind: Kind::Hold(gate.clone()), after: false }
    }

    /// Panics.
    pub fn panic() -> Self {
        Self { kind: Kind::Panic, after: false }
    }

    /// Lets the call take effect first.
    pub fn after(mut self) -> Self {
        self.after = true;
        self
    }

    /// Fails, waits or panics.
    pub(super) async fn happen(&self) -> Result<(), E> {
        match &self.kind {
            Kind::Fail(error) => return Err(error()),
            Kind::Hold(gate) => gate.pass().await,
            Kind::Panic => panic(),
        }
        Ok(())
    }
}

impl<E> Clone for FailureMode<E> {
    fn clone(&self) -> Self {
        let kind = match &self.kind {
            Kind::Fail(error) => Kind::Fail(Arc::clone(error)),
            Kind::Hold(gate) => Kind::Hold(gate.clone()),
            Kind::Panic => Kind::Panic,
        };
        Self { kind, after: self.after }
    }
}

impl<E> fmt::Debug for FailureMode<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.kind {
            Kind::Fail(_) => "fail",
            Kind::Hold(_) => "hold",
            Kind::Panic => "panic",
        };
        write!(f, "FailureMode({kind}{})", if self.after { ", after" } else { "" })
    }
}

#[expect(clippy::panic, reason = "the failure that the test chose")]
fn panic() -> ! {
    panic!("a failure, as the test chose")
}

//! The identity of an observer, by which it is recognised in the lists of several chains.

use std::ptr;

/// The identity of an observer: the address of what its clones share.
///
/// # Examples
///
/// ```
/// use conversant_core::{Meter, Observer};
///
/// let meter = Meter::new();
/// assert_eq!(meter.identity(), meter.clone().identity());
/// assert_ne!(meter.identity(), Meter::new().identity());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ObserverIdentity(usize);

impl ObserverIdentity {
    /// Returns the identity of an observer that lives as long as a value. `None` for a value
    /// without a size, which need not have an address of its own.
    #[must_use]
    pub fn of<T: ?Sized>(shared: &T) -> Option<Self> {
        let address = ptr::from_ref(shared).cast::<()>().addr();
        (size_of_val(shared) > 0).then_some(Self(address))
    }
}

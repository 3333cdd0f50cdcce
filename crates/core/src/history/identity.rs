//! The identity of a store, by which handles to one store are recognised.

use std::sync::Arc;

use crate::fnv1a::fnv1a;

/// Identifies a store in this process: all handles to it have the same identity, and handles to
/// another one have another. It holds while a handle exists.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use conversant_core::HistoryIdentity;
///
/// let connections = Arc::new(());
/// let store = HistoryIdentity::of(&connections);
/// assert_eq!(store, HistoryIdentity::of(&Arc::clone(&connections)));
/// // What a wrapper stores is other than what the store has without it.
/// let keys = Arc::new("keys");
/// assert_ne!(store, store.within(&keys));
/// assert_eq!(store.within(&keys), store.within(&keys));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct HistoryIdentity(u64);

impl HistoryIdentity {
    /// Returns the identity of a store by a part that all its handles share.
    #[must_use]
    pub fn of<T: ?Sized>(shared: &Arc<T>) -> Self {
        Self(address(shared))
    }

    /// Returns the identity of what a wrapper stores in this store, by a part that all handles of
    /// the wrapper share.
    #[must_use]
    pub fn within<T: ?Sized>(self, shared: &Arc<T>) -> Self {
        let addresses = [self.0, address(shared)];
        Self(fnv1a(addresses.into_iter().flat_map(u64::to_le_bytes)))
    }
}

fn address<T: ?Sized>(shared: &Arc<T>) -> u64 {
    Arc::as_ptr(shared).addr() as u64
}

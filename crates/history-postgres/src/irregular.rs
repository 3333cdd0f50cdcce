//! Remembers sessions that the plain statement of a load does not serve.

use std::{
    hash::{BuildHasher, RandomState},
    sync::atomic::{AtomicU64, Ordering},
};

use conversant_core::SessionId;

/// The number of sessions that are remembered, at most.
const MAX_REMEMBERED: usize = 256;

/// Sessions with branches, of which each load would take a round trip in vain. A session that is
/// forgotten, or remembered in place of another one, costs time only.
#[derive(Debug)]
pub(crate) struct IrregularSessions {
    hasher: RandomState,
    /// The hash of a session, by its remainder; 0 for none.
    hashes: Box<[AtomicU64]>,
}

impl Default for IrregularSessions {
    fn default() -> Self {
        let hashes = (0..MAX_REMEMBERED).map(|_| AtomicU64::new(0)).collect();
        Self { hasher: RandomState::new(), hashes }
    }
}

impl IrregularSessions {
    pub(crate) fn insert(&self, session: &SessionId) {
        let (hash, slot) = self.slot(session);
        if let Some(slot) = slot {
            slot.store(hash, Ordering::Relaxed);
        }
    }

    pub(crate) fn contains(&self, session: &SessionId) -> bool {
        let (hash, slot) = self.slot(session);
        slot.is_some_and(|slot| slot.load(Ordering::Relaxed) == hash)
    }

    fn slot(&self, session: &SessionId) -> (u64, Option<&AtomicU64>) {
        let hash = self.hasher.hash_one(session.as_str());
        let index = usize::try_from(hash % MAX_REMEMBERED as u64).unwrap_or_default();
        (hash, self.hashes.get(index))
    }
}

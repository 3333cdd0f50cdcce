//! The sessions of a combined memory, and the names of its notes.

use std::{ptr, sync::Arc};

use conversant_core::{ChatHistory, Memory, SessionId, TurnId, fnv1a};

/// The sessions in which the memories of a combination store their turns.
///
/// Combinations that share their first session, such as that of a group, are distinguished by a
/// fingerprint, so that a turn of one is not stored in the sessions of another.
pub(super) struct Combination {
    /// Whether turns are stored in more than one session.
    pub(super) has_several_sessions: bool,
    fingerprint: String,
    watermark_note: String,
}

impl Combination {
    pub(super) fn new(memories: &[Arc<dyn Memory>]) -> Self {
        let mut sessions: Vec<(&dyn ChatHistory, &SessionId)> = Vec::new();
        let mut opaque = 0;
        let mut ids = Vec::new();
        for memory in memories {
            let stored_in = memory.stored_in();
            if let Some((history, id)) = stored_in {
                if !sessions.iter().any(|known| are_one(*known, (history, id))) {
                    sessions.push((history, id));
                }
            } else if memory.saves_turns() {
                opaque += 1;
            }
            ids.push(
                stored_in.filter(|stored| !is_private(*stored)).map_or("", |(_, id)| id.as_str()),
            );
        }
        let fingerprint = format!("{:016x}", fingerprint(&ids));
        let watermark_note = format!("combined:{fingerprint}");
        Self { has_several_sessions: opaque + sessions.len() > 1, fingerprint, watermark_note }
    }

    /// Creates the combination of memories at a point of one session.
    pub(super) fn of_one_session() -> Self {
        Self::new(&[])
    }

    pub(super) fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Returns the name of the note with the watermark.
    pub(super) fn watermark_note(&self) -> &str {
        &self.watermark_note
    }
}

/// Returns whether two memories store their turns in one session.
pub(super) fn are_one(
    one: (&dyn ChatHistory, &SessionId),
    other: (&dyn ChatHistory, &SessionId),
) -> bool {
    let is_one_store = || {
        ptr::addr_eq(one.0, other.0)
            || one.0.identity().is_some_and(|store| other.0.identity() == Some(store))
    };
    one.1 == other.1 && is_one_store()
}

/// Returns whether a session is one that a memory made for itself, in a history in memory. Its id
/// is another one in each process.
fn is_private((history, id): (&dyn ChatHistory, &SessionId)) -> bool {
    let is_random = |id: TurnId| id.created_at().is_some();
    history.shares() && id.as_str().parse().is_ok_and(is_random)
}

/// Returns 64 bits of session ids: FNV-1a, with a NUL after each id. It is part of stored names.
fn fingerprint(ids: &[&str]) -> u64 {
    fnv1a(ids.iter().flat_map(|id| id.bytes().chain([0])))
}

//! A session of a history that may have a flaw.

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use conversant_core::{Message, Note, Turn, TurnId, Version};

#[derive(Clone, Default)]
pub(crate) struct Log {
    pub(crate) epoch: u64,
    pub(crate) turns: Vec<(TurnId, Vec<Arc<Message>>)>,
    /// The turns as they came, for export.
    pub(crate) exported: Vec<Turn>,
    pub(crate) cleared: Vec<TurnId>,
    pub(crate) notes: BTreeMap<String, Note>,
    pub(crate) lease: Option<(TurnId, Instant)>,
}

impl Log {
    pub(crate) fn messages(&self) -> Vec<Arc<Message>> {
        self.turns.iter().flat_map(|(_, messages)| messages.clone()).collect()
    }

    pub(crate) fn version(&self) -> Version {
        let messages = self.turns.iter().map(|(_, messages)| messages.len()).sum::<usize>();
        Version::new(self.epoch, messages as u64)
    }

    /// Where a turn that is there ends.
    pub(crate) fn end_of(&self, id: TurnId) -> Option<Version> {
        let at = self.turns.iter().position(|(known, _)| *known == id)?;
        let messages = self.turns[..=at].iter().map(|(_, messages)| messages.len()).sum::<usize>();
        Some(Version::new(self.epoch, messages as u64))
    }
}

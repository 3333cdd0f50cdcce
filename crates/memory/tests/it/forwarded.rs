//! Wrappers of a memory pass its answers on.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use conversant_core::{
    ChatHistory, LoadContext, Loaded, Memory, MemoryError, Messages, Saved, SessionId, Slot,
    Ticket, Turn, TurnKeys, Warning, async_trait,
};
use conversant_memory::{
    BufferMemory, InMemoryHistory, LeasedMemory, ReadOnlyMemory, StringBufferMemory,
    TokenBufferMemory, WindowMemory,
};
use conversant_testkit::block_on;

use crate::support::{Whitespace, session};

/// A memory whose answers are not the defaults of the trait.
struct Odd {
    keys: TurnKeys,
    history: InMemoryHistory,
    session: SessionId,
    is_cleared: AtomicBool,
}

#[async_trait]
impl Memory for Odd {
    fn variables(&self) -> &[Slot] {
        &[]
    }

    fn keys(&self) -> &TurnKeys {
        &self.keys
    }

    fn saves_turns(&self) -> bool {
        false
    }

    fn stored_in(&self) -> Option<(&dyn ChatHistory, &SessionId)> {
        Some((&self.history, &self.session))
    }

    async fn load(&self, _: LoadContext<'_>) -> Result<Loaded, MemoryError> {
        Ok(Loaded::default())
    }

    fn check(&self, _: &Messages) -> Result<(), MemoryError> {
        Err(MemoryError::Unsupported { what: "words" })
    }

    async fn save(&self, _: &Turn, _: Ticket) -> Result<Saved, MemoryError> {
        Ok(Saved::default())
    }

    async fn maintain(&self) -> Result<Saved, MemoryError> {
        Ok(Saved::default().with_warning(Warning::new("maintained", None)))
    }

    fn needs_maintenance(&self) -> bool {
        true
    }

    async fn clear(&self) -> Result<(), MemoryError> {
        self.is_cleared.store(true, Ordering::Relaxed);
        Ok(())
    }
}

#[test]
fn a_leased_memory_answers_as_its_memory_does() {
    block_on(async {
        let odd = Arc::new(Odd {
            keys: TurnKeys::new().with_input_key("question"),
            history: InMemoryHistory::new(),
            session: session("inner"),
            is_cleared: AtomicBool::new(false),
        });
        let time = Duration::from_secs(60);
        let leased =
            LeasedMemory::new(Arc::clone(&odd), InMemoryHistory::new(), session("s"), time);
        assert_eq!(leased.keys().input_key(), Some("question"));
        assert!(!leased.saves_turns() && leased.needs_maintenance());
        assert_eq!(leased.stored_in().map(|(_, session)| session.as_str()), Some("inner"));
        assert!(leased.check(&Messages::new()).is_err());
        assert_eq!(leased.maintain().await.unwrap().warnings.len(), 1);
        let buffer =
            LeasedMemory::new(BufferMemory::new(), InMemoryHistory::new(), session("s"), time);
        assert!(buffer.saves_turns() && !buffer.needs_maintenance());
        leased.clear().await.unwrap();
        assert!(odd.is_cleared.load(Ordering::Relaxed));
    });
}

#[test]
fn memories_without_a_model_need_no_maintenance() {
    let memories: [Box<dyn Memory>; 5] = [
        Box::new(BufferMemory::new()),
        Box::new(StringBufferMemory::new()),
        Box::new(TokenBufferMemory::new(Whitespace)),
        Box::new(WindowMemory::new()),
        Box::new(ReadOnlyMemory::new(BufferMemory::new())),
    ];
    for (index, memory) in memories.iter().enumerate() {
        assert!(!memory.needs_maintenance(), "{index}");
    }
}

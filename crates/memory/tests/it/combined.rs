//! Combined memories of several stores: a turn is in all of them or in none.

use std::{sync::Arc, time::Duration};

use conversant_core::{ChatHistory as _, Memory, MemoryError, Range};
use conversant_memory::{BufferMemory, CombinedMemory};
use conversant_testkit::{block_on, poll_then_drop};

use crate::support::{Watched, load, session, turn};

fn buffer(key: &'static str, history: &Watched) -> BufferMemory {
    BufferMemory::new().with_memory_key(key).with_history(history.clone(), session("s"))
}

fn combined(stores: &[Watched; 2]) -> CombinedMemory {
    let [a, b] = stores;
    let memories = [Arc::new(buffer("a", a)) as Arc<dyn Memory>, Arc::new(buffer("b", b))];
    CombinedMemory::new(memories).unwrap()
}

async fn counts(stores: &[Watched; 2]) -> [usize; 2] {
    let mut counts = [0; 2];
    for (count, store) in counts.iter_mut().zip(stores) {
        let slice = store.inner.load(&session("s"), Range::All).await.unwrap();
        *count = slice.messages.len();
    }
    counts
}

/// A save that is dropped at any await is settled by the next load, of this process or another.
#[test]
fn a_dropped_save_is_settled_by_the_next_use() {
    for restart in [false, true] {
        for without_notes in [false, true] {
            if restart && without_notes {
                continue;
            }
            for polls in 1.. {
                let store =
                    || if without_notes { Watched::without_notes() } else { Watched::default() };
                let stores = [store().with_waits(), store().with_waits()];
                let memory = combined(&stores);
                block_on(async {
                    memory.save(&turn(1), load(&memory).await.ticket).await.unwrap();
                });
                let ticket = block_on(load(&memory)).ticket;
                let ended =
                    block_on(poll_then_drop(memory.save(&turn(2), ticket), polls)).is_some();
                let next = if restart { combined(&stores) } else { memory };
                block_on(async {
                    let loaded = load(&next).await;
                    let [a, b] = counts(&stores).await;
                    assert_eq!(a, b, "{polls} polls");
                    assert!(a == 2 || a == 4);
                    next.save(&turn(3), loaded.ticket).await.unwrap();
                    assert_eq!(counts(&stores).await, [a + 2, a + 2], "{polls} polls");
                });
                if ended {
                    break;
                }
            }
        }
    }
}

/// A save that fails in the second store is settled by the next load.
#[test]
fn a_failed_save_is_settled_by_the_next_use() {
    block_on(async {
        let stores = [Watched::default(), Watched::default()];
        let memory = combined(&stores);
        let ticket = load(&memory).await.ticket;
        stores[1].fail("append");
        assert!(memory.save(&turn(1), ticket).await.is_err());
        assert_eq!(counts(&stores).await, [2, 0]);
        load(&combined(&stores)).await;
        assert_eq!(counts(&stores).await, [2, 2]);

        // What the first store refuses is in none, also later.
        let ticket = load(&memory).await.ticket;
        stores[0].fail("append");
        assert!(memory.save(&turn(2), ticket).await.is_err());
        load(&memory).await;
        load(&combined(&stores)).await;
        assert_eq!(counts(&stores).await, [2, 2]);
    });
}

/// A conversation that was cleared in the meantime does not get the turn back.
#[test]
fn a_cleared_conversation_stays_cleared() {
    block_on(async {
        let stores = [Watched::default(), Watched::default()];
        let memory = combined(&stores);
        let ticket = load(&memory).await.ticket;
        stores[1].fail("append");
        assert!(memory.save(&turn(1), ticket).await.is_err());
        buffer("a", &stores[0]).clear().await.unwrap();
        buffer("b", &stores[1]).clear().await.unwrap();
        load(&memory).await;
        assert_eq!(counts(&stores).await, [0, 0]);
    });
}

/// A store that refuses the turn for good does not block the conversation; a warning reports it.
#[test]
fn a_turn_that_a_store_refuses_is_reported() {
    block_on(async {
        let stores = [Watched::default(), Watched::default()];
        let memory = combined(&stores);
        let ticket = load(&memory).await.ticket;
        stores[1].fail("append");
        assert!(memory.save(&turn(1), ticket).await.is_err());
        stores[1].refuse("append");
        let ticket = load(&memory).await.ticket;
        let saved = memory.save(&turn(2), ticket).await.unwrap();
        let warnings: Vec<_> = saved.warnings.iter().map(ToString::to_string).collect();
        assert_eq!(warnings, ["a turn is missing in one of the combined memories"]);
    });
}

#[test]
fn leases_are_released_when_a_save_fails() {
    block_on(async {
        for failing in 0..2 {
            let stores = [Watched::default(), Watched::default()];
            let leased =
                |key, store: &Watched| buffer(key, store).leased(Duration::from_secs(3600));
            let memories = [
                Arc::new(leased("a", &stores[0])) as Arc<dyn Memory>,
                Arc::new(leased("b", &stores[1])),
            ];
            let memory = CombinedMemory::new(memories).unwrap();
            let ticket = load(&memory).await.ticket;
            stores[failing].fail("append");
            let error = memory.save(&turn(1), ticket).await.unwrap_err();
            assert!(matches!(error, MemoryError::History(_)));
            for store in &stores {
                assert!(store.inner.lease(&session("s"), Duration::ZERO).await.unwrap().is_some());
            }
        }
    });
}

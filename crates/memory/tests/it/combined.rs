//! Combined memories of several stores: a turn is in all of them or in none.

use std::{sync::Arc, time::Duration};

use conversant_core::{
    ChatHistory as _, Expect, HistoryError, LoadContext, Memory, MemoryError, Message, Note, Range,
    Ticket, Turn, Value, Version, vars,
};
use conversant_memory::{BufferMemory, CombinedMemory, Conflict};
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

/// The kinds of histories: with all that a settlement needs, without turns, without notes.
const STORES: [fn() -> Watched; 3] =
    [Watched::default, Watched::without_turns, Watched::without_notes];

/// A save that is dropped at any await is settled by the next load, of this process or another.
#[test]
fn a_dropped_save_is_settled_by_the_next_use() {
    for (store, restart) in [(0, false), (0, true), (1, false), (1, true), (2, false)] {
        for polls in 1.. {
            let stores = [STORES[store]().with_waits(), STORES[store]().with_waits()];
            let memory = combined(&stores);
            block_on(async {
                memory.save(&turn(1), load(&memory).await.ticket).await.unwrap();
            });
            let ticket = block_on(load(&memory)).ticket;
            let ended = block_on(poll_then_drop(memory.save(&turn(2), ticket), polls)).is_some();
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

/// How the save that is dropped and the one that is not meet.
#[derive(Debug, Clone, Copy)]
struct Overlap {
    /// The index in [`STORES`].
    store: usize,
    /// Whether the second save is that of another process.
    other_process: bool,
    /// Whether the process of the first save ends, so that a new one settles.
    restart: bool,
    /// Whether the second save has a ticket, which it loaded before the first save.
    with_ticket: bool,
}

/// Seed 32291 of `seeds_of_two_stores`: a save is dropped between the two stores while another save
/// runs, whose announcement took the place of the first one's.
#[test]
fn a_save_that_is_dropped_during_another_one_is_settled() {
    let cases = (0..3).flat_map(|store| {
        let flags = (0..8).map(|bits| (bits & 1 > 0, bits & 2 > 0, bits & 4 > 0));
        flags.map(move |(other_process, restart, with_ticket)| Overlap {
            store,
            other_process,
            restart,
            with_ticket,
        })
    });
    // Without turns or notes, it holds within one process.
    for case in cases.filter(|it| it.store == 0 || !it.other_process && !it.restart) {
        for polls in 1.. {
            let stores = [STORES[case.store]().with_waits(), STORES[case.store]().with_waits()];
            let first = combined(&stores);
            let second = case.other_process.then(|| combined(&stores));
            let other = second.as_ref().unwrap_or(&first);
            let ended = block_on(async {
                first.save(&turn(1), load(&first).await.ticket).await.unwrap();
                let tickets = [load(&first).await.ticket, load(other).await.ticket];
                let [one, two] =
                    tickets.map(|it| if case.with_ticket { it } else { Default::default() });
                let dropped = turn(2);
                let mut running = Box::pin(first.save(&dropped, one));
                let ended = poll_then_drop(running.as_mut(), polls).await.is_some();
                other.save(&turn(3), two).await.unwrap();
                ended
            });
            let next = if case.restart { combined(&stores) } else { first };
            block_on(async {
                load(&next).await;
                let [a, b] = counts(&stores).await;
                assert_eq!(a, b, "{case:?}, {polls} polls");
                assert!(a == 4 || a == 6, "{case:?}, {polls} polls: {a} messages");
            });
            if ended {
                break;
            }
        }
    }
}

/// The first load of a process runs while another process saves the first turn, and dies.
#[test]
fn a_first_turn_is_settled_by_a_load_that_began_before_it() {
    for waited in 0.. {
        let mut is_over = false;
        for polls in 1.. {
            let stores = [Watched::default().with_waits(), Watched::default().with_waits()];
            let [one, other] = [combined(&stores), combined(&stores)];
            let inputs = vars! {};
            let mut loading = Box::pin(other.load(LoadContext::new(&inputs)));
            let ended = block_on(async {
                let ticket = load(&one).await.ticket;
                is_over = poll_then_drop(loading.as_mut(), waited).await.is_some();
                poll_then_drop(one.save(&turn(1), ticket), polls).await.is_some()
            });
            if !is_over {
                block_on(loading).unwrap();
            }
            block_on(async {
                load(&other).await;
                let [a, b] = counts(&stores).await;
                assert_eq!(a, b, "{waited} polls of the load, {polls} of the save");
            });
            if ended {
                break;
            }
        }
        if is_over {
            break;
        }
    }
}

/// The first session decides: a turn that it has is stored in the others although they refuse turns
/// after a conflict.
#[test]
fn a_turn_that_is_decided_is_stored_in_spite_of_a_conflict() {
    block_on(async {
        let stores = [Watched::default(), Watched::default()];
        let strict = || {
            let memories = [("a", &stores[0]), ("b", &stores[1])].map(|(key, store)| {
                let memory = buffer(key, store).with_conflict(Conflict::Fail);
                Arc::new(memory) as Arc<dyn Memory>
            });
            CombinedMemory::new(memories).unwrap()
        };
        let memory = strict();
        let ticket = load(&memory).await.ticket;
        stores[1].fail("append");
        assert!(memory.save(&turn(1), ticket).await.is_err());
        buffer("b", &stores[1]).save(&turn(2), Default::default()).await.unwrap();
        load(&strict()).await;
        assert_eq!(counts(&stores).await, [2, 4]);
    });
}

/// A clear that is dropped at any await is continued by the next use, or has not begun.
#[test]
fn a_dropped_clear_is_continued_by_the_next_use() {
    for restart in [false, true] {
        let mut outcomes = Vec::new();
        for polls in 1.. {
            let stores = [Watched::default().with_waits(), Watched::default().with_waits()];
            let memory = combined(&stores);
            block_on(async {
                memory.save(&turn(1), load(&memory).await.ticket).await.unwrap();
            });
            let ended = block_on(poll_then_drop(memory.clear(), polls)).is_some();
            let next = if restart { combined(&stores) } else { memory };
            block_on(async {
                load(&next).await;
                let [a, b] = counts(&stores).await;
                assert_eq!(a, b, "{polls} polls");
                outcomes.push(a);
                next.save(&turn(2), load(&next).await.ticket).await.unwrap();
                assert_eq!(counts(&stores).await, [a + 2, a + 2], "{polls} polls");
            });
            if ended {
                break;
            }
        }
        assert_eq!((outcomes.first(), outcomes.last()), (Some(&2), Some(&0)));
    }
}

/// A clear that did not end does not remove a turn that was acknowledged after it.
#[test]
fn a_dropped_clear_does_not_remove_later_turns() {
    block_on(async {
        let stores = [Watched::default(), Watched::default()];
        let [memory, other] = [combined(&stores), combined(&stores)];
        memory.save(&turn(1), load(&memory).await.ticket).await.unwrap();
        let ticket = load(&other).await.ticket;
        stores[0].fail("clear");
        assert!(memory.clear().await.is_err());
        buffer("a", &stores[0]).save(&turn(2), ticket).await.unwrap();
        load(&memory).await;
        assert_eq!(counts(&stores).await, [4, 0]);
    });
}

/// A turn that another chain adds to one of the sessions stays there.
#[test]
fn turns_of_other_chains_are_not_copied() {
    block_on(async {
        for restart in [false, true] {
            let stores = [Watched::default(), Watched::default()];
            let memory = combined(&stores);
            memory.save(&turn(1), load(&memory).await.ticket).await.unwrap();
            buffer("a", &stores[0]).save(&turn(2), Default::default()).await.unwrap();
            // A turn of this combination comes between, and is lost in the second store.
            let ticket = load(&memory).await.ticket;
            stores[1].fail("append");
            assert!(memory.save(&turn(3), ticket).await.is_err());
            buffer("a", &stores[0]).save(&turn(4), Default::default()).await.unwrap();
            let next = if restart { combined(&stores) } else { memory };
            load(&next).await;
            assert_eq!(counts(&stores).await, [8, 4]);
        }
    });
}

/// Two people share the memory of their group, and each has another one. What one said is not
/// stored in the other's memory.
#[test]
fn combinations_that_share_a_session_stay_apart() {
    block_on(async {
        let (group, own) = (Watched::default(), Watched::default());
        let of = |person: &str| {
            let memory = BufferMemory::new().with_memory_key("own");
            let memory = memory.with_history(own.clone(), session(person));
            let memories = [Arc::new(buffer("a", &group)) as Arc<dyn Memory>, Arc::new(memory)];
            CombinedMemory::new(memories).unwrap()
        };
        let ada = of("ada");
        let ticket = load(&ada).await.ticket;
        own.fail("append");
        assert!(ada.save(&turn(1), ticket).await.is_err());
        let bob = of("bob");
        bob.save(&turn(2), load(&bob).await.ticket).await.unwrap();
        load(&of("ada")).await;
        for (person, number) in [("ada", 1), ("bob", 2)] {
            let turns = own.inner.turns(&session(person), Range::All).await.unwrap();
            let ids: Vec<_> = turns.iter().map(Turn::id).collect();
            assert_eq!(ids, [turn(number).id()], "{person}");
        }
    });
}

/// The note of an earlier version, with a turn that the second store lacks.
#[test]
fn an_old_note_is_settled() {
    block_on(async {
        let stores = [Watched::default(), Watched::default()];
        buffer("a", &stores[0]).save(&turn(1), Default::default()).await.unwrap();
        let messages: Vec<_> = turn(1).messages().iter().map(Message::to_stored).collect();
        let body = serde_json::json!({
            "turn": turn(1).id().to_string(),
            "incomplete": false,
            "messages": messages,
            "bases": [Version::default(), Version::default()],
        });
        let note = Note::new(Value::from(body), Version::default());
        stores[0].inner.put_note(&session("s"), "combined", &note).await.unwrap();
        load(&combined(&stores)).await;
        assert_eq!(counts(&stores).await, [2, 2]);
    });
}

/// A settlement reads a bounded number of turns after a restart, and nothing while no one else
/// writes.
#[test]
fn a_settlement_reads_new_turns_only() {
    block_on(async {
        let stores = [Watched::default(), Watched::default()];
        let memory = combined(&stores);
        for number in 1..100 {
            memory.save(&turn(number), load(&memory).await.ticket).await.unwrap();
        }
        let reads = |store: &Watched| (store.count("note"), store.count("turns"));
        let before = reads(&stores[0]);
        memory.save(&turn(100), load(&memory).await.ticket).await.unwrap();
        assert_eq!(reads(&stores[0]), before);
        load(&combined(&stores)).await;
        // One note to find the place, the watermark, and the newest announcement.
        assert_eq!(reads(&stores[0]), (before.0 + 3, before.1 + 2));
        assert!(stores[0].take_returned() <= 9);
        assert_eq!(stores[1].turns().len(), 101);
    });
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

/// One of the stores has another turn under the id: it stays, and the conversation goes on. The
/// first store decides: the others get the turn that it has.
#[test]
fn another_turn_of_an_id_blocks_no_later_one() {
    for (store, expected) in [(0, ["ans", "ans"]), (1, ["a1", "ans"])] {
        block_on(async {
            let stores = [Watched::default(), Watched::default()];
            let memory = combined(&stores);
            let ticket = load(&memory).await.ticket;
            let part = Turn::exchange("question", "ans").with_id(turn(1).id());
            let part = part.with_incomplete(true);
            stores[store].inner.append(&session("s"), &part, Expect::Any).await.unwrap();
            let error = memory.save(&turn(1), ticket).await.unwrap_err();
            assert!(matches!(error, MemoryError::History(HistoryError::TurnIdInUse { .. })));
            let ticket = load(&memory).await.ticket;
            let saved = memory.save(&turn(2), ticket).await.unwrap();
            // The error of the first save has reported it.
            assert!(saved.warnings.is_empty());
            assert_eq!(counts(&stores).await, [4, 4], "{store}");
            for (store, answer) in stores.iter().zip(expected) {
                let stored = store.inner.load(&session("s"), Range::All).await.unwrap();
                assert_eq!(stored.messages.get(1).unwrap().text(), answer);
            }
        });
    }
}

/// A part whose save failed half-way is settled before the whole turn of its id, which is then
/// refused by all.
#[test]
fn a_part_is_settled_before_the_whole_turn_of_its_id() {
    for without_notes in [false, true] {
        block_on(async {
            let store =
                || if without_notes { Watched::without_notes() } else { Watched::default() };
            let stores = [store(), store()];
            let memory = combined(&stores);
            let ticket = load(&memory).await.ticket;
            let part = Turn::exchange("question", "ans").with_id(turn(1).id());
            stores[1].fail("append");
            let part = part.with_incomplete(true);
            memory.save(&part, ticket).await.unwrap_err();
            assert_eq!(counts(&stores).await, [2, 0]);
            let error = memory.save(&turn(1), Ticket::default()).await.unwrap_err();
            assert!(matches!(error, MemoryError::History(HistoryError::TurnIdInUse { .. })));
            assert_eq!(counts(&stores).await, [2, 2], "without notes: {without_notes}");
        });
    }
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

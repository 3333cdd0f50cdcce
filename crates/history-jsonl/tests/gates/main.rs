//! Bytes, system calls and opened files of a load, an append and a fork, which do not grow with the
//! session.
//!
//! The system counts those of the process, so that this is a program of its own with one test.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

#[cfg(target_os = "linux")]
mod opens;

use std::fs;

use conversant_core::{ChatHistory, Expect, Range, SessionId, Turn, Version};
use conversant_harness::{Need, Tested};
use conversant_history_jsonl::JsonlHistory;
use conversant_testkit::block_on;

/// The reads and writes of the process since it started.
#[derive(Clone, Copy)]
struct Counts {
    reads: u64,
    read_bytes: u64,
    writes: u64,
    written_bytes: u64,
}

impl Counts {
    fn now() -> Option<Self> {
        let text = fs::read_to_string("/proc/self/io").ok()?;
        let field = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name))?;
            line.trim_start_matches(':').trim().parse().ok()
        };
        Some(Self {
            reads: field("syscr")?,
            read_bytes: field("rchar")?,
            writes: field("syscw")?,
            written_bytes: field("wchar")?,
        })
    }

    fn since(self, before: Self) -> Self {
        Self {
            reads: self.reads - before.reads,
            read_bytes: self.read_bytes - before.read_bytes,
            writes: self.writes - before.writes,
            written_bytes: self.written_bytes - before.written_bytes,
        }
    }
}

/// Returns the counts of the attempt with the fewest reads: threads of stores that were dropped may
/// still be at work during one, and only add to it.
fn least(attempts: [Counts; 5]) -> Counts {
    attempts.into_iter().min_by_key(|counts| counts.reads).unwrap()
}

/// The reads and writes of counting itself.
struct Counting(Counts);

impl Counting {
    /// Counts before any store has a thread. Later, a thread at work would be taken for counting,
    /// and the operation would seem to read less than it does.
    fn before_any_store() -> Option<Self> {
        let first = Counts::now()?;
        Some(Self(Counts::now()?.since(first)))
    }

    /// Returns the reads and writes of an operation, less those of counting.
    fn of(&self, run: impl FnOnce()) -> Counts {
        let before = Counts::now().unwrap();
        run();
        Counts::now().unwrap().since(before).since(self.0)
    }
}

fn exchange(number: usize) -> Turn {
    Turn::exchange(format!("{number:06} {}", "q".repeat(120)), "a".repeat(400))
}

fn fill(history: &JsonlHistory, session: &SessionId, turns: usize) {
    for number in 0..turns {
        block_on(history.append(session, &exchange(number), Expect::Any)).unwrap();
    }
}

conversant_harness::tests! {
    self {
        a_load_an_append_and_a_fork_cost_the_same_at_any_length,
    }
}

fn a_load_an_append_and_a_fork_cost_the_same_at_any_length() -> Tested {
    let counting = Counting::before_any_store()
        .ok_or_else(|| Need::Optional.missing("a system that counts what is read"))?;
    let folder = tempfile::tempdir().unwrap();
    let open = || JsonlHistory::open(folder.path()).unwrap();
    let mut bytes = Vec::new();
    for turns in [100, 1_000] {
        let session = SessionId::new(format!("session of {turns}")).unwrap();
        fill(&open(), &session, turns);
        let load = |history: &JsonlHistory| {
            counting.of(|| drop(block_on(history.load(&session, Range::LastTurns(20))).unwrap()))
        };
        let cold = least([(); 5].map(|()| load(&open())));
        let history = open();
        // Indexes the file.
        block_on(history.append(&session, &exchange(turns), Expect::Any)).unwrap();
        let warm = least([(); 5].map(|()| load(&history)));
        let append = least([1, 2, 3, 4, 5].map(|number| {
            let turn = exchange(turns + number);
            counting.of(|| {
                block_on(history.append(&session, &turn, Expect::Any)).unwrap();
            })
        }));
        for (name, counts) in [("cold", cold), ("warm", warm)] {
            assert!(counts.read_bytes <= 40_000, "{name}: {} bytes", counts.read_bytes);
            assert_eq!((counts.reads, counts.writes), (2, 0), "{name}, {turns} turns");
        }
        assert_eq!((append.reads, append.writes), (2, 1), "an append to {turns} turns");
        #[cfg(target_os = "linux")]
        {
            // The files stay open, unless the machine makes the store rest.
            let opened = [6, 7, 8, 9, 10].map(|number| {
                let turn = exchange(turns + number);
                let append = history.append(&session, &turn, Expect::Any);
                opens::of(folder.path(), || block_on(append).map(drop).unwrap())
            });
            assert_eq!(opened.iter().min(), Some(&0), "appends open files: {opened:?}");
        }
        assert!(append.read_bytes <= 300, "an append reads {} bytes", append.read_bytes);
        // A turn whose id is in use, one that expects an earlier turn, and one at an unknown point.
        let refused = |turn: &Turn, expect| {
            let refused = || drop(block_on(history.append(&session, turn, expect)).unwrap_err());
            least([(); 5].map(|()| counting.of(refused)))
        };
        let stored = block_on(history.turns(&session, Range::LastTurns(1))).unwrap();
        let stored = stored.first().unwrap().id();
        let in_use = refused(&exchange(0).with_id(stored), Expect::Any);
        let stale = refused(&exchange(0), Expect::Exactly(Version::new(0, 2)));
        let at = history.at(exchange(0).id().into()).unwrap();
        let unknown =
            least([(); 5].map(|()| {
                counting.of(|| drop(block_on(at.load(&session, Range::All)).unwrap_err()))
            }));
        for (name, counts) in [("in use", in_use), ("stale", stale), ("unknown", unknown)] {
            assert!(counts.read_bytes <= 1_000, "{name}: {} bytes", counts.read_bytes);
            assert_eq!(counts.writes, 0, "{name}, {turns} turns");
        }
        let forks = [1, 2, 3, 4, 5].map(|number| {
            let into = SessionId::new(format!("fork {number} of {turns}")).unwrap();
            counting.of(|| {
                block_on(history.fork(&session, stored.into(), &into)).unwrap();
            })
        });
        let fork = least(forks);
        assert!(fork.read_bytes <= 2_000, "a fork reads {} bytes", fork.read_bytes);
        let line = append.written_bytes;
        assert!(line <= 820, "an append writes {line} bytes");
        bytes.push(warm.read_bytes);
    }
    // The names of the sessions and the numbers of the lines have other lengths.
    let (least, most) = (bytes.iter().min().unwrap(), bytes.iter().max().unwrap());
    assert!(most - least < 100, "loads of sessions of several lengths read {bytes:?} bytes");
    Ok(())
}

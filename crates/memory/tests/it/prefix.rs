//! The prefix that consecutive prompts share, for the caches of providers.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use conversant_core::{LanguageModel, Memory, Ticket, TokenCounter, Turn};
use conversant_memory::{
    BufferMemory, InMemoryHistory, SummaryBufferMemory, TokenBufferMemory, WindowMemory,
};
use conversant_testkit::{ScriptedCompletion, ScriptedReply, block_on};

use crate::support::{load, session, shown, turn};

/// Counts 4.4 bytes as a token.
#[derive(Clone, Copy)]
struct Bytes;

impl TokenCounter for Bytes {
    fn count_text(&self, text: &str) -> usize {
        text.len() * 10 / 44
    }
}

const TURNS: u128 = 200;

/// The first turn whose prompt is compared with the one before.
const FIRST: u128 = 52;

fn question(number: u128) -> String {
    format!("{number:0>123}")
}

/// Runs a conversation, and returns the share of all prompts that a cache by OpenAI's rule has:
/// blocks of 128 tokens, from 1,024 tokens on.
async fn shared(memory: &dyn Memory) -> f64 {
    let (mut all, mut cached) = (0, 0);
    let mut before = String::new();
    for number in 1..=TURNS {
        let loaded = load(memory).await;
        let history = loaded.variables.get("history").unwrap().to_text().into_owned();
        let prompt = format!("{history}\nHuman: {}\nAI:", question(number));
        if number >= FIRST {
            let same = prompt.bytes().zip(before.bytes()).take_while(|(a, b)| a == b).count();
            let tokens = same * 10 / 44;
            all += prompt.len();
            cached += if tokens < 1024 { 0 } else { tokens / 128 * 128 * 44 / 10 };
        }
        before = prompt;
        let turn = Turn::exchange(question(number), format!("{number:a>400}"));
        memory.save(&turn, loaded.ticket).await.unwrap();
        assert!(memory.maintain().await.unwrap().warnings.is_empty());
    }
    #[expect(clippy::cast_precision_loss, reason = "some megabytes")]
    let share = cached as f64 / all as f64;
    share
}

#[test]
fn consecutive_prompts_share_their_prefix() {
    block_on(async {
        let scribe = ScriptedCompletion::with_handler(|_| ScriptedReply::text("s".repeat(400)));
        let model = || LanguageModel::completion(scribe.clone());
        let memories: [(&str, f64, Box<dyn Memory>); 4] = [
            ("buffer", 0.98, Box::new(BufferMemory::new())),
            ("window", 0.85, Box::new(WindowMemory::new().with_k(20).with_step(10))),
            (
                "token buffer",
                0.85,
                Box::new(TokenBufferMemory::new(Bytes).with_max_token_limit(4000)),
            ),
            (
                "summary buffer",
                0.85,
                Box::new(SummaryBufferMemory::new(model(), Bytes).with_max_token_limit(4000)),
            ),
        ];
        for (name, least, memory) in memories {
            let share = shared(&*memory).await;
            assert!(share >= least, "{name}: {share:.3}");
        }
        let summaries = scribe.requests().len();
        assert!(summaries <= 20, "{summaries} summaries in {TURNS} turns");
    });
}

/// The formula of a stepped window, for turns of two messages.
#[test]
fn a_window_moves_by_its_step() {
    block_on(async {
        for (k, step) in [(1, 1), (1, 4), (4, 3), (20, 10), (5, 20)] {
            let history = InMemoryHistory::new();
            let memory = || {
                WindowMemory::new()
                    .with_k(k)
                    .with_step(step)
                    .with_history(history.clone(), session("s"))
            };
            let first = memory();
            for turns in 1..=70 {
                first.save(&turn(turns), Ticket::default()).await.unwrap();
                let turns = usize::try_from(turns).unwrap();
                let from = turns.saturating_sub(k) / step * step;
                let expected: Vec<_> =
                    (from + 1..=turns).map(|turn| format!("Human: q{turn}\nAI: a{turn}")).collect();
                assert_eq!(shown(&first).await, expected.join("\n"), "{k} {step} {turns}");
                assert_eq!(shown(&memory()).await, expected.join("\n"), "{k} {step} {turns}");
            }
        }
    });
}

/// A process that loads a conversation later shows the same as one that saw it grow.
#[test]
fn a_start_depends_on_the_conversation_alone() {
    block_on(async {
        for (limit, low_water) in [(300, 0.5), (300, 0.0), (900, 0.7), (900, 1.0), (20_000, 0.5)] {
            let history = InMemoryHistory::new();
            let memory = || {
                TokenBufferMemory::new(Bytes)
                    .with_max_token_limit(limit)
                    .with_low_water(low_water)
                    .with_history(history.clone(), session("s"))
            };
            let first = memory();
            let mut random = 7_u64;
            for number in 0..700 {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let length = usize::try_from(random >> 33).unwrap() % 400;
                let answer = "x".repeat(length);
                let turn = Turn::exchange(format!("q{number}"), answer);
                let loaded = load(&first).await;
                first.save(&turn, loaded.ticket).await.unwrap();
                // Maintenance is left out: the start needs no notes.
                if number % 13 == 0 || number > 690 {
                    let (old, new) = (shown(&first).await, shown(&memory()).await);
                    assert_eq!(old, new, "{limit} {low_water} {number}");
                    // Sizes are rounded down for each message.
                    assert!(Bytes.count_text(&old) <= limit + old.lines().count());
                }
            }
        }
    });
}

/// Counts the texts that contain a summary.
#[derive(Clone, Default)]
struct CountedSummaries(Arc<AtomicUsize>);

impl TokenCounter for CountedSummaries {
    fn count_text(&self, text: &str) -> usize {
        self.0.fetch_add(usize::from(text.contains("a summary")), Ordering::Relaxed);
        Bytes.count_text(text)
    }
}

#[test]
fn a_summary_is_counted_once() {
    let scribe = ScriptedCompletion::with_handler(|_| ScriptedReply::text("a summary"));
    let counter = CountedSummaries::default();
    let memory =
        SummaryBufferMemory::new(LanguageModel::completion(scribe.clone()), counter.clone())
            .with_max_token_limit(100);
    block_on(async {
        for number in 1..=60 {
            memory.save(&turn(number), Ticket::default()).await.unwrap();
            assert!(memory.maintain().await.unwrap().warnings.is_empty());
        }
    });
    let (summaries, counted) = (scribe.requests().len(), counter.0.load(Ordering::Relaxed));
    assert!(summaries > 0 && counted <= 2 * summaries, "{counted} counts of {summaries} summaries");
}

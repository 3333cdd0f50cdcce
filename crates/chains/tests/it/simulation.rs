//! A chain, its memory and its store under seeded schedules of faults: `cargo xtask simulate` runs
//! more of them, and `CONVERSANT_SIMULATION_FROM=seed CONVERSANT_SIMULATION_SEEDS=1` repeats one.

use std::env;

use conversant_chains::{ChainError, LlmChain, Maintenance, Outcome};
use conversant_core::{
    CallOptions, ChatHistory, Expect, HistoryError, LanguageModel, Memory, Range, SessionId, Slice,
    Ticket, Turn, Version, async_trait, vars,
};
use conversant_memory::{BufferMemory, InMemoryHistory, WindowMemory};
use conversant_testkit::simulation::{
    Ending, Report, SimulatedCall, SimulatedChat, SimulatedHistory, Simulation, Subject, Violation,
};

use crate::support::{chat_prompt, session};

/// One conversation of an LLM chain.
struct Conversation(LlmChain);

impl Conversation {
    fn new(memory: impl Memory + 'static, model: SimulatedChat) -> Self {
        let builder = LlmChain::builder().prompt(chat_prompt()).memory(memory);
        let builder = builder.maintenance(Maintenance::Inline);
        Self(builder.model(LanguageModel::chat(model)).build().unwrap())
    }

    fn buffer<H: ChatHistory + 'static>(store: SimulatedHistory<H>, model: SimulatedChat) -> Self {
        let memory = BufferMemory::new().with_memory_key("chat_history").with_return_messages(true);
        Self::new(memory.with_history(store, session()), model)
    }

    fn window<H: ChatHistory + 'static>(store: SimulatedHistory<H>, model: SimulatedChat) -> Self {
        let memory = WindowMemory::new()
            .with_k(2)
            .with_memory_key("chat_history")
            .with_return_messages(true);
        Self::new(memory.with_history(store, session()), model)
    }

    async fn outcome(&self, call: SimulatedCall) -> Result<Option<Outcome>, ChainError> {
        let inputs = vars! { "human_input" => call.question };
        let options = CallOptions::new().with_turn_id(call.turn_id);
        if call.streamed {
            self.0.stream_with(inputs, options).await?.into_outcome().await
        } else {
            self.0.invoke_with(inputs, options).await.map(Some)
        }
    }
}

#[async_trait]
impl Subject for Conversation {
    async fn call(&self, call: SimulatedCall) -> Ending {
        match self.outcome(call).await {
            Ok(Some(outcome)) => Ending::Answered(outcome.into_text()),
            Ok(None) => Ending::Failed,
            Err(error) => match error.not_saved() {
                Some(not_saved) => Ending::NotSaved(Box::new(not_saved.turn.clone())),
                None => Ending::Failed,
            },
        }
    }

    async fn save(&self, turn: &Turn) -> bool {
        self.0.memory().unwrap().save(turn, Ticket::default()).await.is_ok()
    }
}

fn number(name: &str, default: u64) -> u64 {
    env::var(name).map_or(default, |value| value.parse().unwrap())
}

#[test]
fn seeds() {
    let from = number("CONVERSANT_SIMULATION_FROM", 0);
    let mut sum = Report::default();
    for seed in from..from + number("CONVERSANT_SIMULATION_SEEDS", 1_000) {
        let simulation = Simulation::new(seed);
        let history = InMemoryHistory::new();
        let result = match seed % 2 {
            0 => simulation.run(history, &session(), Conversation::buffer),
            _ => simulation.run(history, &session(), Conversation::window),
        };
        match result {
            Ok(report) => sum += report,
            Err(violation) => panic!("{violation}"),
        }
    }
    println!("{sum:?}");
    assert!(sum.answered > 0);
}

/// The flaw of a store.
#[derive(Clone, Copy, Debug)]
enum Flaw {
    /// It acknowledges a turn and forgets it.
    Forgets,
    /// It stores a repeated turn again.
    Doubles,
    /// It stores the question only.
    Halves,
}

struct Flawed(InMemoryHistory, Flaw);

#[async_trait]
impl ChatHistory for Flawed {
    async fn load(&self, session: &SessionId, range: Range) -> Result<Slice, HistoryError> {
        self.0.load(session, range).await
    }

    async fn append(
        &self,
        session: &SessionId,
        turn: &Turn,
        expect: Expect,
    ) -> Result<Version, HistoryError> {
        let number: u64 = turn.messages().first().unwrap().text()[9..].parse().unwrap();
        let (turn, expect) = match self.1 {
            Flaw::Forgets if number % 5 == 4 => (Turn::new(Vec::new()), expect),
            Flaw::Doubles => (Turn::new(turn.messages().clone()), expect),
            Flaw::Halves if number % 5 == 4 => (Turn::new(turn.messages().slice(..1)), expect),
            _ => (turn.clone(), expect),
        };
        self.0.append(session, &turn, expect).await
    }

    async fn clear(&self, session: &SessionId) -> Result<(), HistoryError> {
        self.0.clear(session).await
    }
}

#[test]
fn flawed_stores_are_found_and_their_seeds_repeat() {
    for (flaw, expected) in [
        (Flaw::Forgets, "was acknowledged and is lost"),
        (Flaw::Doubles, "is stored twice"),
        (Flaw::Halves, "half a turn"),
    ] {
        let run = |seed| {
            let history = Flawed(InMemoryHistory::new(), flaw);
            Simulation::new(seed).run(history, &session(), Conversation::buffer)
        };
        let violation: Violation = (0..200).find_map(|seed| run(seed).err()).unwrap();
        assert!(violation.to_string().contains(expected), "{flaw:?}: {violation}");
        assert_eq!(run(violation.seed).unwrap_err(), violation);
    }
}

//! Programs with a flaw: the simulation finds each.

use std::{
    future::pending,
    sync::atomic::{AtomicU64, Ordering},
};

use conversant_core::{Memory, Ticket, Turn, async_trait};
use conversant_memory::InMemoryHistory;
use conversant_testkit::simulation::{
    Ending, Environment, SaveEnding, SimulatedCall, Simulation, Subject,
};

use super::{Program, buffer, composed, composed::Kind, one_session};
use crate::support::session;

/// The flaw of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flaw {
    /// It loses the turn of a save that failed.
    LosesUnsaved,
    /// Its errors lack the answers of earlier steps.
    LosesAnswers,
    /// It answers with the words of another question.
    Mixes,
    /// A call that fails saves a turn.
    SavesFailures,
    /// A call after one that failed never ends.
    Sticks,
    /// It calls two chains for one conversation, each with a queue of its own.
    HasTwoQueues,
    /// It saves in a second store without noticing that it was dropped in between.
    SavesInOne,
    /// It takes a save that failed for one that never succeeds.
    GivesUp,
}

struct Flawed {
    flaw: Flaw,
    program: Program,
    /// A second chain over the same conversation.
    other: Program,
    memory: Box<dyn Memory>,
    calls: AtomicU64,
    failed: AtomicU64,
}

impl Flawed {
    fn open(flaw: Flaw, environment: &Environment) -> Self {
        let program = || {
            let chain = composed::chain(Kind::Sequence, environment);
            Program::new(chain, buffer(environment.histories()[0].clone()), environment)
        };
        let store = if flaw == Flaw::SavesInOne { 1 } else { 0 };
        Self {
            flaw,
            program: program(),
            other: program(),
            memory: Box::new(buffer(environment.histories()[store].clone())),
            calls: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        }
    }
}

impl Flawed {
    /// Saves a turn in the other memory, which does not fail so often.
    async fn save_in_memory(&self, turn: &Turn) {
        for _ in 0..20 {
            if self.memory.save(turn, Ticket::default()).await.is_ok() {
                break;
            }
        }
    }
}

#[async_trait]
impl Subject for Flawed {
    async fn call(&self, mut call: SimulatedCall) -> Ending {
        let number = self.calls.fetch_add(1, Ordering::Relaxed);
        let turn =
            Turn::exchange(call.question.as_str(), call.question.replace("question", "answer"));
        let turn = turn.with_id(call.turn_id);
        match self.flaw {
            Flaw::Mixes if number % 5 == 4 => call.question = "question 0".to_owned(),
            Flaw::Sticks if self.failed.load(Ordering::Relaxed) > 0 => pending().await,
            _ => {}
        }
        let is_second = self.flaw == Flaw::HasTwoQueues && number % 2 == 1;
        let program = if is_second { &self.other } else { &self.program };
        let ending = program.call(call).await;
        match (self.flaw, &ending) {
            (Flaw::LosesUnsaved, Ending::NotSaved(_))
            | (Flaw::LosesAnswers, Ending::Failed { .. }) => return Ending::failed(),
            (Flaw::SavesFailures, Ending::Failed { .. })
            | (Flaw::SavesInOne, Ending::Answered(_)) => self.save_in_memory(&turn).await,
            (Flaw::Sticks, Ending::Failed { .. }) => {
                self.failed.fetch_add(1, Ordering::Relaxed);
            }
            _ => {}
        }
        ending
    }

    async fn save(&self, call: &SimulatedCall, turn: &Turn) -> SaveEnding {
        let ending = self.program.save(call, turn).await;
        match (self.flaw, ending) {
            (Flaw::SavesInOne, SaveEnding::Saved) => self.save_in_memory(turn).await,
            (Flaw::GivesUp, SaveEnding::Failed) => return SaveEnding::IdInUse,
            _ => {}
        }
        ending
    }
}

#[test]
fn flaws_of_programs_are_found() {
    for (flaw, expected) in [
        (Flaw::LosesUnsaved, "failed with an error that lacks it"),
        (Flaw::LosesAnswers, "failed with an error that lacks it"),
        (Flaw::Mixes, "was answered with"),
        (Flaw::SavesFailures, "failed, and its turn is stored"),
        (Flaw::Sticks, "nothing wakes them"),
        (Flaw::HasTwoQueues, "asked the model at the same time"),
        (Flaw::SavesInOne, "the stores differ"),
        (Flaw::GivesUp, "was refused because its id is in use, and no turn has it"),
    ] {
        let run = |seed| {
            let simulation = one_session(Simulation::new(seed));
            let simulation = match flaw {
                Flaw::SavesInOne => simulation.with_session(InMemoryHistory::new(), session()),
                _ => simulation,
            };
            simulation.run(|environment| Flawed::open(flaw, environment))
        };
        let found = (0..2_000).find_map(|seed| run(seed).err());
        let violation = found.unwrap_or_else(|| panic!("{flaw:?} is not found"));
        assert!(violation.to_string().contains(expected), "{flaw:?}: {violation}");
        assert_eq!(run(violation.seed).unwrap_err(), violation);
    }
}

/// Two processes that use a session at the same time, where a lease is expected.
#[test]
fn missing_leases_are_found() {
    let run = |seed| {
        let simulation = one_session(Simulation::new(seed)).with_processes(2).with_leases();
        simulation.run(|it| Program::llm(buffer(it.histories()[0].clone()), it))
    };
    let violation = (0..200).find_map(|seed| run(seed).err()).unwrap();
    assert!(violation.to_string().contains("asked the model at the same time"), "{violation}");
}

#[test]
fn a_simulation_needs_a_session() {
    let error = Simulation::new(7)
        .run(|it| Program::llm(buffer(it.histories()[0].clone()), it))
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot pass the simulation with seed 7: the simulation has no sessions; add one"
    );
}

//! Chains, their memories and their stores under seeded schedules of faults.
//!
//! `cargo xtask simulate` runs more seeds. `cargo xtask simulate --from SEED --seeds 1 NAME`
//! repeats the one of a failed test.

mod flawed;
mod flawed_program;
mod program;

use std::{sync::Arc, time::Duration};

use conversant_core::{ChatHistory, Memory, TokenCounter};
use conversant_memory::{
    BufferMemory, CombinedMemory, InMemoryHistory, SummaryBufferMemory, SummaryMemory, WindowMemory,
};
use conversant_testkit::simulation::{
    Environment, SimulatedHistory, Simulation, SimulationReport, Subject, run_seeds,
};

use self::program::{Program, composed, step_with_memory};
use crate::support::session;

/// The seeds of an ordinary test.
const SEEDS: u64 = 1_000;

fn buffer(history: impl ChatHistory + 'static) -> BufferMemory {
    BufferMemory::new()
        .with_output_key("text")
        .with_memory_key("chat_history")
        .with_return_messages(true)
        .with_history(history, session())
}

fn window(history: SimulatedHistory) -> WindowMemory {
    WindowMemory::new()
        .with_k(2)
        .with_memory_key("chat_history")
        .with_return_messages(true)
        .with_history(history, session())
}

/// Counts the words of a text as its tokens.
struct Words;

impl TokenCounter for Words {
    fn count_text(&self, text: &str) -> usize {
        text.split_whitespace().count()
    }
}

fn summary_buffer(environment: &Environment) -> SummaryBufferMemory {
    SummaryBufferMemory::new(environment.model(), Words)
        .with_max_token_limit(40)
        .with_memory_key("chat_history")
        .with_return_messages(true)
        .with_history(environment.histories()[0].clone(), session())
}

fn summary(environment: &Environment) -> SummaryMemory {
    SummaryMemory::new(environment.model())
        .with_memory_key("chat_history")
        .with_return_messages(true)
        .with_history(environment.histories()[0].clone(), session())
}

/// Returns a simulation over a store in memory.
fn one_session(simulation: Simulation) -> Simulation {
    simulation.with_session(InMemoryHistory::new(), session())
}

/// Runs all seeds.
#[expect(clippy::print_stdout, reason = "`cargo xtask simulate` shows the numbers")]
fn run<S: Subject + 'static>(
    plan: impl Fn(Simulation) -> Simulation,
    open: impl Fn(&Environment) -> S,
) -> SimulationReport {
    let run = |seed| plan(Simulation::new(seed)).run(&open);
    let report = run_seeds(SEEDS, run).unwrap_or_else(|violation| panic!("{violation}"));
    println!("{report:?}");
    report
}

/// Returns whether few seeds were run, by their numbers.
fn is_replay(report: SimulationReport) -> bool {
    report.calls < SEEDS
}

#[test]
fn seeds_of_a_buffer() {
    let plan = |simulation| {
        one_session(simulation).with_repeated_calls().with_restored_answers().with_stopped_streams()
    };
    let report = run(plan, |it| Program::llm(buffer(it.histories()[0].clone()), it));
    let has_all = report.answered > 0 && report.repeated > 0 && report.stopped > 0;
    assert!(has_all || is_replay(report), "{report:?}");
}

#[test]
fn seeds_of_a_window() {
    let plan = |simulation| one_session(simulation).with_partial_views().with_stopped_streams();
    run(plan, |it| Program::llm(window(it.histories()[0].clone()), it));
}

#[test]
fn seeds_of_summaries() {
    run(one_session, |it| Program::llm(summary(it), it));
    run(one_session, |it| Program::llm(summary_buffer(it), it));
}

/// Each kind of chain of chains, with a memory around it.
#[test]
fn seeds_of_compositions() {
    for kind in composed::KINDS {
        let plan = |simulation| {
            let simulation = one_session(simulation).with_repeated_calls();
            simulation.with_restored_answers().with_stopped_streams()
        };
        run(plan, |it| {
            Program::new(composed::chain(kind, it), buffer(it.histories()[0].clone()), it)
        });
    }
}

/// A step that stores turns of its own, in a chain that has a memory.
#[test]
fn seeds_of_a_step_with_a_memory() {
    let plan = |simulation| {
        one_session(simulation)
            .with_step_session(InMemoryHistory::new(), session())
            .with_repeated_calls()
            .with_restored_answers()
    };
    run(plan, |it| {
        let step = buffer(it.histories()[1].clone()).with_output_key("draft");
        step_with_memory(buffer(it.histories()[0].clone()), step, it)
    });
}

/// Returns a memory of the first store, combined with others of which each has a store of its own.
fn combined(environment: &Environment) -> CombinedMemory {
    let [first, others @ ..] = environment.histories() else { panic!("no stores") };
    let names = ["recent", "third"];
    let others = others.iter().zip(names).map(|(history, name)| {
        let memory = BufferMemory::new().with_memory_key(name).with_output_key("text");
        Arc::new(memory.with_history(history.clone(), session())) as Arc<dyn Memory>
    });
    let first = Arc::new(buffer(first.clone())) as Arc<dyn Memory>;
    CombinedMemory::new([first].into_iter().chain(others)).unwrap()
}

#[test]
fn seeds_of_two_stores() {
    let plan = |simulation| one_session(simulation).with_session(InMemoryHistory::new(), session());
    run(plan, |it| Program::llm_with_texts(combined(it), it));
}

/// Processes over the same three stores, whose saves overlap.
#[test]
fn seeds_of_three_stores() {
    let plan = |simulation| {
        let simulation = one_session(simulation).with_session(InMemoryHistory::new(), session());
        let simulation = simulation.with_session(InMemoryHistory::new(), session());
        simulation.with_processes(2).with_repeated_calls()
    };
    run(plan, |it| Program::llm_with_texts(combined(it), it));
}

#[test]
fn seeds_of_branches() {
    let plan = |simulation| one_session(simulation).with_branches();
    let report = run(plan, |it| Program::llm(buffer(it.histories()[0].clone()), it));
    assert!(report.tip_moves > 0 && report.forks > 0 || is_replay(report), "{report:?}");
    let plan = |simulation| {
        one_session(simulation).with_branches().with_partial_views().with_repeated_calls()
    };
    run(plan, |it| Program::llm(window(it.histories()[0].clone()), it));
    run(plan, |it| Program::llm(summary_buffer(it), it));
}

#[test]
fn seeds_of_two_processes() {
    let plan = |simulation| {
        one_session(simulation).with_processes(2).with_repeated_calls().with_stopped_streams()
    };
    run(plan, |it| Program::llm(buffer(it.histories()[0].clone()), it));
}

#[test]
fn seeds_of_leases() {
    let plan = |simulation| {
        let simulation = one_session(simulation).with_processes(2).with_leases();
        simulation.with_repeated_calls().with_restored_answers()
    };
    let time = Duration::from_secs(60);
    run(plan, |it| Program::llm(buffer(it.histories()[0].clone()).leased(time), it));
}

//! The goals, and whether they are met.

use std::fmt::{self, Formatter};

use super::{measured::Measured, units::time};
use crate::{measure::median, work::Work};

/// Returns the largest ratio of least costs to the base that is the goal, where there is one.
const fn goal(work: Work, n: usize) -> Option<f64> {
    match (work, n) {
        (Work::Call, 2) => Some(1.10),
        (Work::Stream, _) => Some(1.0),
        (Work::Call, 20) => Some(0.9),
        (Work::Call, 200) => Some(0.5),
        (Work::Call, 2_000) => Some(0.15),
        (Work::Tokens, _) => Some(0.25),
        (Work::Conversation, _) => Some(0.30),
        _ => None,
    }
}

/// Writes which goals are met and which are missed.
pub(super) fn write(
    f: &mut Formatter<'_>,
    work: Work,
    n: usize,
    measured: &Measured,
) -> fmt::Result {
    if let (Some(goal), Some(ratio)) = (goal(work, n), measured.ratio(work, "conversant")) {
        let met = at_most(ratio.least, goal);
        writeln!(f, "\nGoal at n = {n}: at most {goal:.2}x; {:.3}x: {met}", ratio.least)?;
    }
    match work {
        Work::Conversation => growth(f, measured),
        Work::Concurrent => {
            calls_a_second(f, measured)?;
            memory(f, measured)
        }
        Work::Stream | Work::FirstToken => raw_bytes(f, work, measured),
        _ => Ok(()),
    }
}

/// The cost of the last turns by that of the first.
fn growth(f: &mut Formatter<'_>, measured: &Measured) -> fmt::Result {
    for (name, samples) in &measured.systems {
        let turns: Vec<_> = samples.iter().filter_map(|sample| sample.turns).collect();
        let first = median(turns.iter().map(|(first, _)| *first).collect());
        let last = median(turns.iter().map(|(_, last)| *last).collect());
        let (Some(first), Some(last)) = (first, last) else { continue };
        let (growth, first, last) = (last / first, time(first), time(last));
        write!(f, "\n{name}: turns 11 to 60 {first}, last 50 {last}: {growth:.2}x")?;
        if *name == "conversant" {
            write!(f, " (goal: at most 2.5x: {})", at_most(growth, 2.5))?;
        }
        writeln!(f)?;
    }
    Ok(())
}

fn calls_a_second(f: &mut Formatter<'_>, measured: &Measured) -> fmt::Result {
    let wall = |name| measured.taken(name, |sample| sample.wall);
    for (name, _) in &measured.systems {
        let (Some(own), Some(floor)) = (wall(name), wall("floor")) else { continue };
        let ratio = floor.over(own);
        write!(
            f,
            "\n{name}: at best {:.0} calls a second, {:.2}x the floor's (median {:.0}, {:.2}x)",
            1e9 / own.least,
            ratio.least,
            1e9 / own.median,
            ratio.median,
        )?;
        if *name == "conversant" {
            let met = if ratio.least >= 0.95 { "met" } else { "MISSED" };
            write!(f, " (goal: at least 0.95x: {met})")?;
        }
        writeln!(f)?;
    }
    Ok(())
}

fn memory(f: &mut Formatter<'_>, measured: &Measured) -> fmt::Result {
    let floor = measured.peaks.iter().find(|(name, _)| *name == "floor");
    let Some(&(_, floor)) = floor else { return Ok(()) };
    for (name, peak) in &measured.peaks {
        let ratio = *peak as f64 / floor as f64;
        let megabytes = *peak as f64 / 1e6;
        write!(
            f,
            "\n{name}: at most {megabytes:.1} MB resident, in a process of its own: {ratio:.2}x"
        )?;
        if *name == "conversant" {
            write!(f, " (goal: at most 1.10x: {})", at_most(ratio, 1.10))?;
        }
        writeln!(f)?;
    }
    Ok(())
}

/// The cost of a stream by that of its bytes alone. Of times the median counts, since the least is
/// chance.
fn raw_bytes(f: &mut Formatter<'_>, work: Work, measured: &Measured) -> fmt::Result {
    let cost = |name| measured.cost(work, name);
    let (Some(own), Some(raw)) = (cost("conversant"), cost("raw_bytes")) else { return Ok(()) };
    let ratio = own.over(raw);
    let (ratio, goal, which) =
        if work.is_timed() { (ratio.median, 1.10, "median") } else { (ratio.least, 1.6, "least") };
    let met = at_most(ratio, goal);
    writeln!(f, "\nGoal: at most {goal:.2}x the raw bytes' ({which}); {ratio:.3}x: {met}")
}

fn at_most(value: f64, limit: f64) -> &'static str {
    if value <= limit { "met" } else { "MISSED" }
}

//! What was measured, as a table or as JSON.

use std::fmt;

use bench::{
    measure::{Sample, least, median},
    work::Work,
};
use serde::Serialize;

/// How long a system may take for a work before it is measured less often. Nanoseconds.
const SLOW: f64 = 2e9;

/// The samples of each system, of one work at one size.
#[derive(Debug)]
pub(crate) struct Measured {
    systems: Vec<(&'static str, Vec<Sample>)>,
}

/// A line of the JSON.
#[derive(Serialize)]
struct Line<'a> {
    work: &'a str,
    n: usize,
    system: &'a str,
    cpu_ns: f64,
    ratio: f64,
}

impl Measured {
    pub(crate) fn new(names: impl Iterator<Item = &'static str>) -> Self {
        Self { systems: names.map(|name| (name, Vec::new())).collect() }
    }

    pub(crate) fn add(&mut self, index: usize, sample: Sample) {
        if let Some((_, samples)) = self.systems.get_mut(index) {
            samples.push(sample);
        }
    }

    /// Returns whether a system has taken so long that this round can do without it.
    pub(crate) fn is_slow(&self, index: usize, round: usize) -> bool {
        let taken = |samples: &[Sample]| samples.iter().map(|sample| sample.wall).sum::<f64>();
        let slow = self.systems.get(index).is_some_and(|(_, samples)| taken(samples) > SLOW);
        slow && !round.is_multiple_of(10)
    }

    /// Returns what a system took at least, and in the middle.
    fn cpu(&self, name: &str) -> Option<(f64, f64)> {
        let (_, samples) = self.systems.iter().find(|(known, _)| *known == name)?;
        let cpu: Vec<_> = samples.iter().map(|sample| sample.cpu).collect();
        Some((least(&cpu)?, median(cpu)?))
    }

    /// Returns the name of what the others are measured against.
    fn base(&self) -> &'static str {
        if self.cpu("floor").is_some() { "floor" } else { "tiktoken-rs" }
    }

    /// Returns a system's least CPU by that of the base.
    fn ratio(&self, name: &str) -> Option<f64> {
        Some(self.cpu(name)?.0 / self.cpu(self.base())?.0)
    }

    pub(crate) fn print_json(&self, work: Work, n: usize) -> serde_json::Result<()> {
        for (system, _) in &self.systems {
            if let (Some((least, _)), Some(ratio)) = (self.cpu(system), self.ratio(system)) {
                let (cpu_ns, ratio) = ((least * 10.0).round() / 10.0, (ratio * 1e4).round() / 1e4);
                let line = Line { work: work.name(), n, system, cpu_ns, ratio };
                println!("{}", serde_json::to_string(&line)?);
            }
        }
        Ok(())
    }
}

/// All that was measured.
#[derive(Debug, Default)]
pub(crate) struct Report {
    works: Vec<(Work, Vec<(usize, Measured)>)>,
}

impl Report {
    pub(crate) fn add(&mut self, work: Work, n: usize, measured: Measured) {
        match self.works.last_mut() {
            Some((last, sizes)) if *last == work => sizes.push((n, measured)),
            _ => self.works.push((work, vec![(n, measured)])),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "CPU by the operating system's account: the least of all samples, and its ratio to the base's (ratio of the medians)"
        )?;
        for (work, sizes) in &self.works {
            writeln!(f, "\n**{work}** (n: {})\n", work.unit())?;
            write!(f, "| system |")?;
            for (n, _) in sizes {
                write!(f, " n = {n} |")?;
            }
            writeln!(f, "\n|---|{}", "---|".repeat(sizes.len()))?;
            let names = sizes.first().map(|(_, measured)| measured.systems.as_slice());
            for (name, _) in names.unwrap_or_default() {
                if sizes.iter().all(|(_, measured)| measured.cpu(name).is_none()) {
                    continue;
                }
                write!(f, "| {name} |")?;
                for (_, measured) in sizes {
                    match cell(measured, name) {
                        Some(cell) => write!(f, " {cell} |")?,
                        None => write!(f, " |")?,
                    }
                }
                writeln!(f)?;
            }
            for (n, measured) in sizes {
                goals(f, *work, *n, measured)?;
            }
        }
        Ok(())
    }
}

/// Writes a time and its ratio to the base's.
fn cell(measured: &Measured, name: &str) -> Option<String> {
    let ((least, middle), (_, base)) = (measured.cpu(name)?, measured.cpu(measured.base())?);
    let ratio = measured.ratio(name)?;
    Some(format!("{} [{}] ({})", time(least), times(ratio), times(middle / base)))
}

fn time(nanoseconds: f64) -> String {
    let (value, unit) = match nanoseconds {
        ns if ns < 1e3 => (ns, "ns"),
        ns if ns < 1e6 => (ns / 1e3, "us"),
        ns if ns < 1e9 => (ns / 1e6, "ms"),
        ns => (ns / 1e9, "s"),
    };
    let digits = if value < 10.0 { 2 } else { usize::from(value < 100.0) };
    format!("{value:.digits$} {unit}")
}

fn times(ratio: f64) -> String {
    if ratio < 10.0 { format!("{ratio:.2}x") } else { format!("{ratio:.0}x") }
}

/// Returns the largest ratio to the base that is the goal, where there is one.
const fn goal(work: Work, n: usize) -> Option<f64> {
    match (work, n) {
        (Work::Call, 2) | (Work::Stream, _) => Some(1.10),
        (Work::Call, 20) => Some(0.9),
        (Work::Call, 200) => Some(0.5),
        (Work::Call, 2_000) | (Work::Tokens, _) => Some(0.25),
        (Work::Conversation, _) => Some(0.30),
        (Work::Concurrent, _) => Some(1.0 / 0.95),
        _ => None,
    }
}

/// Writes which goals are met and which are missed.
fn goals(f: &mut fmt::Formatter<'_>, work: Work, n: usize, measured: &Measured) -> fmt::Result {
    let verdict = |value: f64, limit: f64| if value <= limit { "met" } else { "MISSED" };
    if let (Some(goal), Some(ratio)) = (goal(work, n), measured.ratio("conversant")) {
        let met = verdict(ratio, goal);
        writeln!(f, "\nGoal at n = {n}: at most {goal:.2}x; {ratio:.3}x: {met}")?;
    }
    for (name, samples) in &measured.systems {
        let turns: Vec<_> = samples.iter().filter_map(|sample| sample.turns).collect();
        let first = median(turns.iter().map(|(first, _)| *first).collect());
        let last = median(turns.iter().map(|(_, last)| *last).collect());
        if let (Some(first), Some(last)) = (first, last) {
            let growth = last / first;
            write!(
                f,
                "\n{name}: turns 11 to 60 {}, last 50 {}: {growth:.2}x",
                time(first),
                time(last)
            )?;
            if *name == "conversant" {
                write!(f, " (goal: at most 2.5x: {})", verdict(growth, 2.5))?;
            }
            writeln!(f)?;
        }
        if work == Work::Concurrent
            && let Some(wall) = least(&samples.iter().map(|sample| sample.wall).collect::<Vec<_>>())
        {
            writeln!(f, "\n{name}: {:.0} calls a second", 1e9 / wall)?;
        }
    }
    Ok(())
}

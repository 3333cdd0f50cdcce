//! The results of one work at one size.

use serde::Serialize;

use crate::{
    measure::{Sample, least, median},
    work::Work,
};

/// The time from which a system is measured less often, in nanoseconds.
const SLOW: f64 = 2e9;
/// The time from which a system is not measured again, in nanoseconds.
const TOO_SLOW: f64 = 20e9;
/// The number of rounds in which a slow system is measured once.
const SELDOM: usize = 10;
/// The system without a line in the JSON, since it is not a client.
const NO_CLIENT: &str = "raw_bytes";

/// The samples of each system, of one work at one size.
#[derive(Debug)]
pub(crate) struct Measured {
    pub(super) systems: Vec<(&'static str, Vec<Sample>)>,
    /// The peak memory of a process in which one system does the work, where that was measured, in
    /// bytes.
    pub(crate) peaks: Vec<(&'static str, u64)>,
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
        Self { systems: names.map(|name| (name, Vec::new())).collect(), peaks: Vec::new() }
    }

    pub(crate) fn add(&mut self, index: usize, sample: Sample) {
        if let Some((_, samples)) = self.systems.get_mut(index) {
            samples.push(sample);
        }
    }

    /// Adds what was to warm up if it took so long that it is worth counting.
    pub(crate) fn warmed_up(&mut self, index: usize, samples: &[Sample]) {
        for sample in samples.iter().filter(|sample| whole(sample) > SLOW) {
            self.add(index, *sample);
        }
    }

    /// Returns whether a system has taken so long that this round can do without it.
    pub(crate) fn can_do_without(&self, index: usize, round: usize) -> bool {
        let Some((_, samples)) = self.systems.get(index) else { return true };
        let taken: f64 = samples.iter().map(whole).sum();
        taken > TOO_SLOW || taken > SLOW && !round.is_multiple_of(SELDOM)
    }

    /// Returns the cost of a system, by one of the accounts.
    pub(super) fn taken(&self, name: &str, account: impl Fn(&Sample) -> f64) -> Option<Taken> {
        let (_, samples) = self.systems.iter().find(|(known, _)| *known == name)?;
        let values: Vec<_> = samples.iter().map(account).collect();
        Some(Taken { least: least(&values)?, median: median(values)? })
    }

    /// Returns the cost of a system in the account of a work.
    pub(super) fn cost(&self, work: Work, name: &str) -> Option<Taken> {
        self.taken(name, |sample| if work.is_timed() { sample.wall } else { sample.cpu })
    }

    /// Returns the cost of the base system.
    fn base(&self, work: Work) -> Option<Taken> {
        self.cost(work, "floor").or_else(|| self.cost(work, "tiktoken-rs"))
    }

    /// Returns a system's ratios to the base.
    pub(super) fn ratio(&self, work: Work, name: &str) -> Option<Taken> {
        Some(self.cost(work, name)?.over(self.base(work)?))
    }

    pub(crate) fn print_json(&self, work: Work, n: usize) -> serde_json::Result<()> {
        for (system, _) in self.systems.iter().filter(|(name, _)| *name != NO_CLIENT) {
            if let (Some(cost), Some(ratio)) = (self.cost(work, system), self.ratio(work, system)) {
                let cpu_ns = (cost.least * 10.0).round() / 10.0;
                let ratio = (ratio.least * 1e4).round() / 1e4;
                let line = Line { work: work.name(), n, system, cpu_ns, ratio };
                println!("{}", serde_json::to_string(&line)?);
            }
        }
        Ok(())
    }
}

/// The least of some samples and the one in the middle, or ratios of these.
#[derive(Debug, Clone, Copy)]
pub(super) struct Taken {
    pub(super) least: f64,
    pub(super) median: f64,
}

impl Taken {
    pub(super) fn over(self, base: Self) -> Self {
        Self { least: self.least / base.least, median: self.median / base.median }
    }
}

/// The time of a sample that is shared among operations.
fn whole(sample: &Sample) -> f64 {
    sample.wall * sample.operations as f64
}

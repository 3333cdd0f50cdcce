//! The result of a row, and how both sides of it take turns.

use std::fs;

use bench::measure::{median, truncated_mean};
use conversant_core::BoxError;
use serde::Serialize;

/// How much is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effort {
    Quick,
    Full,
}

impl Effort {
    /// Returns the number of rounds in which the two sides take turns.
    ///
    /// They are many and short. A thread that is woken costs two or three times as much on another
    /// core than on its own, and the kernel keeps to its choice for a while. Both sides have to
    /// meet the same choices.
    pub(crate) const fn rounds(self) -> usize {
        match self {
            Self::Quick => 60,
            Self::Full => 140,
        }
    }

    /// Returns the number of groups of rounds, each with stores that were just opened.
    ///
    /// The kernel tends to keep a pair of threads on one core, or on two, as long as they live: the
    /// threads of each side have to be started several times.
    pub(crate) const fn groups(self) -> usize {
        match self {
            Self::Quick => 10,
            Self::Full => 14,
        }
    }

    /// Returns the number of rounds of a group.
    pub(crate) const fn rounds_of_group(self) -> usize {
        self.rounds() / self.groups()
    }

    /// Returns the number of calls in a round.
    pub(crate) const fn calls(self) -> usize {
        match self {
            Self::Quick => 30,
            Self::Full => 40,
        }
    }

    /// Returns the number of rounds of a row whose round takes seconds.
    pub(crate) const fn long_rounds(self) -> usize {
        match self {
            Self::Quick => 3,
            Self::Full => 7,
        }
    }
}

/// The names of the columns of [`Measured::line`].
pub(crate) const HEAD: &str = "row                n         conversant                    by hand                       ratio";

/// The samples of a row at one size.
pub(crate) struct Measured {
    n: usize,
    unit: &'static str,
    ours: Vec<f64>,
    /// Empty if the row has no other side: the ratio is the value then.
    floor: Vec<f64>,
    /// Whether the value of a side is the median of its samples, and not their mean.
    is_median: bool,
    /// The system of the first side.
    system: &'static str,
}

/// The name of our side.
const OURS: &str = "conversant";

/// A line of `--json`.
#[derive(Serialize)]
struct Json<'r> {
    work: &'r str,
    n: usize,
    system: &'static str,
    ratio: f64,
}

impl Measured {
    /// Lets conversant and the other side take turns, each first in every second round.
    pub(crate) fn in_turns(
        n: usize,
        unit: &'static str,
        rounds: usize,
        mut ours: impl FnMut() -> Result<f64, BoxError>,
        mut floor: impl FnMut() -> Result<f64, BoxError>,
    ) -> Result<Self, BoxError> {
        let [measured] =
            Self::each_in_turns(n, [unit], rounds, || Ok([ours()?]), || Ok([floor()?]))?;
        Ok(measured)
    }

    /// As [`in_turns`](Self::in_turns), for several values of the same calls.
    pub(crate) fn each_in_turns<const N: usize>(
        n: usize,
        units: [&'static str; N],
        rounds: usize,
        mut ours: impl FnMut() -> Result<[f64; N], BoxError>,
        mut floor: impl FnMut() -> Result<[f64; N], BoxError>,
    ) -> Result<[Self; N], BoxError> {
        // The first round opens files, fills caches and compiles statements.
        ours()?;
        floor()?;
        let mut measured = units.map(|unit| Self {
            n,
            unit,
            ours: Vec::new(),
            floor: Vec::new(),
            is_median: false,
            system: OURS,
        });
        for round in 0..rounds {
            let (own, other) = if round % 2 == 0 {
                (ours()?, floor()?)
            } else {
                let other = floor()?;
                (ours()?, other)
            };
            for ((measured, own), other) in measured.iter_mut().zip(own).zip(other) {
                measured.ours.push(own);
                measured.floor.push(other);
            }
        }
        Ok(measured)
    }

    /// Measures the groups of a row, and joins their samples.
    pub(crate) fn in_groups(
        effort: Effort,
        mut group: impl FnMut(usize) -> Result<Self, BoxError>,
    ) -> Result<Self, BoxError> {
        let [joined] = Self::each_in_groups(effort, |rounds| Ok([group(rounds)?]))?;
        Ok(joined)
    }

    /// As [`in_groups`](Self::in_groups), for several values of the same calls.
    pub(crate) fn each_in_groups<const N: usize>(
        effort: Effort,
        mut group: impl FnMut(usize) -> Result<[Self; N], BoxError>,
    ) -> Result<[Self; N], BoxError> {
        let mut joined = group(effort.rounds_of_group())?;
        for _ in 1..effort.groups() {
            for (joined, more) in joined.iter_mut().zip(group(effort.rounds_of_group())?) {
                joined.ours.extend(more.ours);
                joined.floor.extend(more.floor);
            }
        }
        Ok(joined)
    }

    /// A row without another side.
    pub(crate) const fn alone(n: usize, unit: &'static str, ours: Vec<f64>) -> Self {
        Self { n, unit, ours, floor: Vec::new(), is_median: false, system: OURS }
    }

    /// Takes the median of the samples: for times, to which a wait for another process adds.
    pub(crate) fn by_median(self) -> Self {
        Self { is_median: true, ..self }
    }

    /// Marks a row in which both sides are hand-written. It shows what no store can be ahead of.
    pub(crate) fn by_hand_alone(self) -> Self {
        Self { system: "by hand", ..self }
    }

    fn value(&self, samples: &[f64]) -> Option<f64> {
        if self.is_median { median(samples.to_vec()) } else { truncated_mean(samples) }
    }

    fn ratio(&self) -> f64 {
        let ours = self.value(&self.ours).unwrap_or(f64::NAN);
        self.value(&self.floor).map_or(ours, |floor| ours / floor)
    }

    pub(crate) fn json(&self, work: &str) -> Result<String, BoxError> {
        let line = Json { work, n: self.n, system: self.system, ratio: self.ratio() };
        Ok(serde_json::to_string(&line)?)
    }

    pub(crate) fn line(&self, work: &str) -> String {
        let shown = |values: &[f64]| match self.value(values) {
            Some(middle) => {
                let (least, most) =
                    values.iter().fold((f64::MAX, f64::MIN), |(least, most), &value| {
                        (least.min(value), most.max(value))
                    });
                format!("{middle:.4} ({least:.4}-{most:.4}) {}", self.unit)
            }
            None => "-".to_owned(),
        };
        format!(
            "{work:18} {:<9} {:29} {:29} {:.3}",
            self.n,
            shown(&self.ours),
            shown(&self.floor),
            self.ratio()
        )
    }
}

/// Returns the CPU of the main thread of a process in microseconds, as the scheduler accounts for
/// it.
pub(crate) fn cpu_of(process: i32) -> Result<f64, BoxError> {
    let stat = fs::read_to_string(format!("/proc/{process}/schedstat"))?;
    let nanoseconds = stat.split_whitespace().next().ok_or("no times of a process")?;
    Ok(nanoseconds.parse::<f64>()? / 1e3)
}

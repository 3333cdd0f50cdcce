//! The result of a row, and how both sides of it take turns.

use bench::measure::median;
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
    pub(crate) const fn rounds(self) -> usize {
        match self {
            Self::Quick => 3,
            Self::Full => 7,
        }
    }

    /// Returns the number of calls in a round.
    pub(crate) const fn calls(self) -> usize {
        match self {
            Self::Quick => 300,
            Self::Full => 600,
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
}

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
        // The first round opens files and fills caches.
        (ours()?, floor()?);
        let mut measured = Self { n, unit, ours: Vec::new(), floor: Vec::new() };
        for round in 0..rounds {
            if round % 2 == 0 {
                measured.ours.push(ours()?);
                measured.floor.push(floor()?);
            } else {
                measured.floor.push(floor()?);
                measured.ours.push(ours()?);
            }
        }
        Ok(measured)
    }

    /// A row whose samples were taken in turns.
    pub(crate) const fn of(n: usize, unit: &'static str, ours: Vec<f64>, floor: Vec<f64>) -> Self {
        Self { n, unit, ours, floor }
    }

    /// A row without another side.
    pub(crate) const fn alone(n: usize, unit: &'static str, ours: Vec<f64>) -> Self {
        Self { n, unit, ours, floor: Vec::new() }
    }

    fn ratio(&self) -> f64 {
        let of = |values: &[f64]| median(values.to_vec());
        let ours = of(&self.ours).unwrap_or(f64::NAN);
        of(&self.floor).map_or(ours, |floor| ours / floor)
    }

    pub(crate) fn json(&self, work: &str) -> Result<String, BoxError> {
        let line = Json { work, n: self.n, system: "conversant", ratio: self.ratio() };
        Ok(serde_json::to_string(&line)?)
    }

    pub(crate) fn line(&self, work: &str) -> String {
        let shown = |values: &[f64]| match median(values.to_vec()) {
            Some(middle) => {
                let (least, most) = values.iter().fold((f64::MAX, f64::MIN), |(least, most), &value| {
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

//! The results, as a table.

mod goals;
mod measured;
mod units;

use std::fmt;

pub(crate) use self::measured::Measured;
use self::units::{time, times};
use crate::work::Work;

/// All measurements.
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
            "CPU of the process by the operating system's account, least / median of all samples, each with its ratio to the floor's"
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
                if sizes.iter().all(|(_, measured)| measured.cost(*work, name).is_none()) {
                    continue;
                }
                write!(f, "| {name} |")?;
                for (_, measured) in sizes {
                    match cell(measured, *work, name) {
                        Some(cell) => write!(f, " {cell} |")?,
                        None => write!(f, " |")?,
                    }
                }
                writeln!(f)?;
            }
            for (n, measured) in sizes {
                goals::write(f, *work, *n, measured)?;
            }
        }
        Ok(())
    }
}

/// Writes what a system took, and the ratios to the base's.
fn cell(measured: &Measured, work: Work, name: &str) -> Option<String> {
    let (cost, ratio) = (measured.cost(work, name)?, measured.ratio(work, name)?);
    Some(format!(
        "{} [{}] / {} [{}]",
        time(cost.least),
        times(ratio.least),
        time(cost.median),
        times(ratio.median)
    ))
}

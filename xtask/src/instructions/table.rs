//! The counts, side by side.

use std::fmt;

use super::{
    count::{Counts, grouped},
    gate::{BY_HAND, CALL},
};

/// The counts of each work by the number of messages.
#[derive(Debug)]
pub(super) struct Table<'a>(pub(super) &'a Counts);

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sizes = self.0.sizes();
        let header = sizes.iter().map(|n| grouped(*n as u64));
        row(f, "instructions, by messages", header)?;
        for (work, counts) in self.0.works() {
            // Where there is no conversation, in the first column.
            let of = |n| counts.get(n).map(|count| grouped(count.instructions));
            row(f, work, of(&0).into_iter().chain(sizes.iter().map_while(of)))?;
        }
        let ratios = sizes.iter().map_while(|n| {
            let [ours, theirs] = [CALL, BY_HAND].map(|work| self.0.get(work, *n));
            Some(format!("{:.3}", ours?.instructions as f64 / theirs?.instructions as f64))
        });
        row(f, &format!("{CALL} / {BY_HAND}"), ratios)
    }
}

fn row(
    f: &mut fmt::Formatter<'_>,
    name: &str,
    mut values: impl Iterator<Item = String>,
) -> fmt::Result {
    write!(f, "{name:<28}")?;
    values.try_for_each(|value| write!(f, "{value:>12}"))?;
    writeln!(f)
}

//! The counts.

use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error,
};

/// The instructions of a work, counted once.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Count {
    pub(super) work: String,
    /// The number of messages of the conversation; 0 if there is none.
    pub(super) n: usize,
    /// Instructions of one operation.
    pub(super) instructions: u64,
    /// The number of the profile.
    pub(super) profile: usize,
}

/// Reads the counts: a line for each, and the profile of the line's number.
pub(super) fn read(
    said: &str,
    profile: impl Fn(usize) -> Result<String, Box<dyn Error>>,
) -> Result<Vec<Count>, Box<dyn Error>> {
    let counts = said.lines().zip(1..).map(|(line, number)| {
        let mut fields = line.split('\t');
        let mut field = || fields.next().ok_or_else(|| format!("`{line}` is not a count"));
        let (work, n, operations) = (field()?, field()?.parse()?, field()?.parse::<u64>()?);
        let profile = profile(number)?;
        let total = profile.lines().find_map(|line| line.strip_prefix("totals: "));
        let total: u64 = total.ok_or_else(|| format!("profile {number} has no total"))?.parse()?;
        if total == 0 {
            return Err(format!("nothing was counted of `{work}`").into());
        }
        let instructions = total / operations.max(1);
        Ok(Count { work: work.to_owned(), n, instructions, profile: number })
    });
    counts.collect()
}

/// The least count of each work at each size.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// In the order in which they were counted.
    works: Vec<(String, BTreeMap<usize, Count>)>,
}

impl Counts {
    pub(super) fn new(counts: impl IntoIterator<Item = Count>) -> Self {
        let mut works: Vec<(String, BTreeMap<usize, Count>)> = Vec::new();
        for count in counts {
            let known = works.iter().position(|(work, _)| *work == count.work);
            let index = known.unwrap_or_else(|| {
                works.push((count.work.clone(), BTreeMap::new()));
                works.len() - 1
            });
            let Some((_, sizes)) = works.get_mut(index) else { continue };
            let least = sizes.entry(count.n).or_insert_with(|| count.clone());
            if count.instructions < least.instructions {
                *least = count;
            }
        }
        Self { works }
    }

    pub(super) fn get(&self, work: &str, n: usize) -> Option<&Count> {
        self.works.iter().find(|(name, _)| name == work)?.1.get(&n)
    }

    /// Iterates over the works with what was counted at each size.
    pub(super) fn works(&self) -> impl Iterator<Item = (&str, &BTreeMap<usize, Count>)> {
        self.works.iter().map(|(work, sizes)| (work.as_str(), sizes))
    }

    /// Returns the sizes, without the 0 of works that have none.
    pub(super) fn sizes(&self) -> BTreeSet<usize> {
        let sizes = self.works.iter().flat_map(|(_, sizes)| sizes.keys().copied());
        sizes.filter(|n| *n > 0).collect()
    }
}

/// Writes a number with commas.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

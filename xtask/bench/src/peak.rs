//! The memory of concurrent conversations: a process per system, so that none pays for another.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use conversant_core::BoxError;

use crate::{
    measure::most_resident,
    work::{Named, Work},
};

/// The number of processes of each system.
const PROCESSES: usize = 3;
/// The total time after which no further process is started.
const LONG: Duration = Duration::from_secs(5);

/// Holds the conversations, and writes this process's peak resident memory in bytes, unless the
/// system holds none.
pub(crate) fn converse(systems: &[Named], name: &str, base_url: &str) -> Result<(), BoxError> {
    let found = systems.iter().find(|(known, _)| *known == name);
    let (_, make) = found.ok_or_else(|| format!("there is no system `{name}`"))?;
    let mut system = make(base_url)?;
    for n in Work::Concurrent.sizes() {
        let samples = system.burst(Work::Concurrent, *n, 1);
        if !samples.is_empty()
            && let Some(bytes) = most_resident()
        {
            println!("{bytes}");
        }
    }
    Ok(())
}

/// Has each system hold the conversations, and returns the peak memory of those that do: the least
/// of some processes, or that of one if it is slow.
pub(crate) fn measure(
    systems: impl Iterator<Item = &'static str>,
    base_url: &str,
) -> Result<Vec<(&'static str, u64)>, BoxError> {
    let mut peaks = Vec::new();
    for name in systems {
        let begun = Instant::now();
        let mut least = peak_of(name, base_url)?;
        for _ in 1..PROCESSES {
            if least.is_none() || begun.elapsed() > LONG {
                break;
            }
            least = least.min(peak_of(name, base_url)?);
        }
        peaks.extend(least.map(|bytes| (name, bytes)));
    }
    Ok(peaks)
}

/// Returns the peak memory of a process in which a system holds the conversations; `None` if it
/// holds none.
fn peak_of(name: &str, base_url: &str) -> Result<Option<u64>, BoxError> {
    let output = Command::new(std::env::current_exe()?).args(["peak", name, base_url]).output()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("`{name}` failed: {said}").into());
    }
    Ok(String::from_utf8(output.stdout)?.lines().next().map(str::parse).transpose()?)
}

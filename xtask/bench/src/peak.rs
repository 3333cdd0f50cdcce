//! How much memory conversations at once need: each system in a process of its own, so that none pays for another.

use std::process::Command;

use conversant_core::BoxError;

use crate::{
    measure::most_resident,
    work::{Named, Work},
};

/// Holds the conversations, and writes the most memory that this process had resident, in bytes. Nothing if the system holds none.
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

/// Has each system hold the conversations, and returns the most memory of those that do.
pub(crate) fn measure(
    systems: impl Iterator<Item = &'static str>,
    base_url: &str,
) -> Result<Vec<(&'static str, u64)>, BoxError> {
    let mut peaks = Vec::new();
    for name in systems {
        let output =
            Command::new(std::env::current_exe()?).args(["peak", name, base_url]).output()?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(format!("`{name}` failed: {said}").into());
        }
        if let Some(bytes) = String::from_utf8(output.stdout)?.lines().next() {
            peaks.push((name, bytes.parse()?));
        }
    }
    Ok(peaks)
}

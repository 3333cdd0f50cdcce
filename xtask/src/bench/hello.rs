//! The footprint of the smallest programs with one call: hand-written, with each choice of TLS, and
//! with conversant.

use std::{error::Error, path::Path};

use serde::Deserialize;

use super::footprint::count;
use crate::workspace;

/// The hand-written program.
const BY_HAND: &str = "hello-by-hand";
/// The program with conversant.
const CONVERSANT: &str = "hello-conversant";
/// The names of conversant's programs: with its default features, and without.
const OWN: [&str; 2] = ["conversant", "conversant, no default features"];
/// The hand-written program with conversant's TLS, to which the ratios are.
const FLOOR: &str = "by hand, ring";

/// The programs: their names, packages and features.
const PROGRAMS: &[(&str, &str, &[&str])] = &[
    ("by hand, no TLS", BY_HAND, &[]),
    (FLOOR, BY_HAND, &["ring"]),
    ("by hand, aws-lc", BY_HAND, &["aws-lc"]),
    (OWN[0], CONVERSANT, &["defaults"]),
    (OWN[1], CONVERSANT, &[]),
];

/// The footprint of a program.
#[derive(Deserialize)]
struct Weight {
    /// CPU of its build, in seconds.
    build: f64,
    /// Bytes.
    size: u64,
    /// Bytes; `None` where the operating system does not tell.
    resident: Option<u64>,
}

/// Builds each program in an empty folder, and describes the footprints and the goals.
pub(super) fn tell(manifest: &str, bench: &Path) -> Result<String, Box<dyn Error>> {
    // Downloads are not part of a build.
    workspace::output(workspace::command("cargo").args([
        "fetch",
        "--quiet",
        "--manifest-path",
        manifest,
    ]))?;
    let mut lines = vec![
        "| program | crates | build, CPU s | stripped, MB | resident, MB |".to_owned(),
        "|---|---|---|---|---|".to_owned(),
    ];
    let mut weighed = Vec::new();
    for (name, package, features) in PROGRAMS {
        let folder =
            workspace::root().join("target").join("hello").join(name.replace([',', ' '], ""));
        let mut weigh = workspace::command(&bench.to_string_lossy());
        weigh.args(["weigh", package]).arg(folder);
        weigh.args(features.iter().flat_map(|feature| ["--features", feature]));
        let weight: Weight = serde_json::from_str(&workspace::output(&mut weigh)?)?;
        let crates = count(&[package], Some(manifest), features)?;
        let resident =
            weight.resident.map_or_else(String::new, |bytes| format!("{:.1}", megabytes(bytes)));
        lines.push(format!(
            "| {name} | {crates} | {:.0} | {:.2} | {resident} |",
            weight.build,
            megabytes(weight.size)
        ));
        weighed.push((*name, crates, weight));
    }
    let find = |name| weighed.iter().find(|(known, ..)| *known == name);
    for name in OWN {
        let (Some((_, crates, own)), Some((_, floor_crates, floor))) = (find(name), find(FLOOR))
        else {
            return Err("no program to compare".into());
        };
        lines.push(format!("\n{name}, by `{FLOOR}`:"));
        let more = crates.cast_signed() - floor_crates.cast_signed();
        let ratio = own.build / floor.build;
        let larger = megabytes(own.size) - megabytes(floor.size);
        for (what, value, goal, is_met) in [
            ("crates", format!("{more:+}"), "at most +5", more <= 5),
            ("build", format!("{ratio:.2}x"), "at most 1.25x", ratio <= 1.25),
            ("size", format!("{larger:+.2} MB"), "at most +0.8 MB", larger <= 0.8),
        ] {
            let met = if is_met { "met" } else { "MISSED" };
            lines.push(format!("{what} {value} (goal: {goal}: {met})"));
        }
    }
    Ok(lines.join("\n"))
}

fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

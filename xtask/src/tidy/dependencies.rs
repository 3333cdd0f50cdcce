//! Dependencies: between our packages, their Rust versions and their licences.

use spdx::{Expression, ParseMode};

use super::{
    fault::Fault,
    packages::{Package, Packages},
    tree::Tree,
};

/// The packages of ours that each of our packages may depend on. One that is not listed may depend
/// on `conversant-core` alone, and a store on the kit for stores as well.
const STAR: &[(&str, &[&str])] = &[
    ("conversant-core", &[]),
    ("conversant-template", &[]),
    ("conversant-macros", &["conversant-template"]),
    ("conversant-prompts", &["conversant-core", "conversant-macros", "conversant-template"]),
    // The limits of Jinja2 templates.
    ("conversant-models-local", &["conversant-core", "conversant-template"]),
];

/// The packages without a runtime or a transport, also among their dependencies.
const PURE: &[&str] = &[
    "conversant-core",
    "conversant-template",
    "conversant-macros",
    "conversant-prompts",
    "conversant-memory",
    "conversant-chains",
];

/// Runtimes and transports.
const IMPURE: &[&str] = &["async-std", "hyper", "mio", "reqwest", "smol", "socket2", "tokio"];

/// The rules for dependencies: cargo-deny's, whose lists this rule reads.
const DENY: &str = ".cargo/deny.toml";

pub(crate) fn check(packages: &Packages, tree: &Tree) -> Vec<Fault> {
    let ours = packages.members().find_map(|package| package.rust_version.as_deref());
    let mut faults = Vec::new();
    for package in packages.members() {
        let at = |name: &str, what: String, mend: &str| {
            let manifest = packages.manifest(package);
            let line = tree.file(manifest).map_or(1, |file| file.line_of(name));
            Fault::new(manifest, line, what, mend)
        };
        faults.extend(star(packages, package).into_iter().map(|name| {
            let what = format!("`{}` may not depend on `{name}`", package.name);
            at(name, what, "use what `conversant-core` has, or make it a dev-dependency")
        }));
        if PURE.contains(&package.name.as_str()) {
            let brought = packages.tree(package);
            for name in IMPURE {
                if let Some(by) = brought.get(name) {
                    let what =
                        format!("`{}` is built with `{name}`, by way of `{by}`", package.name);
                    faults.push(at(by, what, "leave it to models and histories"));
                }
            }
        }
    }
    let deny = tree.file(DENY).map_or("", |file| file.text.as_str());
    let (licences, banned) = (list(deny, "allow"), list(deny, "deny"));
    for package in packages.all() {
        faults.extend(version(package, ours));
        faults.extend(licence(package, &licences));
        if banned.contains(&package.name.as_str()) {
            let what = format!("`{} {}` is banned in {DENY}", package.name, package.version);
            faults.push(Fault::new("Cargo.lock", 1, what, "do without the package"));
        }
    }
    faults
}

fn is_store(name: &str) -> bool {
    name.starts_with("conversant-history-") || name.starts_with("conversant-vector-")
}

/// Returns the packages of the workspace that a package must not be built with.
fn star<'p>(packages: &'p Packages, package: &'p Package) -> Vec<&'p str> {
    let name = package.name.as_str();
    let named = STAR.iter().find(|(package, _)| *package == name).map(|(_, allowed)| *allowed);
    let allowed = named.unwrap_or(match name {
        _ if is_store(name) => &["conversant-core", "conversant-history"],
        _ => &["conversant-core"],
    });
    let dependencies = packages.dependencies(package);
    let names = dependencies.into_iter().map(|dependency| dependency.name.as_str());
    if name.starts_with("custom-") {
        let allowed = ["conversant-core", "pollster"];
        return names.filter(|name| !allowed.contains(name)).collect();
    }
    // Examples, tasks, the runner of cases and the package `conversant` put the packages together.
    if !name.starts_with("conversant-") || name == "conversant-conformance" {
        return Vec::new();
    }
    names.filter(|name| name.starts_with("conversant-") && !allowed.contains(name)).collect()
}

fn version(package: &Package, ours: Option<&str>) -> Option<Fault> {
    let needed = package.rust_version.as_deref()?;
    if parts(needed) <= parts(ours?) {
        return None;
    }
    let what = format!("`{} {}` needs Rust {needed}", package.name, package.version);
    Some(Fault::new("Cargo.lock", 1, what, "take an older version of it"))
}

fn parts(version: &str) -> [u32; 3] {
    let mut numbers = version.split('.').map(|part| part.parse().unwrap_or(0));
    std::array::from_fn(|_| numbers.next().unwrap_or(0))
}

/// Returns the first text of each line of an array in a TOML file.
fn list<'t>(toml: &'t str, name: &str) -> Vec<&'t str> {
    let array = toml.split_once(&format!("\n{name} = [\n")).map_or("", |(_, rest)| rest);
    let array = array.split("\n]").next().unwrap_or_default();
    array.lines().filter_map(|line| line.split('"').nth(1)).collect()
}

fn licence(package: &Package, allowed: &[&str]) -> Option<Fault> {
    let Package { name, version, license, .. } = package;
    let what = match license {
        Some(licence) if is_allowed(licence, allowed) => return None,
        Some(licence) => format!("the licence `{licence}` of `{name} {version}` is not allowed"),
        None => format!("`{name} {version}` names no licence"),
    };
    Some(Fault::new("Cargo.lock", 1, what, "do without the package"))
}

/// Returns whether a licence expression can be met with the allowed licences.
pub(super) fn is_allowed(licence: &str, allowed: &[&str]) -> bool {
    let expression = Expression::parse_mode(licence, ParseMode::LAX);
    expression.is_ok_and(|expression| {
        expression
            .evaluate(|wanted| wanted.license.id().is_some_and(|id| allowed.contains(&id.name)))
    })
}

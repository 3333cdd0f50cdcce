//! A program outside the workspace that has its dependencies from the scratch registry.

use std::{fs, path::PathBuf};

use super::packages::{Scratch, folder, in_folder};
use crate::{
    step::{Outcome, Run as _, StepResult},
    workspace,
};

/// The program.
const PROGRAM: &str = include_str!("outside/main.rs");
/// The text that it prints.
const PRINTS: &str = "Your name is Ada.\n";

/// Builds a program with the default features and runs a conversation of two turns.
pub(super) fn turn(scratch: &Scratch) -> StepResult {
    let version = version(scratch, "conversant")?;
    let dependencies = format!(
        "conversant = \"={version}\"\nconversant-testkit = \"={version}\"\n\
         tokio = {{ version = \"1\", features = [\"macros\", \"rt-multi-thread\"] }}\n"
    );
    let program = create(scratch, "outside", &dependencies, PROGRAM)?;
    let printed = workspace::output(in_folder(&program).args(["run", "--quiet", "--offline"]))?;
    print!("{printed}");
    if printed != PRINTS {
        println!("it does not print `{}`", PRINTS.trim_end());
        return Ok(Outcome::Failed);
    }
    Ok(Outcome::Passed)
}

/// Checks a program that depends on each package, with all features: what is packaged is whole.
pub(super) fn all_features(scratch: &Scratch) -> StepResult {
    let mut dependencies = String::new();
    for (name, version) in &scratch.packages {
        let manifest = scratch.registry.join(format!("{name}-{version}")).join("Cargo.toml");
        let manifest = fs::read_to_string(manifest)?;
        let features = features(&manifest);
        dependencies.push_str(&format!(
            "{name} = {{ version = \"={version}\", features = {features:?} }}\n"
        ));
    }
    let main = "//! Depends on all packages.\n\nfn main() {}\n";
    let program = create(scratch, "outside-all", &dependencies, main)?;
    in_folder(&program).args(["check", "--quiet", "--offline"]).shown()
}

/// Returns the names of a manifest's features.
fn features(manifest: &str) -> Vec<&str> {
    let section = manifest.split_once("\n[features]\n").map_or("", |(_, rest)| rest);
    let section = section.split("\n[").next().unwrap_or_default();
    let names = section.lines().filter_map(|line| line.split_once(" = ").map(|(name, _)| name));
    names.filter(|name| !name.starts_with(' ')).collect()
}

fn version<'s>(scratch: &'s Scratch, package: &str) -> Result<&'s str, Box<dyn std::error::Error>> {
    let found = scratch.packages.iter().find(|(name, _)| name == package);
    found.map(|(_, version)| version.as_str()).ok_or_else(|| format!("no `{package}`").into())
}

/// Writes a package that has its dependencies from the registry, and nothing from the network.
fn create(
    scratch: &Scratch,
    name: &str,
    dependencies: &str,
    main: &str,
) -> Result<PathBuf, Box<dyn std::error::Error>> {
    let folder = folder().join(name);
    for inner in ["src", ".cargo"] {
        fs::create_dir_all(folder.join(inner))?;
    }
    let manifest = format!(
        "[package]\nname = \"{name}\"\nversion = \"0.0.0\"\nedition = \"2024\"\npublish = false\n\n\
         [workspace]\n\n[profile.dev]\ndebug = false\n\n[dependencies]\n{dependencies}"
    );
    fs::write(folder.join("Cargo.toml"), manifest)?;
    fs::write(folder.join("src/main.rs"), main)?;
    let source = format!(
        "[source.crates-io]\nreplace-with = \"scratch\"\n\n[source.scratch]\ndirectory = {:?}\n",
        scratch.registry
    );
    fs::write(folder.join(".cargo/config.toml"), source)?;
    let lock = folder.join("Cargo.lock");
    if lock.exists() {
        fs::remove_file(lock)?;
    }
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::features;

    #[test]
    fn features_are_read_from_a_packaged_manifest() {
        let manifest = "[package]\nname = \"x\"\n\n[features]\ndefault = [\"a\"]\na = [\n    \
                        \"b\",\n]\nb = []\n\n[dependencies.c]\nversion = \"1\"\n";
        assert_eq!(features(manifest), ["default", "a", "b"]);
        assert!(features("[package]\nname = \"x\"\n").is_empty());
    }
}

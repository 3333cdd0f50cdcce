//! The packages, made from a clean clone, and a scratch registry that has them and all that they
//! depend on: a directory source of cargo.

use std::{
    cell::OnceCell,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    step::{Outcome, Run as _, StepResult},
    tidy::Packages,
    workspace,
};

/// The limit of crates.io for a package.
const MOST_BYTES: u64 = 10 * 1024 * 1024;

/// The files that a package has.
const FILES: &[&str] = &["Cargo.toml", "LICENSE-APACHE", "LICENSE-MIT", "README.md", "src/lib.rs"];

/// A clone of what is committed, and the registry made of it.
pub(super) struct Scratch {
    /// The clone.
    pub(super) clone: PathBuf,
    /// The registry.
    pub(super) registry: PathBuf,
    /// The names of the packages, with their versions.
    pub(super) packages: Vec<(String, String)>,
}

/// Returns the scratch registry, which the first caller makes.
pub(super) fn scratch(cell: &OnceCell<Scratch>) -> Result<&Scratch, Box<dyn std::error::Error>> {
    if cell.get().is_none() {
        let _ = cell.set(Scratch::create()?);
    }
    cell.get().ok_or_else(|| "the packages were made, and are lost".into())
}

/// Returns the folder of the clones, registries and outside programs.
pub(super) fn folder() -> PathBuf {
    workspace::root().join("target/release-check")
}

/// Clones what is committed into a folder of this name, which is made anew.
pub(super) fn clone(name: &str) -> Result<PathBuf, Box<dyn std::error::Error>> {
    let folder = folder().join(name);
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    let mut clone = workspace::command("git");
    clone.args(["clone", "--quiet", "."]).arg(&folder);
    workspace::output(&mut clone)?;
    Ok(folder)
}

impl Scratch {
    fn create() -> Result<Self, Box<dyn std::error::Error>> {
        let clone = clone("clone")?;
        let registry = folder().join("registry");
        if registry.exists() {
            fs::remove_dir_all(&registry)?;
        }
        let published = Packages::read()?;
        let packages: Vec<_> = published
            .published()
            .map(|package| (package.name.clone(), package.version.clone()))
            .collect();
        let names = packages.iter().flat_map(|(name, _)| ["--package", name]);
        let mut package = in_folder(&clone);
        package.args(["package", "--quiet", "--locked", "--no-verify"]).args(names);
        package.env("CARGO_TARGET_DIR", clone.join("target"));
        workspace::output(&mut package)?;
        let mut vendor = in_folder(&clone);
        vendor.args(["vendor", "--quiet", "--locked", "--versioned-dirs"]).arg(&registry);
        workspace::output(&mut vendor)?;
        let scratch = Self { clone, registry, packages };
        for (name, version) in &scratch.packages {
            unpack(
                &scratch.file(name, version),
                &scratch.registry.join(format!("{name}-{version}")),
            )?;
        }
        Ok(scratch)
    }

    /// Returns the file of a package.
    fn file(&self, name: &str, version: &str) -> PathBuf {
        self.clone.join("target/package").join(format!("{name}-{version}.crate"))
    }
}

/// Unpacks a package into a directory source. Its checksums are not those of a registry: it is what
/// was packaged a moment ago.
fn unpack(file: &Path, folder: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let Some(registry) = folder.parent() else { return Err("the registry has no folder".into()) };
    workspace::output(Command::new("tar").arg("xzf").arg(file).arg("-C").arg(registry))?;
    fs::write(folder.join(".cargo-checksum.json"), "{\"files\":{},\"package\":null}")?;
    Ok(())
}

/// Returns a command of cargo in a folder outside the workspace.
pub(super) fn in_folder(folder: &Path) -> Command {
    let mut cargo = workspace::command("cargo");
    cargo.current_dir(folder).env_remove("CARGO_MANIFEST_DIR").env_remove("CARGO_TARGET_DIR");
    cargo
}

/// Checks the files of each package and the order in which they would be published.
pub(super) fn check(scratch: &Scratch) -> StepResult {
    let mut holds = true;
    for (name, version) in &scratch.packages {
        let folder = scratch.registry.join(format!("{name}-{version}"));
        let size = fs::metadata(scratch.file(name, version))?.len();
        println!("{:>6} KB  {name}", size.div_ceil(1024));
        for file in FILES.iter().filter(|file| !folder.join(file).is_file()) {
            println!("{name} has no `{file}`");
            holds = false;
        }
        if size > MOST_BYTES {
            println!("{name} has {size} bytes, more than {MOST_BYTES}");
            holds = false;
        }
        if folder.join("tests").exists() {
            println!("{name} has its tests, which do not compile outside the workspace");
            holds = false;
        }
    }
    // Its order has each package after those that it depends on, dev-dependencies included.
    let mut publish = in_folder(&scratch.clone);
    publish.args(["publish", "--quiet", "--workspace", "--dry-run", "--no-verify", "--locked"]);
    publish.env("CARGO_TARGET_DIR", scratch.clone.join("target"));
    holds &= publish.quietly()? == Outcome::Passed;
    Ok(Outcome::of(holds))
}

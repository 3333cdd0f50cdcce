//! The README's programs: each block, as it is, is the source of a new package whose dependencies
//! are those of the `cargo add` lines before it.

use std::{error::Error, fmt::Write as _, fs, path::Path};

use super::{Outcome, Run, cargo};
use crate::workspace;

/// A program of the README.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Program {
    /// The line of the README on which it starts.
    pub(super) line: usize,
    /// The arguments of the `cargo add` lines before it.
    pub(super) added: Vec<String>,
    pub(super) code: String,
}

pub(super) fn check() -> Result<Outcome, Box<dyn Error>> {
    let programs = programs(&fs::read_to_string(workspace::root().join("README.md"))?);
    if programs.is_empty() {
        return Err("README.md has no program; a block of one starts with ```rust".into());
    }
    let folder = workspace::root().join("target").join("readme");
    let mut members = Vec::new();
    for program in &programs {
        let name = format!("line-{}", program.line);
        write_package(&folder.join(&name), &name, program)?;
        members.push(name);
    }
    fs::write(
        folder.join("Cargo.toml"),
        format!("[workspace]\nresolver = \"3\"\nmembers = {members:?}\n"),
    )?;
    fs::copy(workspace::root().join("Cargo.lock"), folder.join("Cargo.lock"))?;
    // A block with tests is run; the others need a server, and are compiled.
    let manifest = folder.join("Cargo.toml");
    let test = ["test", "--quiet", "--workspace", "--manifest-path"];
    let outcome = cargo(&test).arg(manifest).arg("--target-dir").arg(folder.join("target")).shown();
    println!("{} programs", programs.len());
    outcome
}

/// Returns the programs of a page. A `cargo add` line is for the next program only.
pub(super) fn programs(page: &str) -> Vec<Program> {
    let mut programs = Vec::new();
    let mut program = Program::default();
    let mut block: Option<&str> = None;
    for (number, line) in (1..).zip(page.lines()) {
        match (block, line.strip_prefix("```")) {
            (None, Some(language)) => {
                block = Some(language);
                program.line = number;
            }
            (Some(language), Some(_)) => {
                if language.starts_with("rust") {
                    programs.push(std::mem::take(&mut program));
                }
                block = None;
            }
            (Some(language), None) if language.starts_with("rust") => {
                program.code.push_str(line);
                program.code.push('\n');
            }
            (Some(_), None) => {
                program.added.extend(line.strip_prefix("cargo add ").map(str::to_owned));
            }
            (None, None) => {}
        }
    }
    programs
}

/// Writes a package as `cargo new` and the `cargo add` lines would, with the project's crates from
/// here.
fn write_package(folder: &Path, name: &str, program: &Program) -> Result<(), Box<dyn Error>> {
    let mut manifest = format!(
        "[package]\nname = {name:?}\nversion = \"0.1.0\"\nedition = \"2024\"\npublish = false\n"
    );
    for added in &program.added {
        manifest.push_str(&dependencies(added)?);
    }
    // A block without `main` is a library.
    let file = if program.code.contains("fn main()") { "main.rs" } else { "lib.rs" };
    let source = folder.join("src");
    fs::create_dir_all(&source)?;
    for other in ["main.rs", "lib.rs"] {
        let _ = fs::remove_file(source.join(other));
    }
    fs::write(folder.join("Cargo.toml"), manifest)?;
    fs::write(source.join(file), &program.code)?;
    Ok(())
}

/// Returns the part of a manifest that one `cargo add` line makes: `[--dev] NAME… [--features A,B]`.
pub(super) fn dependencies(added: &str) -> Result<String, Box<dyn Error>> {
    let mut table = "dependencies";
    let (mut names, mut features) = (Vec::new(), Vec::new());
    let mut words = added.split_whitespace();
    while let Some(word) = words.next() {
        match word {
            "--dev" => table = "dev-dependencies",
            "--features" => features.extend(words.next().unwrap_or_default().split(',')),
            option if option.starts_with('-') => {
                return Err(format!("unknown option `{option}` in `cargo add {added}`").into());
            }
            name => names.push(name),
        }
    }
    let mut part = String::new();
    for name in names {
        let source = if name.starts_with("conversant") {
            let folder = name.strip_prefix("conversant-").unwrap_or(name);
            let path = workspace::root().join("crates").join(folder);
            format!("path = {:?}", path.display().to_string())
        } else {
            "version = \"*\"".to_owned()
        };
        writeln!(part, "[{table}.{name}]\n{source}\nfeatures = {features:?}")?;
    }
    Ok(part)
}

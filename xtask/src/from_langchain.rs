//! The programs for LangChain of `examples/from-langchain`, run with LangChain itself.

use std::{
    error::Error,
    path::{Path, PathBuf},
    process::Command,
};

use clap::Args;

use crate::{verdict::Verdict, workspace};

/// The packages whose behaviour is compared.
const PACKAGES: [&str; 2] = ["langchain==0.1.20", "langchain-openai==0.1.7"];

/// Options of `cargo xtask from-langchain`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Records the transcripts of the Python programs.
    #[arg(long)]
    record: bool,
    /// Succeeds, with a note, where LangChain cannot be installed.
    #[arg(long)]
    optional: bool,
}

/// Installs LangChain in a virtual environment under `target`, and runs the programs of both
/// languages. Returns whether they have the recorded transcripts.
pub(crate) fn run(options: &Options) -> Verdict {
    let environment = workspace::root().join("target/langchain");
    let python = match install(&environment) {
        Ok(python) => python,
        Err(error) if options.optional => {
            println!("from-langchain: left out: cannot install {}: {error}", PACKAGES.join(", "));
            return Ok(true);
        }
        Err(error) => return Err(error),
    };
    let mut tests = workspace::command("cargo");
    // With the features of all packages, nothing is compiled again after the tests.
    tests.args(["test", "--workspace", "--all-features", "--test", "from-langchain"]);
    tests.env("CONVERSANT_LANGCHAIN_PYTHON", python);
    if options.record {
        tests.env("CONVERSANT_RECORD", "1");
    }
    Ok(tests.status()?.success())
}

/// Returns the Python of the environment, which is created if it does not exist.
fn install(environment: &Path) -> Result<PathBuf, Box<dyn Error>> {
    let python = environment.join("bin/python");
    let imports = ["-c", "import langchain, langchain_openai"];
    if python.exists() && Command::new(&python).args(imports).status()?.success() {
        return Ok(python);
    }
    let venv = Command::new("python3").args(["-m", "venv"]).arg(environment).status()?;
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]).args(PACKAGES);
    if venv.success() && pip.status()?.success() {
        Ok(python)
    } else {
        Err("python3 or pip failed".into())
    }
}

//! The command line of the conformance cases.

use std::{
    io::{self, Write as _},
    path::PathBuf,
};

use conversant_conformance::{Case, Count, run_all};
use serde_json::json;

use crate::verdict::Verdict;

/// Runs the cases of files, prints each difference and the number of cases that passed, and returns
/// whether all did.
pub(crate) fn compare(files: &[PathBuf]) -> Verdict {
    let mut total = Count::default();
    for file in files {
        let cases = Case::read_all(file)?;
        total.add(conversant_conformance::compare(&cases, |difference| println!("{difference}")));
    }
    println!("{} passed, {} failed", total.passed, total.failed);
    Ok(total.failed == 0)
}

/// Runs the cases of files and prints the result of each, one a line.
pub(crate) fn print(files: &[PathBuf]) -> Verdict {
    let mut out = io::stdout().lock();
    for file in files {
        let cases = Case::read_all(file)?;
        run_all(&cases, |case, result| writeln!(out, "{}", json!({"id": case.id, "out": result})))?;
    }
    Ok(true)
}

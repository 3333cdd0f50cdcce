//! The result of a suite.

use std::{error::Error, fmt};

use super::check::{Checked, Stop};

/// The result of a suite in which every check passed or did not apply.
///
/// `Display` is a line for each check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SuiteReport {
    suite: &'static str,
    passed: Vec<&'static str>,
    skipped: Vec<(&'static str, String)>,
}

impl SuiteReport {
    /// Returns the names of the checks that passed, in the order of the suite.
    pub fn passed(&self) -> impl Iterator<Item = &str> {
        self.passed.iter().copied()
    }

    /// Returns the names of the checks that did not apply, each with its reason.
    ///
    /// # Examples
    ///
    /// A store with notes makes sure that they were checked:
    ///
    /// ```
    /// use conversant_testkit::suite::SuiteReport;
    ///
    /// fn assert_complete(report: &SuiteReport) {
    ///     assert_eq!(report.skipped().next(), None, "{report}");
    /// }
    /// ```
    pub fn skipped(&self) -> impl Iterator<Item = (&str, &str)> {
        self.skipped.iter().map(|(name, why)| (*name, why.as_str()))
    }
}

impl fmt::Display for SuiteReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the {} suite:", self.suite)?;
        self.passed.iter().try_for_each(|name| write!(f, "\n  passed {name}"))?;
        self.skipped.iter().try_for_each(|(name, why)| write!(f, "\n  skipped {name}: {why}"))
    }
}

/// The checks of a suite that failed.
///
/// `Display` is a line for each, with what was found.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SuiteError {
    suite: &'static str,
    checks: usize,
    failed: Vec<(&'static str, String)>,
}

impl SuiteError {
    /// Returns the names of the checks that failed, each with what was found.
    pub fn failed(&self) -> impl Iterator<Item = (&str, &str)> {
        self.failed.iter().map(|(name, what)| (*name, what.as_str()))
    }
}

impl fmt::Display for SuiteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { suite, checks, failed } = self;
        write!(f, "{} of {checks} checks of the {suite} suite failed:", failed.len())?;
        failed.iter().try_for_each(|(name, what)| write!(f, "\n  {name}: {what}"))
    }
}

impl Error for SuiteError {}

conversant_core::debug_as_report!(SuiteError);

/// A suite while it runs.
pub(super) struct Running {
    report: SuiteReport,
    failed: Vec<(&'static str, String)>,
}

impl Running {
    pub(super) fn new(suite: &'static str) -> Self {
        let report = SuiteReport { suite, passed: Vec::new(), skipped: Vec::new() };
        Self { report, failed: Vec::new() }
    }

    pub(super) fn record(&mut self, name: &'static str, checked: Checked) {
        match checked {
            Ok(()) => self.report.passed.push(name),
            Err(Stop::Skipped(why)) => self.report.skipped.push((name, why)),
            Err(Stop::Failed(what)) => self.failed.push((name, what)),
        }
    }

    pub(super) fn finish(self) -> Result<SuiteReport, SuiteError> {
        let Self { report, failed } = self;
        if failed.is_empty() {
            return Ok(report);
        }
        let checks = report.passed.len() + report.skipped.len() + failed.len();
        Err(SuiteError { suite: report.suite, checks, failed })
    }
}

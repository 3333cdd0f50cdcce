//! Runs tests that need a thing which a machine may lack, and ignores those that lack it.
//!
//! The harness of the standard library decides when a test is compiled whether it is ignored. Here
//! a test decides when it runs, by returning [`Missing`]. The command line and the summary are
//! those of the standard harness (`libtest-mimic`).
//!
//! A test program declares `harness = false` in its manifest and lists its tests once:
//!
//! ```ignore
//! mod branches;
//!
//! conversant_harness::tests! {
//!     branches {
//!         a_fork_outlives_its_source,
//!     }
//! }
//! ```
//!
//! A test that is not listed is unused code, which the compiler reports.

mod need;
mod test;

use std::process::ExitCode;

use libtest_mimic::Arguments;
/// A test, for [`run`].
pub use libtest_mimic::Trial;

pub use self::{
    need::{Missing, Need},
    test::{Async, Sync, Test, Tested, trial},
};

/// Runs the tests that the arguments of the process select, and returns the exit code.
#[must_use]
pub fn run(tests: Vec<Trial>) -> ExitCode {
    libtest_mimic::run(&Arguments::from_args(), tests).exit_code()
}

/// Defines `main` for a list of tests, by module. Modules and tests may have `#[cfg(…)]`.
///
/// Each test is a function, `async` or not, that returns `()` or [`Tested`].
#[macro_export]
macro_rules! tests {
    ($($(#[$of_module:meta])* $module:ident {
        $($(#[$of_test:meta])* $test:ident),+ $(,)?
    })+) => {
        fn main() -> ::std::process::ExitCode {
            let mut tests = ::std::vec::Vec::new();
            $($(#[$of_module])* {
                $($(#[$of_test])*
                tests.push($crate::trial(
                    concat!(stringify!($module), "::", stringify!($test)),
                    $module::$test,
                ));)+
            })+
            $crate::run(tests)
        }
    };
}

//! Runs this program again, as a list of samples, and reads what it prints.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::{
    env,
    process::{Command, ExitCode},
};

mod sample;
mod summary;

/// Set in the process that runs the samples.
const SAMPLES: &str = "CONVERSANT_HARNESS_SAMPLES";

fn main() -> ExitCode {
    if env::var_os(SAMPLES).is_some() { samples() } else { checks() }
}

fn samples() -> ExitCode {
    conversant_harness::tests! {
        sample {
            needs_nothing,
            has_no_runtime,
            needs_a_server,
            finds_its_need,
        }
    }
    main()
}

fn checks() -> ExitCode {
    conversant_harness::tests! {
        summary {
            a_test_whose_need_is_missing_is_ignored_with_the_reason,
            a_need_that_is_required_fails_the_test,
        }
    }
    main()
}

/// Returns a command that runs the samples, without the variables of the caller.
fn command() -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.env_clear().env(SAMPLES, "1").args(["--color", "never", "--test-threads", "1"]);
    command
}

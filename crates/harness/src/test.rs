//! Functions as tests.

use std::io;

use libtest_mimic::{Completion, Trial};

use crate::need::Missing;

/// The outcome of a test that did not fail: it ran, or its need is missing.
pub type Tested = Result<(), Missing>;

/// An outcome that a test function may return.
pub trait Outcome {
    /// Returns whether the test ran.
    fn tested(self) -> Tested;
}

impl Outcome for () {
    fn tested(self) -> Tested {
        Ok(())
    }
}

impl Outcome for Tested {
    fn tested(self) -> Tested {
        self
    }
}

/// A function that is a test. `Form` is [`Async`] or [`Sync`], and is inferred.
pub trait Test<Form>: Send + 'static {
    /// Runs the test.
    ///
    /// # Errors
    ///
    /// An error if the runtime cannot be created.
    fn run(self) -> io::Result<Tested>;
}

/// The form of tests that run in a runtime of tokio with several threads.
#[derive(Debug)]
pub enum Async {}

/// The form of tests that run without a runtime.
#[derive(Debug)]
pub enum Sync {}

impl<F, T> Test<Async> for F
where
    F: FnOnce() -> T + Send + 'static,
    T: Future<Output: Outcome>,
{
    fn run(self) -> io::Result<Tested> {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        Ok(runtime.block_on(self()).tested())
    }
}

impl<F, T> Test<Sync> for F
where
    F: FnOnce() -> T + Send + 'static,
    T: Outcome,
{
    fn run(self) -> io::Result<Tested> {
        Ok(self().tested())
    }
}

/// Returns a test for [`run`](crate::run). `self::` is not part of its name.
pub fn trial<Form>(name: &str, test: impl Test<Form>) -> Trial {
    Trial::ignorable_test(name.trim_start_matches("self::"), || {
        Ok(test.run()?.map_or_else(Completion::ignored_with, |()| Completion::Completed))
    })
}

//! The faults that the macros find, as the compiler shows them.
//!
//! They are checked here and not in `conversant-prompts`, because they are compiled with the
//! dev-dependencies of the package, in a folder of their own.
#![allow(missing_docs)]

#[test]
fn faults_are_compile_errors_at_the_literal() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}

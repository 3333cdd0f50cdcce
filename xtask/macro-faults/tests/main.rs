//! The faults that the macros find: each file of `ui` has the compiler's errors next to it.

#[test]
fn faults_are_compile_errors_at_the_literal() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}

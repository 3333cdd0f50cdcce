//! Lines and summaries of the samples.

use crate::command;

fn printed(variables: &[(&str, &str)]) -> (String, bool) {
    let output = command().envs(variables.iter().copied()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    // The time of the run differs.
    let text = text.split("; finished in").next().unwrap().trim().to_owned();
    (text, output.status.success())
}

pub(crate) fn a_test_whose_need_is_missing_is_ignored_with_the_reason() {
    let (text, passed) = printed(&[]);
    assert!(passed);
    insta::assert_snapshot!(text, @r"
    running 4 tests
    test sample::needs_nothing  ... ok
    test sample::has_no_runtime ... ok
    test sample::needs_a_server ... ignored (needs a server in CONVERSANT_HARNESS_URL)
    test sample::finds_its_need ... ok

    test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out
    ");
    let (text, passed) = printed(&[("CONVERSANT_HARNESS_URL", "there")]);
    assert!(passed);
    assert!(text.ends_with("4 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out"), "{text}");
}

pub(crate) fn a_need_that_is_required_fails_the_test() {
    let (text, passed) = printed(&[("CONVERSANT_REQUIRE_SERVICES", "1")]);
    assert!(!passed);
    insta::assert_snapshot!(text, @r"
    running 4 tests
    test sample::needs_nothing  ... ok
    test sample::has_no_runtime ... ok
    test sample::needs_a_server ... FAILED
    test sample::finds_its_need ... ok

    failures:

    ---- sample::needs_a_server ----
    test panicked: cannot run the test: it needs a server in CONVERSANT_HARNESS_URL; provide it or unset CONVERSANT_REQUIRE_SERVICES


    failures:
        sample::needs_a_server

    test result: FAILED. 3 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out
    ");
}

//! Tests may import this crate and the testkit by glob: no name is in both.
#![deny(ambiguous_glob_reexports)]
#![expect(unreachable_pub, reason = "the lint above looks at public names")]

pub use conversant::*;
pub use conversant_testkit::*;

#[test]
fn each_name_is_that_of_one_crate() {
    let (_, _) = (Dialect::default(), ServerDialect::default());
    let (_, _) = (Answer::new(vars! {}), ServerAnswer::text("hi"));
}

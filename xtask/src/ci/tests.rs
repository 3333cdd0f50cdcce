//! Running steps.

use std::{cell::Cell, rc::Rc};

use super::{Outcome, example, step, step::run_all};

#[test]
fn a_step_that_fails_stops_no_other_and_fails_the_whole() {
    let ran = Rc::new(Cell::new(0));
    let count = |outcome: Result<Outcome, &'static str>| {
        let ran = Rc::clone(&ran);
        step("one", move || {
            ran.set(ran.get() + 1);
            outcome.map_err(Into::into)
        })
    };
    let skipped = || Ok(Outcome::Skipped("it is not there".to_owned()));
    assert!(run_all(vec![count(Ok(Outcome::Passed)), count(skipped())]).unwrap());
    assert!(!run_all(vec![count(Ok(Outcome::Failed)), count(Ok(Outcome::Passed))]).unwrap());
    assert!(!run_all(vec![count(Err("it broke")), count(Ok(Outcome::Passed))]).unwrap());
    assert_eq!(ran.get(), 6);
}

#[test]
fn escape_codes_are_left_out() {
    assert_eq!(
        example::plain("\u{1b}[1m> Entering\u{1b}[0m\n\u{1b}[32;1m\u{1b}[1;3mHi [m]"),
        "> Entering\nHi [m]"
    );
}

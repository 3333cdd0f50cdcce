//! Running steps.

use std::{cell::Cell, rc::Rc};

use super::{Outcome, retain, run_all, step};

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
    assert!(run_all("steps", vec![count(Ok(Outcome::Passed)), count(skipped())]).unwrap());
    assert!(
        !run_all("steps", vec![count(Ok(Outcome::Failed)), count(Ok(Outcome::Passed))]).unwrap()
    );
    assert!(!run_all("steps", vec![count(Err("it broke")), count(Ok(Outcome::Passed))]).unwrap());
    assert_eq!(ran.get(), 6);
}

#[test]
fn steps_are_chosen_by_a_part_of_their_names() {
    let steps =
        || vec![step("links", || Ok(Outcome::Passed)), step("spelling", || Ok(Outcome::Failed))];
    let mut chosen = steps();
    retain(&mut chosen, Some("link")).unwrap();
    assert!(run_all("steps", chosen).unwrap());
    let error = retain(&mut steps(), Some("lynx")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "no step's name contains `lynx`; name one of `links`, `spelling`"
    );
}

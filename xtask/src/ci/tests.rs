//! Running steps.

use std::{cell::Cell, rc::Rc};

use super::{Outcome, example, readme, step, step::run_all};

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

#[test]
fn a_program_has_the_dependencies_that_were_added_before_it() {
    let page = "\n```sh\ncargo add one two --features a,b\ncargo test\n```\n\n```text\nfn\n```\n\n\
                ```rust,no_run\nfn main() {}\n```\n```rust\n#[test]\nfn f() {}\n```\n";
    let programs = readme::programs(page);
    let lines: Vec<_> = programs.iter().map(|program| program.line).collect();
    assert_eq!(lines, [11, 14]);
    assert_eq!(programs[0].added, ["one two --features a,b"]);
    assert_eq!(programs[0].code, "fn main() {}\n");
    assert!(programs[1].added.is_empty());
}

#[test]
fn a_cargo_add_line_makes_a_part_of_the_manifest() {
    assert_eq!(
        readme::dependencies("--dev insta --features json").unwrap(),
        "[dev-dependencies.insta]\nversion = \"*\"\nfeatures = [\"json\"]\n"
    );
    assert!(readme::dependencies("conversant-core").unwrap().contains("/crates/core\""));
    assert!(readme::dependencies("one --git x").unwrap_err().to_string().contains("`--git`"));
}

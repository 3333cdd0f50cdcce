//! The text of the example.

use super::example;

#[test]
fn escape_codes_are_left_out() {
    assert_eq!(
        example::plain("\u{1b}[1m> Entering\u{1b}[0m\n\u{1b}[32;1m\u{1b}[1;3mHi [m]"),
        "> Entering\nHi [m]"
    );
}

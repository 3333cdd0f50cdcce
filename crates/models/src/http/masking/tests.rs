//! The parts of a text that are masked.

use super::Mask;

#[test]
fn keys_are_masked_wherever_they_stand() {
    let mask = Mask::new(["canary-key-7f3".into(), "x".into()]);
    for (text, masked) in [
        ("Incorrect API key provided: canary-key-7f3.", "Incorrect API key provided: [key]."),
        ("canary-key-7f3canary-key-7f3", "[key][key]"),
        ("another's: sk-proj-abcdef123456 here", "another's: [key] here"),
        ("cut off: sk-abc***********xyz.", "cut off: [key]"),
        ("a risk-free task-force, x", "a risk-free task-force, x"),
        ("sk-", "sk-"),
    ] {
        assert_eq!(mask.text(text), masked);
    }
}

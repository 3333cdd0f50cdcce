//! Limits of the parsers: deep nesting is an error, and long input takes linear time.

#[cfg(feature = "regex")]
use conversant_chains::RegexParser;

/// Each kind of group is translated by a call inside of the call for the group around it.
#[cfg(feature = "regex")]
#[test]
fn deep_regular_expressions_are_errors() {
    for opening in ["(", "(?:", "(?=", "(?!", "(?<=", "(?<!", "(?>", "(?i:", "(a|", "(?(1)"] {
        for depth in [100, 100_000] {
            let regex = format!("(a){}b{}", opening.repeat(depth), ")".repeat(depth));
            let error = RegexParser::new(&regex, ["a"]).unwrap_err();
            assert!(error.reason.contains("nested too deeply at position"), "{}", error.reason);
        }
    }
    // Groups that follow each other are not nested.
    let wide = format!("{}{}b{}", "(?:a)".repeat(1000), "(".repeat(60), ")".repeat(60));
    assert!(RegexParser::new(&wide, ["a"]).is_ok());
}

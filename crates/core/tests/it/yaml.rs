//! Plain scalars of YAML. What PyYAML 6.0 makes of each is noted where it differs.

use conversant_core::yaml::from_yaml;
use serde_json::{Value as Json, json};

/// Scalars with what they are read as.
fn scalars() -> Vec<(&'static str, Json)> {
    let texts = [
        "n",
        "N",
        "y",
        "Y",
        "tRUE",
        "nUll",
        "t",
        "None",
        "1e3",
        "1E5",
        "12e5",
        "1.0e3",
        "1e-3",
        ".5e3",
        "08",
        "09",
        "+08",
        "-08",
        "0o14",
        "0O7",
        "0B1",
        "0X1f",
        "-0o7",
        "-.5",
        "+.5",
        "1,000",
        "0xg",
        "1e400",
        "-1e1000",
        "5e5e5",
        "1.5.2",
        "v1",
        "nan",
        "inf",
        "Infinity",
        ".",
        "_1",
        "+1.5e3",
        "1.0e",
        "0b2",
        "-.nan",
        "24-7",
        // Booleans and numbers in version 1.1.
        "yes",
        "No",
        "on",
        "OFF",
        "1:30",
        "190:20:30.15",
    ];
    let numbers = [
        ("0", json!(0)),
        ("12", json!(12)),
        ("-7", json!(-7)),
        ("+1", json!(1)),
        ("1_000", json!(1000)),
        ("0x1F", json!(31)),
        ("0b11", json!(3)),
        // 83 in version 1.1.
        ("0123", json!(123)),
        ("18446744073709551615", json!(u64::MAX)),
        ("1.5", json!(1.5)),
        (".5", json!(0.5)),
        ("-0.5", json!(-0.5)),
        ("1.", json!(1.0)),
        ("1.0e+3", json!(1000.0)),
        ("1.e-2", json!(0.01)),
        ("true", json!(true)),
        ("FALSE", json!(false)),
        ("~", json!(null)),
        ("Null", json!(null)),
        ("\"12\"", json!("12")),
        ("'true'", json!("true")),
        ("!!str 12", json!("12")),
        ("!!int \"12\"", json!(12)),
        ("!!float 12", json!(12.0)),
    ];
    texts.into_iter().map(|text| (text, json!(text))).chain(numbers).collect()
}

#[test]
fn plain_scalars_are_what_pyyaml_writes() {
    for (scalar, expected) in scalars() {
        for (yaml, expected) in [
            (scalar.to_owned(), expected.clone()),
            (format!("- {scalar}\n- 1"), json!([expected, 1])),
            (
                format!("é: {scalar}   # why\nb: [ü, {scalar}]"),
                json!({ "é": expected, "b": ["ü", expected] }),
            ),
            (format!("a: &x {scalar}\nb: *x"), json!({ "a": expected, "b": expected })),
        ] {
            // A comma ends a scalar in a list in brackets.
            if scalar.contains(',') && yaml.contains('[') {
                continue;
            }
            assert_eq!(from_yaml(&yaml).map_err(|error| error.to_string()), Ok(expected), "{yaml}");
        }
    }
}

#[test]
fn numbers_that_json_does_not_have_are_errors() {
    for scalar in [".inf", "-.INF", ".nan"] {
        let error = from_yaml(&format!("a: {scalar}")).unwrap_err().to_string();
        assert_eq!(error, "a number that JSON does not have, at line 1, column 4", "{scalar}");
    }
}

#[test]
fn what_expands_is_refused() {
    let mut yaml = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..10 {
        let before = format!("*a{}, ", level - 1).repeat(9);
        yaml.push_str(&format!("a{level}: &a{level} [{before} *a{}]\n", level - 1));
    }
    assert!(from_yaml(&yaml).is_err());
    let text = "x".repeat(1 << 20);
    let aliases = "- *a\n".repeat(30);
    assert!(from_yaml(&format!("- &a {text}\n{aliases}")).is_err());
    for nested in ["- ", "[", "{a: ", "? ", "a:\n "] {
        assert!(from_yaml(&nested.repeat(100_000)).is_err());
    }
    assert!(from_yaml(&format!("{}1", "- ".repeat(64))).is_ok());
    // Each anchor keeps what it names.
    let anchors: String = (0..63).map(|level| format!("&a{level} [")).collect();
    let wide = |items: usize| format!("{anchors}{}{}", "1,".repeat(items), "]".repeat(63));
    assert!(from_yaml(&wide(100)).is_ok());
    assert!(from_yaml(&wide(1000)).is_err());
    assert!(from_yaml(&format!("- &a [{}]\n- *a", "1,".repeat(9000))).is_ok());
    assert!(from_yaml(&format!("- &a [{}]", "1,".repeat(90_000))).is_ok());
    let mut deep = String::from("a0: &a0 [[[[[[[[x]]]]]]]]\n");
    for level in 1..10 {
        deep.push_str(&format!("a{level}: &a{level} [[[[[[[[*a{}]]]]]]]]\n", level - 1));
    }
    assert!(from_yaml(&deep).is_err());
}

#[test]
fn mappings_and_documents() {
    let cases = [
        ("", json!(null)),
        ("# why\n", json!(null)),
        ("--- a\n...\n", json!("a")),
        ("a: 1\nb:\n", json!({ "a": 1, "b": null })),
        ("1: a\ntrue: b\n~: c", json!({ "1": "a", "true": "b", "~": "c" })),
        ("a: |\n  x\n  y\nb: >\n  x\n  y\n", json!({ "a": "x\ny\n", "b": "x y\n" })),
        (
            "x: &x {a: 1, b: 2}\ny: {<<: *x, b: 3}",
            json!({ "x": { "a": 1, "b": 2 }, "y": { "a": 1, "b": 3 } }),
        ),
        ("<<: [{a: 1}, {a: 2, b: 2}]", json!({ "a": 1, "b": 2 })),
        ("a: !thing x\nb: !thing [1]", json!({ "a": "x", "b": [1] })),
        ("&a x: *a", json!({ "x": "x" })),
    ];
    for (yaml, expected) in cases {
        assert_eq!(from_yaml(yaml).map_err(|error| error.to_string()), Ok(expected), "{yaml}");
    }
    let faults = [
        ("a: 1\na: 2", "a key is there twice, at line 2, column 4"),
        ("? [a]\n: 1", "a key is a list or a mapping, at line 1, column 5"),
        ("a: 1\n---\nb: 2", "there is more than one document, at line 2, column 1"),
        ("&a [*a]", "an alias is inside of what it repeats, at line 1, column 5"),
        ("<<: 1", "the key `<<` has no mapping, at line 1, column 6"),
        ("!!int x", "a number that JSON does not have, at line 1, column 7"),
    ];
    for (yaml, expected) in faults {
        assert_eq!(from_yaml(yaml).unwrap_err().to_string(), expected, "{yaml}");
    }
}

//! Against what Python 3.11 prints.

use serde_json::json;

use super::dumps;

#[test]
fn values_are_written_as_python_writes_them() {
    for (value, python) in [
        (json!({"city": "café", "n": 0}), r#"{"city": "caf\u00e9", "n": 0}"#),
        (json!([1, 2.0, -0.0, true, null]), "[1, 2.0, -0.0, true, null]"),
        (json!({}), "{}"),
        (json!([]), "[]"),
        (
            json!("🙂 \u{7f}\u{0}\u{1f}\u{8}\u{c}\n\r\t\"\\/"),
            r#""\ud83d\ude42 \u007f\u0000\u001f\b\f\n\r\t\"\\/""#,
        ),
        (json!({"b": {"a": [{}]}, "a": 1}), r#"{"b": {"a": [{}]}, "a": 1}"#),
        (json!(1e16), "1e+16"),
        (json!(1e15), "1000000000000000.0"),
        (json!(123456789012345680.0), "1.2345678901234568e+17"),
        (json!(0.0001), "0.0001"),
        (json!(0.00001), "1e-05"),
        (json!(1.5e-7), "1.5e-07"),
        (json!(1e100), "1e+100"),
        (json!(0.1), "0.1"),
        (json!(-1.25e-300), "-1.25e-300"),
        (json!(u64::MAX), "18446744073709551615"),
        (json!(i64::MIN), "-9223372036854775808"),
    ] {
        assert_eq!(dumps(&value), python);
    }
}

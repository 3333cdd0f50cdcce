//! JSON and numbers against the output of Python 3.11.

use conversant_core::{Value, python::json_dumps};
use serde_json::json;

#[test]
fn json_is_written_as_python_writes_it() {
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
        assert_eq!(json_dumps(&value), python);
    }
}

#[test]
fn floats_are_shown_as_python_shows_them() {
    for (float, python) in [
        (0.0, "0.0"),
        (-0.0, "-0.0"),
        (1.0, "1.0"),
        (100.0, "100.0"),
        (0.5, "0.5"),
        (0.05, "0.05"),
        (-12.25, "-12.25"),
        (1e-4, "0.0001"),
        (9.999e-5, "9.999e-05"),
        (9_999_999_999_999_998.0, "9999999999999998.0"),
        (1e16, "1e+16"),
        (f64::MAX, "1.7976931348623157e+308"),
        (f64::MIN_POSITIVE, "2.2250738585072014e-308"),
        (5e-324, "5e-324"),
        // Two shortest candidates are equally near, and Python takes the even one.
        (2_f64.powi(50) + 0.25, "1125899906842624.2"),
        (2_f64.powi(50) + 0.75, "1125899906842624.8"),
        // At a power of two, the even candidate would read back as another number.
        (2_f64.powi(-44), "5.684341886080802e-14"),
        (f64::NAN, "nan"),
        (f64::INFINITY, "inf"),
        (f64::NEG_INFINITY, "-inf"),
    ] {
        assert_eq!(Value::from(float).to_text(), python);
    }
}

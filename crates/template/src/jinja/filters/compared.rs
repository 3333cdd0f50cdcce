//! The tests of minijinja that compare values, or read texts.

use std::borrow::Cow;

use minijinja::{Environment, Error, State, Value, tests};

use crate::jinja::measure::{measure_argument, measure_text_argument};

/// Replaces the tests.
pub(super) fn add(environment: &mut Environment<'_>) {
    macro_rules! compared {
        ($($test:ident: $($name:literal),*;)*) => {$({
            fn $test(state: &State<'_, '_>, value: &Value, other: &Value) -> Result<bool, Error> {
                measure_argument(state, value)?;
                measure_argument(state, other)?;
                Ok(tests::$test(value, other))
            }
            $(environment.add_test($name, $test);)*
        })*};
    }
    compared! {
        is_eq: "eq", "equalto", "==";
        is_ne: "ne", "!=";
        is_lt: "lt", "lessthan", "<";
        is_le: "le", "<=";
        is_gt: "gt", "greaterthan", ">";
        is_ge: "ge", ">=";
    }
    environment.add_test("lower", is_lower);
    environment.add_test("upper", is_upper);
    environment.add_test("in", is_in);
    environment.add_test("startingwith", is_startingwith);
    environment.add_test("endingwith", is_endingwith);
}

fn is_lower(state: &State<'_, '_>, value: &Value) -> Result<bool, Error> {
    measure_argument(state, value)?;
    Ok(tests::is_lower(value))
}

fn is_upper(state: &State<'_, '_>, value: &Value) -> Result<bool, Error> {
    measure_argument(state, value)?;
    Ok(tests::is_upper(value))
}

fn is_in(state: &State<'_, '_>, value: &Value, other: &Value) -> Result<bool, Error> {
    measure_text_argument(state, value)?;
    measure_argument(state, other)?;
    tests::is_in(state, value, other)
}

fn is_startingwith(state: &State<'_, '_>, value: &Value, start: &Value) -> Result<bool, Error> {
    let (value, start) = (text(state, value)?, text(state, start)?);
    Ok(tests::is_startingwith(value, start))
}

fn is_endingwith(state: &State<'_, '_>, value: &Value, end: &Value) -> Result<bool, Error> {
    let (value, end) = (text(state, value)?, text(state, end)?);
    Ok(tests::is_endingwith(value, end))
}

fn text<'v>(state: &State<'_, '_>, value: &'v Value) -> Result<Cow<'v, str>, Error> {
    measure_text_argument(state, value)?;
    Ok(value.as_str().map_or_else(|| Cow::Owned(value.to_string()), Cow::Borrowed))
}

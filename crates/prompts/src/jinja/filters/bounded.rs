//! The filters of minijinja that make a text of a whole value.
//!
//! minijinja charges fuel for that text when it is made. A list can hold another, or a long text,
//! many times over, so its text has the limit of the output before that.

use minijinja::{
    Environment, Error, ErrorKind, State, Value, filters,
    value::{Rest, ValueKind, ValueOrKwargs},
};

use crate::work_limit::MAX_OUTPUT_BYTES;

/// The deepest nesting of a value. What a template can nest is limited when it is parsed.
const MAX_DEPTH: usize = 1000;
/// The bytes that count for a value that is not text.
const OTHER_SIZE: usize = 4;
/// The bytes around a text in a list.
const QUOTES: usize = 4;

/// Replaces the filters.
pub(super) fn add(environment: &mut Environment<'_>) {
    macro_rules! bounded {
        ($($name:ident),* $(,)?) => {$({
            fn $name(
                state: &mut State<'_, '_>,
                values: Rest<ValueOrKwargs>,
            ) -> Result<Value, Error> {
                call(&Value::from_function(filters::$name), state, values)
            }
            environment.add_filter(stringify!($name), $name);
        })*};
    }
    bounded!(capitalize, format, join, lines, lower, split, string, title, trim, upper);
}

/// Calls a filter, unless one of its values holds more text than the limit.
fn call(
    filter: &Value,
    state: &mut State<'_, '_>,
    values: Rest<ValueOrKwargs>,
) -> Result<Value, Error> {
    let values: Vec<Value> = values.0.into_iter().map(ValueOrKwargs::into_value).collect();
    for value in values.iter().filter(|value| value.as_str().is_none()) {
        let mut left = MAX_OUTPUT_BYTES;
        if !fits(value, MAX_DEPTH, &mut left) {
            return Err(Error::from(ErrorKind::OutOfFuel));
        }
    }
    filter.call(state, &values)
}

/// Returns whether the text of a value fits, and subtracts its size: of strings their length, of
/// all else about as much as it takes.
fn fits(value: &Value, depth: usize, left: &mut usize) -> bool {
    let size = value.as_str().map_or(OTHER_SIZE, |text| text.len() + QUOTES);
    let Some(rest) = left.checked_sub(size) else { return false };
    *left = rest;
    let is_map = value.kind() == ValueKind::Map;
    if !is_map && !matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable) {
        return true;
    }
    let (Some(depth), Ok(items)) = (depth.checked_sub(1), value.try_iter()) else { return false };
    for item in items {
        let named = is_map.then(|| value.get_item(&item));
        let named_fits = match named {
            Some(Ok(named)) => fits(&named, depth, left),
            _ => true,
        };
        if !named_fits || !fits(&item, depth, left) {
            return false;
        }
    }
    true
}

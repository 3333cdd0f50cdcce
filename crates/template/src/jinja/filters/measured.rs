//! The filters of minijinja that make a text of a value, or compare its items, and those that
//! measure operands.
//!
//! minijinja charges fuel for a text when it is made, and nothing for comparing values that are in
//! others.

use minijinja::{
    AutoEscape, Environment, Error, ErrorKind, State, Value, filters,
    value::{Rest, ValueKind, ValueOrKwargs},
};

use super::{
    argument::values_of,
    characters::looped,
    named::place_arguments,
    printing::{escaped, shown},
};
use crate::{
    MAX_OUTPUT_BYTES,
    jinja::{
        measure::{measure, measure_argument, measure_text, measure_text_argument},
        operands::{ITEMS_FILTER, JOINED_FILTER, LOOPED_FILTER, SUBSCRIPTED_FILTER, TEXT_FILTER},
    },
};

/// Returns whether a filter is one of those that measure operands, which templates do not call.
pub(super) fn is_own(name: &str) -> bool {
    matches!(name, ITEMS_FILTER | JOINED_FILTER | LOOPED_FILTER | SUBSCRIPTED_FILTER | TEXT_FILTER)
}

/// Replaces the filters.
pub(super) fn add(environment: &mut Environment<'_>) {
    macro_rules! measured {
        ($measure:ident, $argument:ident, $read:ident: $($name:ident),* $(,)?) => {$({
            fn $name(
                state: &mut State<'_, '_>,
                values: Rest<ValueOrKwargs>,
            ) -> Result<Value, Error> {
                let mut values = values_of(values);
                place_arguments(stringify!($name), &mut values)?;
                measure_all(state, &values, $measure, $argument)?;
                $read(&mut values)?;
                Value::from_function(filters::$name).call(state, &values)
            }
            environment.add_filter(stringify!($name), $name);
        })*};
    }
    measured!(measure_text, measure_text_argument, read_first: capitalize, format, lines, lower);
    measured!(measure_text, measure_text_argument, read_first: safe, split, string, title, trim);
    measured!(measure_text, measure_text_argument, read_first: upper);
    measured!(measure, measure_argument, keep: attr, reject, rejectattr, select, selectattr, sum);
    measured!(measure, measure_argument, keep: unique);
    environment.add_filter("join", join);
    environment.add_filter("replace", replace);
    environment.add_filter(ITEMS_FILTER, items);
    environment.add_filter(TEXT_FILTER, text);
    environment.add_filter(JOINED_FILTER, joined);
    environment.add_filter(LOOPED_FILTER, looped);
    // minijinja charges a filter for the text that it works on.
    environment.add_filter(SUBSCRIPTED_FILTER, Value::clone);
}

type Measured = fn(&State<'_, '_>, &Value) -> Result<(), Error>;

/// Measures the value of a filter, and its arguments.
pub(super) fn measure_all(
    state: &State<'_, '_>,
    values: &[Value],
    value: Measured,
    argument: Measured,
) -> Result<(), Error> {
    let Some((first, arguments)) = values.split_first() else { return Ok(()) };
    value(state, first)?;
    arguments.iter().try_for_each(|given| argument(state, given))
}

/// `join(d='', attribute=none)`
fn join(state: &mut State<'_, '_>, values: Rest<ValueOrKwargs>) -> Result<Value, Error> {
    let mut values = values_of(values);
    measure_all(state, &values, measure_text, measure_text_argument)?;
    if let Some(joined) = values.first_mut() {
        read_items(joined)?;
        let count = match joined.as_str() {
            Some(text) => text.len(),
            None => joined.try_iter()?.count(),
        };
        let joiners = values.iter().skip(1).map(|value| match value.get_attr("d") {
            Ok(named) if value.is_kwargs() => named,
            _ => value.clone(),
        });
        let longest = joiners.filter_map(|value| value.as_str().map(str::len)).max();
        let bytes = count.saturating_mul(longest.unwrap_or_default());
        if bytes > MAX_OUTPUT_BYTES {
            return Err(Error::from(ErrorKind::OutOfFuel));
        }
    }
    Value::from_function(filters::join).call(state, &values)
}

/// `replace(old, new, count=none)`
fn replace(state: &mut State<'_, '_>, values: Rest<ValueOrKwargs>) -> Result<Value, Error> {
    let mut values = values_of(values);
    place_arguments("replace", &mut values)?;
    measure_all(state, &values, measure_text, measure_text_argument)?;
    read_first(&mut values)?;
    let count: Option<i64> = match values.get(3) {
        Some(count) if !count.is_none() => Some(count.clone().try_into()?),
        _ => None,
    };
    values.truncate(3);
    // A negative count replaces all.
    let Some(Ok(count)) = count.map(usize::try_from) else {
        return Value::from_function(filters::replace).call(state, &values);
    };
    let [value, old, new] = values.as_slice() else {
        return Err(Error::from(ErrorKind::MissingArgument));
    };
    let is_safe = *state.auto_escape() != AutoEscape::None && values.iter().any(Value::is_safe);
    let read = |value: &Value| {
        let text = shown(value)?;
        if is_safe && !value.is_safe() { escaped(&text) } else { Ok(text) }
    };
    let (text, old, new) = (read(value)?, shown(old)?, read(new)?);
    let matches = text.matches(&old).take(count).count();
    if matches.saturating_mul(new.len()) > MAX_OUTPUT_BYTES {
        return Err(Error::from(ErrorKind::OutOfFuel));
    }
    let replaced = text.replacen(&old, &new, count);
    Ok(if is_safe { Value::from_safe_string(replaced) } else { Value::from(replaced) })
}

fn items(state: &State<'_, '_>, value: &Value) -> Result<Value, Error> {
    measure(state, value)?;
    Ok(value.clone())
}

fn text(state: &State<'_, '_>, value: &Value) -> Result<Value, Error> {
    measure_text(state, value)?;
    Ok(value.clone())
}

fn joined(state: &State<'_, '_>, value: &Value) -> Result<Value, Error> {
    measure_text(state, value)?;
    if is_float(value) { shown(value).map(Value::from) } else { Ok(value.clone()) }
}

/// Replaces the first value by its text, if it is a float, which minijinja writes in another form.
fn read_first(values: &mut [Value]) -> Result<(), Error> {
    match values.first_mut() {
        Some(value) if is_float(value) => *value = shown(value)?.into(),
        _ => {}
    }
    Ok(())
}

/// Replaces a list by one of texts, if it has a float.
fn read_items(list: &mut Value) -> Result<(), Error> {
    if list.kind() == ValueKind::Seq && list.try_iter()?.any(|item| is_float(&item)) {
        let read = |item: Value| match is_float(&item) {
            true => shown(&item).map(Value::from),
            false => Ok(item),
        };
        *list = list.try_iter()?.map(read).collect::<Result<Vec<_>, _>>()?.into();
    }
    Ok(())
}

const fn keep(_: &mut [Value]) -> Result<(), Error> {
    Ok(())
}

fn is_float(value: &Value) -> bool {
    value.kind() == ValueKind::Number && !value.is_integer()
}

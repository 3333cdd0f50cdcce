//! The filters of minijinja that make a text of a value, or compare its items, and those that
//! measure operands.
//!
//! minijinja charges fuel for a text when it is made, and nothing for comparing values that are in
//! others.

use minijinja::{
    AutoEscape, Environment, Error, ErrorKind, State, Value, filters,
    value::{Kwargs, Rest, ValueOrKwargs},
};

use super::printing::{escaped, shown};
use crate::{
    MAX_OUTPUT_BYTES,
    jinja::{
        measure::{measure, measure_text},
        operands::{ITEMS_FILTER, TEXT_FILTER},
    },
};

/// Returns whether a filter is one of those that measure operands, which templates do not call.
pub(super) fn is_own(name: &str) -> bool {
    matches!(name, ITEMS_FILTER | TEXT_FILTER)
}

/// Replaces the filters.
pub(super) fn add(environment: &mut Environment<'_>) {
    macro_rules! measured {
        ($measure:ident: $($name:ident),* $(,)?) => {$({
            fn $name(
                state: &mut State<'_, '_>,
                values: Rest<ValueOrKwargs>,
            ) -> Result<Value, Error> {
                let values = values_of(values);
                for value in &values {
                    $measure(state, value)?;
                }
                Value::from_function(filters::$name).call(state, &values)
            }
            environment.add_filter(stringify!($name), $name);
        })*};
    }
    measured!(measure_text: capitalize, format, lines, lower, safe, split, string, title);
    measured!(measure_text: trim, upper);
    measured!(measure: attr, dictsort, groupby, max, min, reject, rejectattr, select, selectattr);
    measured!(measure: sort, sum, unique);
    environment.add_filter("join", join);
    environment.add_filter("replace", replace);
    environment.add_filter(ITEMS_FILTER, items);
    environment.add_filter(TEXT_FILTER, text);
}

/// `join(d='', attribute=none)`
fn join(state: &mut State<'_, '_>, values: Rest<ValueOrKwargs>) -> Result<Value, Error> {
    let values = values_of(values);
    for value in &values {
        measure_text(state, value)?;
    }
    if let Some(joined) = values.first() {
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
    for value in &values {
        measure_text(state, value)?;
    }
    let mut count = None;
    if values.last().is_some_and(Value::is_kwargs)
        && let Some(kwargs) = values.pop()
    {
        let kwargs = Kwargs::try_from(kwargs)?;
        count = kwargs.get::<Option<i64>>("count")?;
        kwargs.assert_all_used()?;
    }
    if let Some(place) = values.get(3).cloned() {
        count = place.try_into().map(Some)?;
        values.truncate(3);
    }
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

fn values_of(values: Rest<ValueOrKwargs>) -> Vec<Value> {
    values.0.into_iter().map(ValueOrKwargs::into_value).collect()
}

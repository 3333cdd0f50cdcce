//! The arguments of filters.

use minijinja::{
    Error, Value,
    value::{ArgType, Kwargs, Rest, ValueOrKwargs},
};

/// Returns an argument that can be given by its place or by its name.
pub(super) fn argument<T>(
    places: &[Value],
    place: usize,
    kwargs: &Kwargs,
    name: &'static str,
) -> Result<Option<T>, Error>
where
    T: for<'a> ArgType<'a, Output = T>,
    Option<T>: for<'a> ArgType<'a, Output = Option<T>>,
{
    match places.get(place) {
        Some(value) => T::from_value(Some(value)).map(Some),
        None => kwargs.get(name),
    }
}

/// Returns the arguments of a filter as values, the named ones last.
pub(super) fn values_of(values: Rest<ValueOrKwargs>) -> Vec<Value> {
    values.0.into_iter().map(ValueOrKwargs::into_value).collect()
}

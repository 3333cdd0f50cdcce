//! The filters that compare texts without their case, which minijinja does by folding them, and
//! Python by `lower`: `ß` is `ss` for the one, and a letter after `z` for the other.

use minijinja::{
    Environment, Error, ErrorKind, State, Value, filters,
    value::{Kwargs, Rest, ValueKind, ValueOrKwargs},
};

use super::{argument::values_of, measured::measure_all};
use crate::{
    MAX_OUTPUT_BYTES,
    jinja::measure::{measure, measure_argument},
};

/// The path of the key in a pair of a key and an item.
const KEY: &str = "0";

/// The bytes of a text in lower case that are worth a unit of fuel.
const BYTES_OF_FUEL: usize = 64;

/// The filters, by their use of the keys.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Filter {
    SortMap,
    Sort,
    Group,
    /// The least or the greatest.
    One,
}

/// Replaces the filters. Where a text is not ASCII, minijinja gets pairs of a key in lower case and
/// an item, and compares the keys as they are.
pub(super) fn add(environment: &mut Environment<'_>) {
    macro_rules! cased {
        ($($name:ident: $filter:ident),*) => {$({
            fn $name(
                state: &mut State<'_, '_>,
                values: Rest<ValueOrKwargs>,
            ) -> Result<Value, Error> {
                let values = values_of(values);
                measure_all(state, &values, measure, measure_argument)?;
                match Keyed::of(state, Filter::$filter, &values)? {
                    Some(keyed) => keyed.call(state, &Value::from_function(filters::$name)),
                    None => Value::from_function(filters::$name).call(state, &values),
                }
            }
            environment.add_filter(stringify!($name), $name);
        })*};
    }
    cased!(dictsort: SortMap, groupby: Group, max: One, min: One, sort: Sort);
}

/// A call of a filter whose items have keys.
struct Keyed<'v> {
    filter: Filter,
    /// The arguments as they were given.
    arguments: &'v [Value],
    places: &'v [Value],
    kwargs: Kwargs,
    /// A pair of a key and an item for each item.
    pairs: Value,
}

impl<'v> Keyed<'v> {
    /// Returns `None` where minijinja compares as Python does, or refuses the values.
    fn of(
        state: &State<'_, '_>,
        filter: Filter,
        values: &'v [Value],
    ) -> Result<Option<Self>, Error> {
        let Some((value, arguments)) = values.split_first() else { return Ok(None) };
        let (places, kwargs) = match arguments.split_last() {
            Some((last, places)) if last.is_kwargs() => (places, Kwargs::try_from(last.clone())?),
            _ => (arguments, Kwargs::from_iter(Vec::<(String, Value)>::new())),
        };
        if kwargs.peek::<Option<bool>>("case_sensitive")?.unwrap_or(false) {
            return Ok(None);
        }
        let Some(items) = items(filter, value) else { return Ok(None) };
        let (path, default);
        let paths: Vec<&str> = match filter {
            Filter::SortMap => match kwargs.peek::<Option<&str>>("by")? {
                Some("value") => vec!["1"],
                _ => vec![KEY],
            },
            _ => {
                path = match places.first() {
                    Some(path) => Some(path.clone()),
                    None => kwargs.peek::<Option<Value>>("attribute")?,
                };
                let names = path.as_ref().and_then(Value::as_str).map(|path| match filter {
                    Filter::Sort => path.split(',').map(str::trim).collect(),
                    _ => vec![path],
                });
                names.unwrap_or_default().into_iter().filter(|name| !name.is_empty()).collect()
            }
        };
        default = kwargs.peek::<Option<Value>>("default")?.unwrap_or_default();
        let keys: Vec<Vec<Value>> = items
            .iter()
            .map(|item| match paths.as_slice() {
                [] => vec![item.clone()],
                paths => paths.iter().map(|path| at(item, path, &default)).collect(),
            })
            .collect();
        let is_odd = |key: &Value| key.as_str().is_some_and(|text| !text.is_ascii());
        // minijinja has no limit for several keys in lower case.
        if paths.len() < 2 && !keys.iter().flatten().any(is_odd) {
            return Ok(None);
        }
        let mut bytes = 0;
        let mut pairs = Vec::with_capacity(items.len());
        for (keys, item) in keys.into_iter().zip(items) {
            let mut keys = keys.into_iter().map(|key| lower(state, key, &mut bytes));
            let key = match (keys.next(), keys.len()) {
                (Some(key), 0) => key?,
                (first, _) => first.into_iter().chain(keys).collect::<Result<Vec<_>, _>>()?.into(),
            };
            pairs.push(Value::from(vec![key, item]));
        }
        Ok(Some(Self { filter, arguments, places, kwargs, pairs: pairs.into() }))
    }

    fn call(&self, state: &mut State<'_, '_>, filter: &Value) -> Result<Value, Error> {
        let item = |pair: Value| pair.get_item_by_index(1);
        match self.filter {
            Filter::SortMap | Filter::Sort => {
                let sorted = Value::from_function(filters::sort);
                let sorted = sorted.call(state, &self.keyed_arguments()?)?;
                sorted.try_iter()?.map(item).collect()
            }
            Filter::One => item(filter.call(state, &self.keyed_arguments()?)?),
            // The names of the groups are the keys as they were.
            Filter::Group => {
                let mut groups = Vec::new();
                for group in filter.call(state, &self.keyed_arguments()?)?.try_iter()? {
                    let pairs = group.get_item_by_index(1)?.try_iter()?;
                    let items = pairs.map(item).collect::<Result<Value, _>>()?;
                    let mut arguments = vec![items];
                    arguments.extend_from_slice(self.arguments);
                    groups.extend(filter.call(state, &arguments)?.try_iter()?);
                }
                Ok(groups.into())
            }
        }
    }

    /// Returns the arguments with which a filter compares the keys of the pairs.
    fn keyed_arguments(&self) -> Result<Vec<Value>, Error> {
        let mut values = vec![self.pairs.clone()];
        if self.filter != Filter::Group {
            values.extend_from_slice(self.places);
        }
        let is_by = |name: &str| self.filter == Filter::SortMap && name == "by";
        let mut kwargs = Vec::new();
        for name in self.kwargs.args().filter(|name| !is_by(name)) {
            kwargs.push((name, self.kwargs.peek::<Value>(name)?));
        }
        kwargs.retain(|(name, _)| !matches!(*name, "attribute" | "case_sensitive"));
        kwargs.extend([("attribute", KEY.into()), ("case_sensitive", true.into())]);
        values.push(Kwargs::from_iter(kwargs).into());
        Ok(values)
    }
}

/// Returns the items of a list, or the pairs of a map. `None` if there are none, or an invalid one.
fn items(filter: Filter, value: &Value) -> Option<Vec<Value>> {
    let is_map = filter == Filter::SortMap;
    if is_map && value.kind() != ValueKind::Map {
        return None;
    }
    let read = |item: Value| match item.kind() {
        ValueKind::Invalid => None,
        _ if is_map => value.get_item(&item).ok().map(|found| Value::from((item, found))),
        _ => Some(item),
    };
    value.try_iter().ok()?.map(read).collect()
}

/// Returns what is at a path, such as `user.name`.
fn at(item: &Value, path: &str, default: &Value) -> Value {
    let found = path.split('.').try_fold(item.clone(), |value, part| match part.parse() {
        Ok(index) => value.get_item_by_index(index),
        Err(_) => value.get_attr(part),
    });
    found.ok().filter(|found| !found.is_undefined()).unwrap_or_else(|| default.clone())
}

/// Returns a text in lower case, and anything else as it is.
fn lower(state: &State<'_, '_>, key: Value, bytes: &mut usize) -> Result<Value, Error> {
    let Some(text) = key.as_str() else { return Ok(key) };
    state.consume_fuel((text.len() / BYTES_OF_FUEL) as u64)?;
    let lower = text.to_lowercase();
    if lower == text {
        return Ok(key);
    }
    *bytes += lower.len();
    if *bytes > MAX_OUTPUT_BYTES {
        return Err(Error::from(ErrorKind::OutOfFuel));
    }
    Ok(lower.into())
}

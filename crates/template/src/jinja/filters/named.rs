//! The arguments that Jinja2 takes by name too, and minijinja by place alone.

use minijinja::{
    Environment, Error, ErrorKind, State, Value, filters,
    value::{Kwargs, Rest, ValueOrKwargs},
};

use super::argument::values_of;

/// Replaces the filters.
pub(super) fn add(environment: &mut Environment<'_>) {
    macro_rules! named {
        ($($filter:ident: $($name:literal),*;)*) => {$({
            fn $filter(
                state: &mut State<'_, '_>,
                values: Rest<ValueOrKwargs>,
            ) -> Result<Value, Error> {
                let mut values = values_of(values);
                place_arguments(stringify!($filter), &mut values)?;
                Value::from_function(filters::$filter).call(state, &values)
            }
            $(environment.add_filter($name, $filter);)*
        })*};
    }
    named! {
        batch: "batch";
        default: "default", "d";
        slice: "slice";
    }
}

/// Returns the names of a filter's arguments, each with its default value, if it has one.
fn arguments(filter: &str) -> &'static [(&'static str, Option<Default>)] {
    match filter {
        "attr" => &[("name", None)],
        "batch" => &[("linecount", None), ("fill_with", Some(Default::None))],
        "default" => &[("default_value", Some(Default::Empty)), ("boolean", Some(Default::False))],
        "replace" => &[("old", None), ("new", None), ("count", Some(Default::None))],
        "slice" => &[("slices", None), ("fill_with", Some(Default::None))],
        "trim" => &[("chars", Some(Default::None))],
        _ => &[],
    }
}

#[derive(Clone, Copy)]
enum Default {
    None,
    Empty,
    False,
}

impl Default {
    fn value(self) -> Value {
        match self {
            Self::None => ().into(),
            Self::Empty => "".into(),
            Self::False => false.into(),
        }
    }
}

/// Puts the named arguments of a filter in their places, after the value that it works on.
pub(super) fn place_arguments(filter: &str, values: &mut Vec<Value>) -> Result<(), Error> {
    let names = arguments(filter);
    let Some(named) = values.pop_if(|last| last.is_kwargs() && !names.is_empty()) else {
        return Ok(());
    };
    let kwargs = Kwargs::try_from(named)?;
    for (name, default) in names.iter().skip(values.len().saturating_sub(1)) {
        let value = match kwargs.has(name) {
            true => kwargs.get(name)?,
            false => default.ok_or_else(|| Error::from(ErrorKind::MissingArgument))?.value(),
        };
        values.push(value);
    }
    kwargs.assert_all_used()
}

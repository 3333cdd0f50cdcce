//! The tests on the kind of a value in which minijinja differs from Jinja2.

use minijinja::{Environment, Value, value::ValueKind};

/// Replaces the tests.
pub(super) fn add(environment: &mut Environment<'_>) {
    environment.add_test("iterable", is_iterable);
    environment.add_test("sequence", is_sequence);
}

/// Returns whether a loop can go over a value. `none` is an error there.
fn is_iterable(value: &Value) -> bool {
    !value.is_none() && value.try_iter().is_ok()
}

/// Returns whether a value has a length and items by a key: texts and maps are sequences too.
fn is_sequence(value: &Value) -> bool {
    let kinds = [ValueKind::Seq, ValueKind::String, ValueKind::Map, ValueKind::Undefined];
    kinds.contains(&value.kind())
}

//! The characters of a text as a list that a loop goes over.

use std::sync::Arc;

use minijinja::{
    Value,
    value::{Enumerator, Object, ObjectRepr},
};

/// Returns what a loop goes over: the characters of a text, as Jinja2 does, or the value itself.
/// minijinja goes over the characters too, but knows neither their number nor the last of them.
pub(super) fn looped(value: &Value) -> Value {
    match value.to_str() {
        Some(text) => Value::from_object(Characters(text)),
        None => value.clone(),
    }
}

#[derive(Debug)]
struct Characters(Arc<str>);

impl Object for Characters {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Iterable
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        let text = Arc::clone(&self.0);
        let left = text.chars().count();
        Enumerator::Iter(Box::new(Rest { text, at: 0, left }))
    }
}

/// The characters that are left.
struct Rest {
    text: Arc<str>,
    at: usize,
    left: usize,
}

impl Iterator for Rest {
    type Item = Value;

    fn next(&mut self) -> Option<Value> {
        let character = self.text.get(self.at..)?.chars().next()?;
        self.at += character.len_utf8();
        self.left -= 1;
        Some(Value::from(character))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

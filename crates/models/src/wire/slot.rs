//! JSON's parts as trait objects, so that serde's visitors are compiled once and not for each type
//! that is read.

use std::{borrow::Cow, cell::Cell, fmt};

use serde::{
    Deserializer,
    de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::Value as Json;

use super::provider_fields::{self, ProviderField};

/// The maximum number of values in a field that is kept as JSON.
pub(super) const MAX_VALUES: u32 = 256 * 1024;

/// A place for a value.
pub(super) trait Slot<'de> {
    /// Returns how many of [`MAX_VALUES`] are left, if the value is one of a field that is kept.
    fn left(&self) -> Option<&Cell<u32>> {
        None
    }
    fn null(&mut self);
    fn scalar(&mut self, value: Json);
    fn text(&mut self, text: Cow<'de, str>);
    fn array(&mut self, items: &mut dyn Items<'de>);
    fn object(&mut self, fields: &mut dyn Fields<'de>);
}

/// The items of an array that are not read yet. The visitor skips those that are left.
pub(super) trait Items<'de> {
    /// Reads an item. Returns `false` at the end, and after an error, which the visitor returns.
    fn next(&mut self, item: &mut dyn Slot<'de>) -> bool;
    /// Fails, with a message.
    fn fail(&mut self, message: fmt::Arguments<'_>);
}

/// The fields of an object that are not read yet. The visitor skips those that are left.
pub(super) trait Fields<'de> {
    /// Reads the name of a field, and finds it among names and, on demand, the fields of providers.
    /// Returns `None` at the end, and after an error, which the visitor returns.
    fn next_field(&mut self, names: &[&str], with_kept: bool) -> Option<FieldName>;
    /// Reads the name of a field as text.
    fn next_name(&mut self) -> Option<String>;
    /// Reads the value after a name.
    fn value(&mut self, value: &mut dyn Slot<'de>);
    /// Skips the value after a name.
    fn skip(&mut self);
}

/// The name of a field.
pub(super) enum FieldName {
    /// The index among the names that are known.
    Known(usize),
    Kept(&'static ProviderField),
    Other,
}

/// Reads any value into a slot.
pub(super) struct SlotSeed<'s, 'de>(pub(super) &'s mut dyn Slot<'de>);

impl<'de> DeserializeSeed<'de> for SlotSeed<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if let Some(left) = self.0.left() {
            left.set(left.get().checked_sub(1).ok_or_else(|| {
                D::Error::custom(format_args!("a field holds more than {MAX_VALUES} values"))
            })?);
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for SlotSeed<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }
    fn visit_unit<E>(self) -> Result<(), E> {
        self.0.null();
        Ok(())
    }
    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.0.scalar(value.into());
        Ok(())
    }
    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        self.0.scalar(value.into());
        Ok(())
    }
    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        self.0.scalar(value.into());
        Ok(())
    }
    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        self.0.scalar(value.into());
        Ok(())
    }
    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<(), E> {
        self.0.text(Cow::Borrowed(text));
        Ok(())
    }
    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        self.0.text(Cow::Owned(text.to_owned()));
        Ok(())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, access: A) -> Result<(), A::Error> {
        let mut items = Reading { access, error: None };
        self.0.array(&mut items);
        let mut rest = items.end()?;
        while rest.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }
    fn visit_map<A: MapAccess<'de>>(self, access: A) -> Result<(), A::Error> {
        let mut fields = Reading { access, error: None };
        self.0.object(&mut fields);
        let mut rest = fields.end()?;
        while rest.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(())
    }
}

/// An array or an object that is read, until an error.
struct Reading<A, E> {
    access: A,
    error: Option<E>,
}

impl<A, E> Reading<A, E> {
    /// Returns what a step read, unless it or an earlier one has failed.
    fn step<T>(&mut self, step: impl FnOnce(&mut A) -> Result<Option<T>, E>) -> Option<T> {
        if self.error.is_some() {
            return None;
        }
        match step(&mut self.access) {
            Ok(read) => read,
            Err(error) => {
                self.error = Some(error);
                None
            }
        }
    }

    fn end(self) -> Result<A, E> {
        self.error.map_or(Ok(self.access), Err)
    }
}

impl<'de, A: SeqAccess<'de>> Items<'de> for Reading<A, A::Error> {
    fn next(&mut self, item: &mut dyn Slot<'de>) -> bool {
        self.step(|items| items.next_element_seed(SlotSeed(item))).is_some()
    }
    fn fail(&mut self, message: fmt::Arguments<'_>) {
        self.error = Some(A::Error::custom(message));
    }
}

impl<'de, A: MapAccess<'de>> Fields<'de> for Reading<A, A::Error> {
    fn next_field(&mut self, names: &[&str], with_kept: bool) -> Option<FieldName> {
        self.step(|fields| fields.next_key_seed(NameSeed { names, with_kept }))
    }
    fn next_name(&mut self) -> Option<String> {
        self.step(MapAccess::next_key)
    }
    fn value(&mut self, value: &mut dyn Slot<'de>) {
        self.step(|fields| fields.next_value_seed(SlotSeed(value)).map(Some));
    }
    fn skip(&mut self) {
        self.step(|fields| fields.next_value::<IgnoredAny>().map(Some));
    }
}

/// Finds the name of a field.
struct NameSeed<'n> {
    names: &'n [&'n str],
    with_kept: bool,
}

impl<'de> DeserializeSeed<'de> for NameSeed<'_> {
    type Value = FieldName;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<FieldName, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl Visitor<'_> for NameSeed<'_> {
    type Value = FieldName;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field name")
    }
    fn visit_str<E>(self, name: &str) -> Result<FieldName, E> {
        if let Some(index) = self.names.iter().position(|known| *known == name) {
            return Ok(FieldName::Known(index));
        }
        let kept = if self.with_kept { provider_fields::find(name) } else { None };
        Ok(kept.map_or(FieldName::Other, FieldName::Kept))
    }
}

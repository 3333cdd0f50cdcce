//! Reads JSON tolerantly: a value of the wrong kind is absent, not an error.
//!
//! Unknown fields are skipped, the last of repeated fields counts, and `null` is absent. What a
//! caller needs and does not find is reported by the caller, who knows what it was needed for.

use std::{borrow::Cow, cell::Cell};

use serde::{Deserialize, Deserializer, de::DeserializeSeed};
use serde_json::{Map, Value as Json};

pub(super) use super::slot::{Fields, Items, Slot};
use super::{
    provider_fields::ProviderField,
    slot::{FieldName, MAX_VALUES, SlotSeed},
};

/// The maximum number of items in a list: of choices, tool calls or content parts.
const MAX_ITEMS: usize = 1024;

/// A value, or `None` if it has the wrong kind.
#[derive(Debug)]
pub(super) struct Tolerant<T>(pub(super) Option<T>);

impl<'de, T: ReadTolerant<'de>> Deserialize<'de> for Tolerant<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut value = None;
        SlotSeed(&mut value).deserialize(deserializer)?;
        Ok(Self(value))
    }
}

/// A type that is read from the kinds of JSON values it knows. Each method's default is "absent".
pub(super) trait ReadTolerant<'de>: Sized {
    fn read_null() -> Option<Self> {
        None
    }
    /// Reads a boolean or a number.
    fn read_scalar(_: Json) -> Option<Self> {
        None
    }
    fn read_text(_: Cow<'de, str>) -> Option<Self> {
        None
    }
    fn read_array(_: &mut dyn Items<'de>) -> Option<Self> {
        None
    }
    fn read_object(_: &mut dyn Fields<'de>) -> Option<Self> {
        None
    }
}

impl<'de, T: ReadTolerant<'de>> Slot<'de> for Option<T> {
    fn null(&mut self) {
        *self = T::read_null();
    }
    fn scalar(&mut self, value: Json) {
        *self = T::read_scalar(value);
    }
    fn text(&mut self, text: Cow<'de, str>) {
        *self = T::read_text(text);
    }
    fn array(&mut self, items: &mut dyn Items<'de>) {
        *self = T::read_array(items);
    }
    fn object(&mut self, fields: &mut dyn Fields<'de>) {
        *self = T::read_object(fields);
    }
}

/// Large and rare fields are boxed, since the struct of each event is moved.
impl<'de, T: ReadTolerant<'de>> ReadTolerant<'de> for Box<T> {
    fn read_null() -> Option<Self> {
        T::read_null().map(Self::new)
    }
    fn read_scalar(value: Json) -> Option<Self> {
        T::read_scalar(value).map(Self::new)
    }
    fn read_text(text: Cow<'de, str>) -> Option<Self> {
        T::read_text(text).map(Self::new)
    }
    fn read_array(items: &mut dyn Items<'de>) -> Option<Self> {
        T::read_array(items).map(Self::new)
    }
    fn read_object(fields: &mut dyn Fields<'de>) -> Option<Self> {
        T::read_object(fields).map(Self::new)
    }
}

/// Values of [`PROVIDER_FIELDS`](super::provider_fields::PROVIDER_FIELDS), as JSON.
pub(super) type Kept = Vec<(&'static ProviderField, Json)>;

/// A struct whose fields are slots.
pub(super) trait Object<'de> {
    fn names(&self) -> &'static [&'static str];
    /// Returns the field of a name, by its index.
    fn slot(&mut self, index: usize) -> Option<&mut dyn Slot<'de>>;
    /// Returns the place for fields of providers, if the struct keeps them.
    fn kept(&mut self) -> Option<&mut Kept> {
        None
    }
}

/// Reads the fields of a struct.
pub(super) fn read_fields<'de>(object: &mut dyn Object<'de>, fields: &mut dyn Fields<'de>) {
    let (names, with_kept) = (object.names(), object.kept().is_some());
    while let Some(name) = fields.next_field(names, with_kept) {
        match name {
            FieldName::Known(index) => match object.slot(index) {
                Some(slot) => fields.value(slot),
                None => fields.skip(),
            },
            FieldName::Kept(field) => {
                let mut value: Option<AnyValue> = None;
                fields.value(&mut value);
                if let Some(kept) = object.kept() {
                    kept.retain(|(known, _)| !std::ptr::eq(*known, field));
                    kept.extend(value.map(|value| (field, value.0)));
                }
            }
            FieldName::Other => fields.skip(),
        }
    }
}

/// Defines structs that are read from JSON objects, with all fields optional.
///
/// A struct marked `with kept` collects the fields of
/// [`PROVIDER_FIELDS`](super::provider_fields::PROVIDER_FIELDS) in a field `kept`, as JSON.
macro_rules! tolerant {
    ($($(#[$meta:meta])* struct $struct:ident<$de:lifetime> $(with $kept:ident)? {
        $($field:ident $(= $name:literal)?: $type:ty,)*
    })*) => {$(
        $(#[$meta])*
        #[derive(Debug, Default)]
        pub(super) struct $struct<$de> {
            $(pub(super) $field: Option<$type>,)*
            $(pub(super) $kept: $crate::wire::tolerant::Kept,)?
            pub(super) lifetime: std::marker::PhantomData<&$de ()>,
        }

        impl $struct<'_> {
            /// Returns how many fields are present.
            #[allow(dead_code, reason = "not every object is counted")]
            pub(super) fn count(&self) -> usize {
                0 $(+ self.$kept.len())? $(+ usize::from(self.$field.is_some()))*
            }
        }

        impl<$de> $crate::wire::tolerant::ReadTolerant<$de> for $struct<$de> {
            fn read_object(
                fields: &mut dyn $crate::wire::tolerant::Fields<$de>,
            ) -> Option<Self> {
                let mut value = Self::default();
                $crate::wire::tolerant::read_fields(&mut value, fields);
                Some(value)
            }
        }

        impl<$de> $crate::wire::tolerant::Object<$de> for $struct<$de> {
            fn names(&self) -> &'static [&'static str] {
                &[$($crate::wire::tolerant::name_of!($field $($name)?),)*]
            }
            #[allow(unused_assignments, reason = "the last field's index has none after it")]
            fn slot(&mut self, index: usize) -> Option<&mut dyn $crate::wire::tolerant::Slot<$de>> {
                let mut own = 0;
                $(if index == own {
                    return Some(&mut self.$field);
                }
                own += 1;)*
                None
            }
            $(fn kept(&mut self) -> Option<&mut $crate::wire::tolerant::Kept> {
                Some(&mut self.$kept)
            })?
        }
    )*};
}
pub(super) use tolerant;

/// The name of a field on the wire.
macro_rules! name_of {
    ($field:ident) => {
        stringify!($field)
    };
    ($field:ident $name:literal) => {
        $name
    };
}
pub(super) use name_of;

/// Text, borrowed from the body where it has no escapes. A number is its own text: some servers
/// number what others name.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Text<'de>(pub(super) Cow<'de, str>);

impl Text<'_> {
    pub(super) fn into_string(self) -> String {
        self.0.into_owned()
    }
}

impl<'de> ReadTolerant<'de> for Text<'de> {
    fn read_scalar(value: Json) -> Option<Self> {
        value.is_number().then(|| Self(value.to_string().into()))
    }
    fn read_text(text: Cow<'de, str>) -> Option<Self> {
        Some(Self(text))
    }
}

/// A whole number from 0 on. Some servers write it as a float or as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Count(pub(super) u64);

impl<'de> ReadTolerant<'de> for Count {
    fn read_scalar(value: Json) -> Option<Self> {
        let number = value.as_number()?;
        let float = || {
            let float = number.as_f64()?;
            let is_count = (0.0..1e15).contains(&float) && float.fract() == 0.0;
            is_count.then(|| float.to_string().parse().ok()).flatten()
        };
        number.as_u64().or_else(float).map(Self)
    }
    fn read_text(text: Cow<'de, str>) -> Option<Self> {
        text.trim().parse().ok().map(Self)
    }
}

/// An index that identifies an item. An invalid one would mix items up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Index {
    At(u64),
    Invalid,
}

impl<'de> ReadTolerant<'de> for Index {
    fn read_scalar(value: Json) -> Option<Self> {
        Some(Count::read_scalar(value).map_or(Self::Invalid, |Count(index)| Self::At(index)))
    }
    fn read_text(text: Cow<'de, str>) -> Option<Self> {
        Some(Count::read_text(text).map_or(Self::Invalid, |Count(index)| Self::At(index)))
    }
}

/// A list. A single object where a list belongs is a list of one; items of the wrong kind are left
/// out.
#[derive(Debug)]
pub(super) struct List<T, const MAX: usize = MAX_ITEMS>(pub(super) Vec<T>);

impl<T, const MAX: usize> Default for List<T, MAX> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: ReadTolerant<'de>, const MAX: usize> ReadTolerant<'de> for List<T, MAX> {
    fn read_array(items: &mut dyn Items<'de>) -> Option<Self> {
        let mut list = Vec::new();
        let mut item: Option<T> = None;
        while items.next(&mut item) {
            if let Some(item) = item.take() {
                if list.is_empty() {
                    // Most lists have one item.
                    list.reserve_exact(1);
                }
                list.push(item);
            }
            if list.len() > MAX {
                refuse_items(items, MAX);
            }
        }
        Some(Self(list))
    }
    fn read_object(fields: &mut dyn Fields<'de>) -> Option<Self> {
        T::read_object(fields).map(|item| Self(vec![item]))
    }
}

fn refuse_items(items: &mut dyn Items<'_>, max: usize) {
    items.fail(format_args!("a list has more than {max} items"));
}

/// A value that is kept as it came. `null` is absent.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct AnyValue(pub(super) Json);

impl<'de> ReadTolerant<'de> for AnyValue {
    fn read_scalar(value: Json) -> Option<Self> {
        Some(Self(value))
    }
    fn read_text(text: Cow<'de, str>) -> Option<Self> {
        Some(Self(text.into_owned().into()))
    }
    fn read_array(items: &mut dyn Items<'de>) -> Option<Self> {
        let left = Cell::new(MAX_VALUES);
        let mut value = BoundedValue::new(&left);
        value.array(items);
        Some(Self(value.json))
    }
    fn read_object(fields: &mut dyn Fields<'de>) -> Option<Self> {
        let left = Cell::new(MAX_VALUES);
        let mut value = BoundedValue::new(&left);
        value.object(fields);
        Some(Self(value.json))
    }
}

/// The parts of a message's content, bounded together.
pub(super) fn read_parts(items: &mut dyn Items<'_>) -> Vec<Json> {
    let left = Cell::new(MAX_VALUES);
    let mut parts = Vec::new();
    while let Some(part) = BoundedValue::next(items, &left) {
        parts.push(part);
        if parts.len() > MAX_ITEMS {
            refuse_items(items, MAX_ITEMS);
        }
    }
    parts
}

/// Any JSON value, as long as it does not hold more values than are left.
struct BoundedValue<'b> {
    left: &'b Cell<u32>,
    json: Json,
}

impl<'b> BoundedValue<'b> {
    const fn new(left: &'b Cell<u32>) -> Self {
        Self { left, json: Json::Null }
    }

    /// Reads an item.
    fn next(items: &mut dyn Items<'_>, left: &'b Cell<u32>) -> Option<Json> {
        let mut item = Self::new(left);
        items.next(&mut item).then_some(item.json)
    }
}

impl<'de> Slot<'de> for BoundedValue<'_> {
    fn left(&self) -> Option<&Cell<u32>> {
        Some(self.left)
    }
    fn null(&mut self) {
        self.json = Json::Null;
    }
    fn scalar(&mut self, value: Json) {
        self.json = value;
    }
    fn text(&mut self, text: Cow<'de, str>) {
        self.json = Json::String(text.into_owned());
    }
    fn array(&mut self, items: &mut dyn Items<'de>) {
        let mut list = Vec::new();
        while let Some(item) = Self::next(items, self.left) {
            list.push(item);
        }
        self.json = Json::Array(list);
    }
    fn object(&mut self, fields: &mut dyn Fields<'de>) {
        let mut map = Map::new();
        while let Some(name) = fields.next_name() {
            let mut value = Self::new(self.left);
            fields.value(&mut value);
            map.insert(name, value.json);
        }
        self.json = Json::Object(map);
    }
}

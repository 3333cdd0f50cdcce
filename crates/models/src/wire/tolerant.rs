//! Reads JSON tolerantly: a value of the wrong kind is absent, not an error.
//!
//! Unknown fields are skipped, the last of repeated fields counts, and `null` is absent. What a
//! caller needs and does not find is reported by the caller, who knows what it was needed for.

use std::{borrow::Cow, cell::Cell, fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Number, Value as Json};

/// The maximum number of items in a list: of choices, tool calls or content parts.
const MAX_ITEMS: usize = 1024;
/// The maximum number of values that are kept of an answer: in fields that are kept as JSON, and
/// items of lists.
const MAX_VALUES: u32 = 256 * 1024;

/// A value, or `None` if it has the wrong kind.
#[derive(Debug)]
pub(super) struct Tolerant<T>(pub(super) Option<T>);

/// The number of values that may still be kept of an answer.
#[derive(Debug)]
pub(super) struct Values {
    left: Cell<u32>,
    /// The number before the field that is being read.
    before: Cell<u32>,
}

impl Values {
    const fn new() -> Self {
        Self { left: Cell::new(MAX_VALUES), before: Cell::new(0) }
    }

    /// Notes that a field begins.
    fn begin(&self) {
        self.before.set(self.left.get());
    }

    fn take<E: serde::de::Error>(&self) -> Result<(), E> {
        let left = self.left.get().checked_sub(1).ok_or_else(|| {
            let what = match self.before.get() {
                MAX_VALUES => "a field holds",
                _ => "its fields hold",
            };
            E::custom(format_args!("{what} more than {MAX_VALUES} values"))
        })?;
        self.left.set(left);
        Ok(())
    }
}

/// Reads a value of an answer, or `None` if it has the wrong kind.
pub(super) struct TolerantSeed<'v, T>(pub(super) &'v Values, PhantomData<T>);

impl<'v, T> TolerantSeed<'v, T> {
    #[inline]
    pub(super) const fn new(values: &'v Values) -> Self {
        Self(values, PhantomData)
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
    fn read_array<A: SeqAccess<'de>>(mut items: A, _: &Values) -> Result<Option<Self>, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }
    fn read_object<A: MapAccess<'de>>(mut fields: A, _: &Values) -> Result<Option<Self>, A::Error> {
        while fields.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(None)
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
    fn read_array<A: SeqAccess<'de>>(items: A, values: &Values) -> Result<Option<Self>, A::Error> {
        Ok(T::read_array(items, values)?.map(Self::new))
    }
    fn read_object<A: MapAccess<'de>>(
        fields: A,
        values: &Values,
    ) -> Result<Option<Self>, A::Error> {
        Ok(T::read_object(fields, values)?.map(Self::new))
    }
}

impl<'de, T: ReadTolerant<'de>> Deserialize<'de> for Tolerant<T> {
    #[inline]
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        TolerantSeed::new(&Values::new()).deserialize(deserializer).map(Self)
    }
}

impl<'de, T: ReadTolerant<'de>> DeserializeSeed<'de> for TolerantSeed<'_, T> {
    type Value = Option<T>;

    #[inline]
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<T>, D::Error> {
        struct TolerantVisitor<'v, T>(&'v Values, PhantomData<T>);
        impl<'de, T: ReadTolerant<'de>> Visitor<'de> for TolerantVisitor<'_, T> {
            type Value = Option<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any JSON value")
            }
            fn visit_unit<E>(self) -> Result<Option<T>, E> {
                Ok(T::read_null())
            }
            fn visit_bool<E>(self, value: bool) -> Result<Option<T>, E> {
                Ok(T::read_scalar(value.into()))
            }
            fn visit_u64<E>(self, value: u64) -> Result<Option<T>, E> {
                Ok(T::read_scalar(value.into()))
            }
            fn visit_i64<E>(self, value: i64) -> Result<Option<T>, E> {
                Ok(T::read_scalar(value.into()))
            }
            fn visit_f64<E>(self, value: f64) -> Result<Option<T>, E> {
                Ok(T::read_scalar(value.into()))
            }
            #[inline]
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Option<T>, E> {
                Ok(T::read_text(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Option<T>, E> {
                Ok(T::read_text(Cow::Owned(text.to_owned())))
            }
            fn visit_string<E>(self, text: String) -> Result<Option<T>, E> {
                Ok(T::read_text(Cow::Owned(text)))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Option<T>, A::Error> {
                T::read_array(items, self.0)
            }
            #[inline]
            fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<Option<T>, A::Error> {
                T::read_object(fields, self.0)
            }
        }
        deserializer.deserialize_any(TolerantVisitor(self.0, PhantomData))
    }
}

/// Defines structs that are read from JSON objects, with all fields optional.
///
/// A struct marked `with kept` collects the fields of [`PROVIDER_FIELDS`](super::provider_fields)
/// in a field `kept`, as JSON.
macro_rules! tolerant {
    ($($(#[$meta:meta])* struct $struct:ident<$de:lifetime> $(with $kept:ident)? {
        $($field:ident $(= $name:literal)?: $type:ty,)*
    })*) => {$(
        $(#[$meta])*
        #[derive(Debug, Default)]
        pub(super) struct $struct<$de> {
            $(pub(super) $field: Option<$type>,)*
            $(pub(super) $kept: Vec<(
                &'static $crate::wire::provider_fields::ProviderField,
                serde_json::Value,
            )>,)?
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
            #[inline]
            fn read_object<A: serde::de::MapAccess<$de>>(
                mut fields: A,
                values: &$crate::wire::tolerant::Values,
            ) -> Result<Option<Self>, A::Error> {
                use $crate::wire::tolerant::TolerantSeed;
                #[allow(non_camel_case_types, reason = "named as the JSON fields")]
                enum Field {
                    $($field,)*
                    $($kept(&'static $crate::wire::provider_fields::ProviderField),)?
                    Other,
                }
                impl<'f> serde::Deserialize<'f> for Field {
                    #[inline]
                    fn deserialize<D: serde::Deserializer<'f>>(names: D) -> Result<Self, D::Error> {
                        struct FieldVisitor;
                        impl serde::de::Visitor<'_> for FieldVisitor {
                            type Value = Field;

                            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                                f.write_str("a field name")
                            }
                            #[inline]
                            fn visit_str<E>(self, name: &str) -> Result<Field, E> {
                                $(if name == $crate::wire::tolerant::name_of!($field $($name)?) {
                                    return Ok(Field::$field);
                                })*
                                $(if let Some($kept) = $crate::wire::provider_fields::find(name) {
                                    return Ok(Field::$kept($kept));
                                })?
                                Ok(Field::Other)
                            }
                        }
                        names.deserialize_identifier(FieldVisitor)
                    }
                }
                let mut value = Self::default();
                while let Some(field) = fields.next_key()? {
                    match field {
                        $(Field::$field => {
                            value.$field = fields.next_value_seed(TolerantSeed::new(values))?;
                        })*
                        $(Field::$kept(field) => {
                            let seed = TolerantSeed::<$crate::wire::tolerant::AnyValue>::new(values);
                            let kept = fields.next_value_seed(seed)?;
                            value.$kept.retain(|(known, _)| !std::ptr::eq(*known, field));
                            value.$kept.extend(kept.map(|kept| (field, kept.0)));
                        })?
                        Field::Other => {
                            fields.next_value::<serde::de::IgnoredAny>()?;
                        }
                    }
                }
                Ok(Some(value))
            }
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
    fn read_array<A: SeqAccess<'de>>(
        mut items: A,
        values: &Values,
    ) -> Result<Option<Self>, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(TolerantSeed::new(values))? {
            if let Some(item) = item {
                values.take()?;
                if list.is_empty() {
                    // Most lists have one item.
                    list.reserve_exact(1);
                }
                list.push(item);
            }
            if list.len() > MAX {
                return Err(too_many_items(MAX));
            }
        }
        Ok(Some(Self(list)))
    }
    fn read_object<A: MapAccess<'de>>(
        fields: A,
        values: &Values,
    ) -> Result<Option<Self>, A::Error> {
        Ok(T::read_object(fields, values)?.map(|item| Self(vec![item])))
    }
}

fn too_many_items<E: serde::de::Error>(max: usize) -> E {
    E::custom(format_args!("a list has more than {max} items"))
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
    fn read_array<A: SeqAccess<'de>>(items: A, values: &Values) -> Result<Option<Self>, A::Error> {
        values.begin();
        AnyValueSeed(values).visit_seq(items).map(Self).map(Some)
    }
    fn read_object<A: MapAccess<'de>>(
        fields: A,
        values: &Values,
    ) -> Result<Option<Self>, A::Error> {
        values.begin();
        AnyValueSeed(values).visit_map(fields).map(Self).map(Some)
    }
}

/// The parts of a message's content, bounded together.
pub(super) fn read_parts<'de, A: SeqAccess<'de>>(
    mut items: A,
    values: &Values,
) -> Result<Vec<Json>, A::Error> {
    values.begin();
    let mut parts = Vec::new();
    while let Some(part) = items.next_element_seed(AnyValueSeed(values))? {
        parts.push(part);
        if parts.len() > MAX_ITEMS {
            return Err(too_many_items(MAX_ITEMS));
        }
    }
    Ok(parts)
}

/// Reads any JSON value, as long as it does not hold more values than are left.
struct AnyValueSeed<'v>(&'v Values);

impl<'de> DeserializeSeed<'de> for AnyValueSeed<'_> {
    type Value = Json;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json, D::Error> {
        self.0.take()?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for AnyValueSeed<'_> {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }
    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }
    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(value.into())
    }
    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(value.into())
    }
    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(value.into())
    }
    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Json, E> {
        Number::from_f64(value).map(Json::Number).ok_or_else(|| E::custom("a number is not finite"))
    }
    fn visit_str<E>(self, text: &str) -> Result<Json, E> {
        Ok(text.into())
    }
    fn visit_string<E>(self, text: String) -> Result<Json, E> {
        Ok(text.into())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(AnyValueSeed(self.0))? {
            list.push(item);
        }
        Ok(list.into())
    }
    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Json, A::Error> {
        let mut map = Map::new();
        while let Some(name) = fields.next_key::<String>()? {
            map.insert(name, fields.next_value_seed(AnyValueSeed(self.0))?);
        }
        Ok(map.into())
    }
}

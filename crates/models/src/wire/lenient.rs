//! Reading JSON leniently: unknown fields are skipped, of fields that come twice the last one counts, `null` is absent.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{self, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Value as Json};

/// Defines structs that are read from objects as this module says, with all fields optional. What is large and rare stands in a box: a
/// chunk of a stream is read into one of them, and moved.
macro_rules! lenient {
    ($($(#[$meta:meta])* struct $name:ident<$de:lifetime> { $($field:ident: $type:ty,)* })*) => {$(
        $(#[$meta])*
        #[derive(Debug, Default)]
        pub(super) struct $name<$de> {
            $(pub(super) $field: Option<$type>,)*
            pub(super) lifetime: std::marker::PhantomData<&$de ()>,
        }

        impl<$de> serde::Deserialize<$de> for $name<$de> {
            fn deserialize<D: serde::Deserializer<$de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::wire::lenient::fields! { $($field = stringify!($field),)* }
                struct Visitor<$de>(std::marker::PhantomData<&$de ()>);
                impl<$de> serde::de::Visitor<$de> for Visitor<$de> {
                    type Value = $name<$de>;

                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str("an object")
                    }

                    fn visit_map<A: serde::de::MapAccess<$de>>(
                        self,
                        mut map: A,
                    ) -> Result<$name<$de>, A::Error> {
                        let mut value = $name::default();
                        while let Some(field) = map.next_key()? {
                            match field {
                                $(Field::$field => value.$field = map.next_value()?,)*
                                Field::Other => {
                                    map.next_value::<serde::de::IgnoredAny>()?;
                                }
                            }
                        }
                        Ok(value)
                    }
                }
                deserializer.deserialize_map(Visitor(std::marker::PhantomData))
            }
        }
    )*};
}
pub(super) use lenient;

/// Defines an enum `Field` of the names of an object's fields that are read.
macro_rules! fields {
    ($($field:ident = $name:expr,)*) => {
        #[allow(non_camel_case_types, reason = "named as the fields are")]
        enum Field {
            $($field,)*
            Other,
        }

        impl<'de> serde::Deserialize<'de> for Field {
            #[inline]
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct FieldVisitor;
                impl serde::de::Visitor<'_> for FieldVisitor {
                    type Value = Field;

                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str("text")
                    }
                    #[inline]
                    fn visit_str<E>(self, name: &str) -> Result<Field, E> {
                        $(if name == $name {
                            return Ok(Field::$field);
                        })*
                        Ok(Field::Other)
                    }
                }
                deserializer.deserialize_identifier(FieldVisitor)
            }
        }
    };
}
pub(super) use fields;

/// Text, borrowed from the body where it has no escapes.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Text<'de>(pub(super) Cow<'de, str>);

impl Text<'_> {
    pub(super) fn into_string(self) -> String {
        self.0.into_owned()
    }
}

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;
        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text")
            }
            fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
            fn visit_string<E: de::Error>(self, text: String) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text)))
            }
        }
        deserializer.deserialize_str(TextVisitor)
    }
}

/// Text, or a structure where a server sends one: content as parts, arguments as an object.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum TextOr<'de> {
    Text(Cow<'de, str>),
    Array(Vec<Json>),
    Object(Box<Map<String, Json>>),
}

impl Default for TextOr<'_> {
    fn default() -> Self {
        Self::Text(Cow::Borrowed(""))
    }
}

impl TextOr<'_> {
    /// Returns the text, or the structure as JSON text.
    pub(super) fn into_json_text(self) -> String {
        match self {
            Self::Text(text) => text.into_owned(),
            Self::Array(items) => Json::Array(items).to_string(),
            Self::Object(fields) => Json::Object(*fields).to_string(),
        }
    }
}

impl<'de> Deserialize<'de> for TextOr<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextOrVisitor;
        impl<'de> Visitor<'de> for TextOrVisitor {
            type Value = TextOr<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text, an array or an object")
            }
            fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<TextOr<'de>, E> {
                Ok(TextOr::Text(Cow::Borrowed(text)))
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<TextOr<'de>, E> {
                Ok(TextOr::Text(Cow::Owned(text.to_owned())))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<TextOr<'de>, A::Error> {
                Deserialize::deserialize(de::value::SeqAccessDeserializer::new(seq))
                    .map(TextOr::Array)
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<TextOr<'de>, A::Error> {
                Deserialize::deserialize(de::value::MapAccessDeserializer::new(map))
                    .map(TextOr::Object)
            }
        }
        deserializer.deserialize_any(TextOrVisitor)
    }
}

//! A message as servers send it: whole, or a piece of one from a stream.

use std::borrow::Cow;

use serde::de::{MapAccess, SeqAccess};
use serde_json::Value as Json;

use super::tolerant::{Count, Kept, List, ReadTolerant, Text, read_parts, tolerant};

tolerant! {
    /// A message, or a piece of one.
    struct MessageIn<'de> keeps {
        content: ContentIn<'de>,
        refusal: Text<'de>,
        tool_calls: List<CallIn<'de>>,
        error: Box<Kept>,
    }
    /// A tool call, or a piece of one.
    struct CallIn<'de> keeps {
        index: Count,
        id: Text<'de>,
        function: FunctionIn<'de>,
        // The form of the Responses interface, which some gateways pass on.
        name: Text<'de>,
        arguments: JsonText<'de>,
    }
    struct FunctionIn<'de> {
        name: Text<'de>,
        arguments: JsonText<'de>,
    }
}

/// The content of a message.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum ContentIn<'de> {
    Null,
    Text(Cow<'de, str>),
    Parts(Vec<Json>),
    /// A value that is neither.
    Other(&'static str),
}

impl<'de> ReadTolerant<'de> for ContentIn<'de> {
    fn read_null() -> Option<Self> {
        Some(Self::Null)
    }
    fn read_scalar(value: Json) -> Option<Self> {
        Some(Self::Other(if value.is_boolean() { "a boolean" } else { "a number" }))
    }
    #[inline]
    fn read_text(text: Cow<'de, str>) -> Option<Self> {
        Some(Self::Text(text))
    }
    fn read_array<A: SeqAccess<'de>>(items: A) -> Result<Option<Self>, A::Error> {
        read_parts(items).map(Self::Parts).map(Some)
    }
    fn read_object<A: MapAccess<'de>>(fields: A) -> Result<Option<Self>, A::Error> {
        <()>::read_object(fields)?;
        Ok(Some(Self::Other("an object")))
    }
}

/// Skips a value.
impl ReadTolerant<'_> for () {}

/// JSON text. A structure in its place is written as its text: some servers send arguments as they
/// are.
#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct JsonText<'de>(pub(super) Cow<'de, str>);

impl<'de> ReadTolerant<'de> for JsonText<'de> {
    fn read_scalar(value: Json) -> Option<Self> {
        Some(Self(value.to_string().into()))
    }
    fn read_text(text: Cow<'de, str>) -> Option<Self> {
        Some(Self(text))
    }
    fn read_array<A: SeqAccess<'de>>(items: A) -> Result<Option<Self>, A::Error> {
        Ok(Kept::read_array(items)?.map(|kept| Self(kept.0.to_string().into())))
    }
    fn read_object<A: MapAccess<'de>>(fields: A) -> Result<Option<Self>, A::Error> {
        Ok(Kept::read_object(fields)?.map(|kept| Self(kept.0.to_string().into())))
    }
}

impl<'de> CallIn<'de> {
    /// Takes the name and the arguments out, wherever they stand.
    pub(super) fn take_function(&mut self) -> (Option<String>, Cow<'de, str>) {
        let function = self.function.take().unwrap_or_default();
        let name = function.name.or(self.name.take()).map(Text::into_string);
        let arguments = function.arguments.or(self.arguments.take()).unwrap_or_default().0;
        (name.filter(|name| !name.is_empty()), arguments)
    }
}

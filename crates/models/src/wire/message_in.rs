//! A message as servers send it: whole, or a piece of one from a stream.

use std::borrow::Cow;

use serde::de::{MapAccess, SeqAccess};
use serde_json::Value as Json;

use super::{
    kept_size::kept_size,
    tolerant::{AnyValue, Count, List, ReadTolerant, Text, Values, read_parts, tolerant},
    usage::UsageIn,
};

tolerant! {
    /// A message, or a piece of one.
    struct MessageIn<'de> with kept {
        content: ContentIn<'de>,
        refusal: Text<'de>,
        tool_calls: List<CallIn<'de>>,
        error: Box<AnyValue>,
        usage: Box<UsageIn<'de>>,
    }
    /// A tool call, or a piece of one.
    struct CallIn<'de> with kept {
        index: Count,
        id: Text<'de>,
        function: FunctionIn<'de>,
        // The form of the Responses interface, which some gateways pass on.
        name: Text<'de>,
        arguments: JsonText<'de>,
        // OpenAI's custom tools, whose input is any text.
        custom: CustomIn<'de>,
    }
    struct CustomIn<'de> {
        name: Text<'de>,
        input: JsonText<'de>,
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
        Some(match value {
            // Some gateways write it where there is no content.
            Json::Bool(false) => Self::Null,
            Json::Bool(true) => Self::Other("a boolean"),
            _ => Self::Other("a number"),
        })
    }
    #[inline]
    fn read_text(text: Cow<'de, str>) -> Option<Self> {
        Some(Self::Text(text))
    }
    fn read_array<A: SeqAccess<'de>>(items: A, values: &Values) -> Result<Option<Self>, A::Error> {
        let parts = read_parts(items, values)?;
        Ok(Some(Self::Parts(parts.into_iter().filter_map(typed).collect())))
    }
    fn read_object<A: MapAccess<'de>>(
        fields: A,
        values: &Values,
    ) -> Result<Option<Self>, A::Error> {
        let part = AnyValue::read_object(fields, values)?.map(|part| part.0);
        let part = part.filter(|part| part.get("type").is_some_and(Json::is_string));
        Ok(Some(part.map_or(Self::Other("an object"), |part| Self::Parts(vec![part]))))
    }
}

/// Returns a part with its type, which some servers leave out of text, or `None` for `null`.
fn typed(mut part: Json) -> Option<Json> {
    if let Json::Object(fields) = &mut part
        && fields.get("type").is_none_or(Json::is_null)
        && fields.get("text").is_some_and(Json::is_string)
    {
        fields.insert("type".to_owned(), "text".into());
    }
    (!part.is_null()).then_some(part)
}

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
    fn read_array<A: SeqAccess<'de>>(items: A, values: &Values) -> Result<Option<Self>, A::Error> {
        Ok(AnyValue::read_array(items, values)?.map(|kept| Self(kept.0.to_string().into())))
    }
    fn read_object<A: MapAccess<'de>>(
        fields: A,
        values: &Values,
    ) -> Result<Option<Self>, A::Error> {
        Ok(AnyValue::read_object(fields, values)?.map(|kept| Self(kept.0.to_string().into())))
    }
}

impl MessageIn<'_> {
    /// Returns whether there is content other than an empty text.
    pub(super) fn has_content(&self) -> bool {
        match &self.content {
            None | Some(ContentIn::Null) => false,
            Some(ContentIn::Text(text)) => !text.is_empty(),
            Some(ContentIn::Parts(_) | ContentIn::Other(_)) => true,
        }
    }

    /// Returns the size of what is kept as JSON, in bytes: parts, and the fields of providers.
    pub(super) fn kept_size(&self) -> usize {
        let calls = self.tool_calls.as_ref().map_or(&[][..], |calls| &calls.0);
        let fields = self.kept.iter().chain(calls.iter().flat_map(|call| &call.kept));
        let fields: usize = fields.map(|(_, value)| kept_size(value)).sum();
        match &self.content {
            Some(ContentIn::Parts(parts)) => parts.iter().map(kept_size).sum::<usize>() + fields,
            _ => fields,
        }
    }
}

impl<'de> FunctionIn<'de> {
    /// Creates the function of a call from its name and its arguments.
    pub(super) fn of(name: Option<String>, arguments: Cow<'de, str>) -> Self {
        let name = name.map(|name| Text(name.into()));
        Self { name, arguments: Some(JsonText(arguments)), ..Self::default() }
    }
}

impl<'de> CallIn<'de> {
    /// Takes the name and the arguments out, wherever they stand.
    pub(super) fn take_function(&mut self) -> (Option<String>, Cow<'de, str>) {
        let function = self.function.take().unwrap_or_default();
        let custom = self.custom.take().unwrap_or_default();
        let name = function.name.or(custom.name).or(self.name.take()).map(Text::into_string);
        let arguments = function.arguments.or(custom.input).or(self.arguments.take());
        let arguments = arguments.unwrap_or_default().0;
        (name.filter(|name| !name.is_empty()), arguments)
    }
}

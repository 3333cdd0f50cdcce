//! The values that a mustache template walks: variables, and the data inside of them.

use std::borrow::Cow;

use conversant_core::{Content, Message, Messages, Value};
use serde_json::Value as Json;

use super::work::{LOOKUP, Work};
use crate::{
    value_to_argument::{argument, json_argument},
    work_limit::WorkLimit,
};

/// A borrowed value, wherever it comes from.
#[derive(Clone, Copy)]
pub(super) enum View<'v> {
    Variable(&'v Value),
    Json(&'v Json),
    Message(&'v Message),
    Content(&'v Content),
    /// One character of a text, by its index.
    Text(&'v str),
    /// Zero or `false` that a path wanted to go into: the reference shows it there, and there
    /// alone.
    Zero(&'static str),
    /// The value in an inverted section.
    True,
    /// The empty text that a missing name counts as.
    Nothing,
}

impl<'v> View<'v> {
    /// Returns whether a section of this value is skipped.
    pub(super) fn is_false(self) -> bool {
        match self {
            Self::Variable(Value::Text(text)) => text.is_empty(),
            Self::Variable(Value::Integer(number)) => *number == 0,
            Self::Variable(Value::Float(number)) => *number == 0.0,
            Self::Variable(Value::Messages(messages)) => messages.is_empty(),
            Self::Variable(Value::Data(data)) => Self::Json(data).is_false(),
            Self::Json(data) => match data {
                Json::Null => true,
                Json::Bool(truth) => !truth,
                Json::Number(number) => number.as_f64() == Some(0.0),
                Json::String(text) => text.is_empty(),
                Json::Array(items) => items.is_empty(),
                Json::Object(fields) => fields.is_empty(),
            },
            Self::Content(content) => content.is_empty(),
            Self::Text(text) => text.is_empty(),
            Self::Nothing | Self::Zero(_) => true,
            Self::Variable(_) | Self::Message(_) | Self::True => false,
        }
    }

    /// Returns whether this is the value `true`.
    pub(super) fn is_true(self) -> bool {
        match self {
            Self::Variable(Value::Data(data)) => data.as_bool() == Some(true),
            Self::Json(data) => data.as_bool() == Some(true),
            Self::True => true,
            _ => false,
        }
    }

    /// Returns the text of zero or `false`, if this is one of them.
    fn zero(self) -> Option<&'static str> {
        match self {
            Self::Variable(Value::Data(data)) => Self::Json(data).zero(),
            Self::Variable(Value::Integer(0)) => Some("0"),
            Self::Variable(Value::Float(number)) => zero(*number),
            Self::Json(Json::Bool(false)) => Some("False"),
            Self::Json(Json::Number(number)) if number.is_f64() => zero(number.as_f64()?),
            Self::Json(Json::Number(number)) => (number.as_i64() == Some(0)).then_some("0"),
            _ => None,
        }
    }

    /// Returns the value at a path, if the whole path exists.
    pub(super) fn walk(self, path: &[String], work: &mut Work) -> Result<Option<Self>, WorkLimit> {
        let mut view = self;
        for part in path {
            if let Some(zero) = view.zero() {
                return Ok(Some(Self::Zero(zero)));
            }
            work.spend(LOOKUP + part.len() / LOOKUP)?;
            match view.child(part, work)? {
                Some(child) => view = child,
                None => return Ok(None),
            }
        }
        Ok(Some(view))
    }

    fn child(self, part: &str, work: &mut Work) -> Result<Option<Self>, WorkLimit> {
        Ok(match self {
            Self::Variable(Value::Data(data)) => return Self::Json(data).child(part, work),
            Self::Variable(Value::Messages(messages)) => {
                let message = index(part, messages.len()).and_then(|index| messages.get(index));
                message.map(Self::Message)
            }
            Self::Variable(Value::Text(text)) => character(text, part, work)?,
            Self::Json(Json::Object(fields)) => fields.get(part).map(Self::Json),
            Self::Json(Json::Array(items)) => {
                index(part, items.len()).and_then(|index| items.get(index)).map(Self::Json)
            }
            Self::Json(Json::String(text)) => character(text, part, work)?,
            Self::Message(message) => match part {
                "content" => Some(Self::Content(message.content())),
                "type" => Some(Self::Text(message.role().type_name())),
                "name" => message.name().map(Self::Text),
                _ => None,
            },
            _ => None,
        })
    }

    /// Returns how many parts of content [`text`](Self::text) looks at; some of them show nothing.
    pub(super) fn parts(self) -> usize {
        let parts = |message: &Message| message.content().parts().len();
        match self {
            Self::Variable(Value::Messages(messages)) => messages.iter().map(parts).sum(),
            Self::Message(message) => parts(message),
            Self::Content(content) => content.parts().len(),
            _ => 0,
        }
    }

    /// Returns the items that a section repeats for, or `None` if it does not repeat.
    pub(super) fn items(self) -> Option<Items<'v>> {
        match self {
            Self::Variable(Value::Messages(messages)) => Some(Items::Messages(messages)),
            Self::Variable(Value::Data(data)) => Self::Json(data).items(),
            Self::Json(Json::Array(items)) => Some(Items::Json(items)),
            _ => None,
        }
    }

    /// Returns the value as text, as Python's `str` shows it; lists and maps as JSON, what counts
    /// as false as nothing.
    pub(super) fn text(self) -> Cow<'v, str> {
        match self {
            Self::Zero(zero) => Cow::Borrowed(zero),
            _ if self.is_false() => Cow::Borrowed(""),
            Self::Variable(Value::Text(text)) => Cow::Borrowed(text),
            Self::Variable(value) => Cow::Owned(argument(value).to_string()),
            Self::Json(Json::String(text)) => Cow::Borrowed(text),
            Self::Nothing => Cow::Borrowed(""),
            Self::Json(data) => Cow::Owned(json_argument(data).to_string()),
            Self::Message(message) => Cow::Owned(message.to_string()),
            Self::Content(content) => content.text(),
            Self::Text(text) => Cow::Borrowed(text),
            Self::True => Cow::Borrowed("True"),
        }
    }
}

/// The values for which a section is repeated.
pub(super) enum Items<'v> {
    Messages(&'v Messages),
    Json(&'v [Json]),
}

impl<'v> Items<'v> {
    pub(super) fn views(self) -> Box<dyn Iterator<Item = View<'v>> + 'v> {
        match self {
            Self::Messages(messages) => Box::new(messages.iter().map(View::Message)),
            Self::Json(items) => Box::new(items.iter().map(View::Json)),
        }
    }
}

fn zero(number: f64) -> Option<&'static str> {
    match number {
        0.0 if number.is_sign_negative() => Some("-0.0"),
        0.0 => Some("0.0"),
        _ => None,
    }
}

/// Reads an index, which may count from the end.
fn index(part: &str, length: usize) -> Option<usize> {
    let index: isize = part.parse().ok()?;
    if index < 0 { length.checked_sub(index.unsigned_abs()) } else { index.try_into().ok() }
}

/// Returns a character by its index, which may count from the end.
fn character<'v>(
    text: &'v str,
    part: &str,
    work: &mut Work,
) -> Result<Option<View<'v>>, WorkLimit> {
    let Ok(wanted) = part.parse::<isize>() else { return Ok(None) };
    work.spend(wanted.unsigned_abs().min(text.len()))?;
    let found = match usize::try_from(wanted) {
        Ok(wanted) => text.char_indices().nth(wanted),
        Err(_) => text.char_indices().rev().nth(wanted.unsigned_abs() - 1),
    };
    let found = found.and_then(|(start, found)| text.get(start..start + found.len_utf8()));
    Ok(found.map(View::Text))
}

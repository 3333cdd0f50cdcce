//! Contents of messages: text, or a list of parts.

use std::{borrow::Cow, fmt};

use serde::{Deserialize, Deserializer, Serialize, de::Error};
use serde_json::{Map, Value as Json};

use crate::shortened::shown_name;

/// The content of a message: text, or a list of parts such as text and images.
///
/// The JSON form is that of LangChain and OpenAI: a string, or an array of parts.
///
/// # Examples
///
/// ```
/// use conversant_core::{Content, Part};
///
/// let content = Content::from(vec![Part::text("what is this?"), Part::image_url("https://example.com/a.png")]);
/// assert_eq!(content.text(), "what is this?\n[image]");
/// ```
#[derive(Clone, PartialEq, Serialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum Content {
    /// Plain text.
    Text(String),
    /// Parts, in order.
    Parts(Vec<Part>),
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let content = Self::from_json(Json::deserialize(deserializer)?);
        content.ok_or_else(|| D::Error::custom("content is text or a list of parts"))
    }
}

impl Content {
    /// Reads content, or returns `None` if the value is none.
    pub(crate) fn from_json(value: Json) -> Option<Self> {
        match value {
            Json::String(text) => Some(Self::Text(text)),
            Json::Array(parts) => {
                parts.into_iter().map(Part::from_json).collect::<Option<_>>().map(Self::Parts)
            }
            _ => None,
        }
    }

    /// Returns the content as text. Parts are one line each; a part that is not text is `[image]`,
    /// `[audio]`, `[file]` or its type in brackets. Reasoning is
    /// left out.
    #[must_use]
    pub fn text(&self) -> Cow<'_, str> {
        match self {
            Self::Text(text) => Cow::Borrowed(text),
            Self::Parts(parts) => {
                let shown = parts.iter().filter(|part| part.kind() != PartKind::Reasoning);
                let lines: Vec<_> = shown.map(Part::line).collect();
                Cow::Owned(lines.join("\n"))
            }
        }
    }

    /// Returns the text if this is plain text.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Parts(_) => None,
        }
    }

    /// Returns the parts, or none if this is plain text.
    #[must_use]
    pub fn parts(&self) -> &[Part] {
        match self {
            Self::Text(_) => &[],
            Self::Parts(parts) => parts,
        }
    }

    /// Returns whether the content is an empty text or has no parts.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Text(text) => text.is_empty(),
            Self::Parts(parts) => parts.is_empty(),
        }
    }
}

impl Default for Content {
    fn default() -> Self {
        Self::Text(String::new())
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "Text(<{} bytes>)", text.len()),
            Self::Parts(parts) => f.debug_tuple("Parts").field(parts).finish(),
        }
    }
}

impl From<String> for Content {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for Content {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<Vec<Part>> for Content {
    fn from(parts: Vec<Part>) -> Self {
        Self::Parts(parts)
    }
}

/// The kind of a [`Part`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PartKind {
    /// Text.
    Text,
    /// An image, by URL or as data.
    Image,
    /// Sound, as data.
    Audio,
    /// A file, by id or as data.
    File,
    /// The model's reasoning before its answer.
    Reasoning,
    /// Any other kind, preserved as received.
    Other,
}

/// One part of a message's content. All fields are preserved, so that a part survives a round trip
/// unchanged.
///
/// # Examples
///
/// ```
/// use conversant_core::{Part, PartKind};
///
/// let part = Part::image_url("https://example.com/a.png").with_detail("low");
/// assert_eq!(part.kind(), PartKind::Image);
/// assert_eq!(
///     serde_json::to_string(&part)?,
///     r#"{"type":"image_url","image_url":{"url":"https://example.com/a.png","detail":"low"}}"#
/// );
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Part(Form);

/// A part in its stored form. LangChain's lists contain bare strings as well as objects; both are
/// preserved.
#[derive(Clone, PartialEq, Serialize)]
#[serde(untagged)]
enum Form {
    Bare(String),
    Object(Map<String, Json>),
}

impl<'de> Deserialize<'de> for Part {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let part = Self::from_json(Json::deserialize(deserializer)?);
        part.ok_or_else(|| D::Error::custom("a part is text or an object"))
    }
}

impl Part {
    /// Returns a part from its JSON form, or `None` if the value is neither text nor an object.
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_core::Part;
    /// use serde_json::json;
    ///
    /// let part = Part::from_json(json!({"type": "text", "text": "Hi"}));
    /// assert_eq!(part, Some(Part::text("Hi")));
    /// assert_eq!(Part::from_json(json!(3)), None);
    /// ```
    #[must_use]
    pub fn from_json(value: Json) -> Option<Self> {
        match value {
            Json::String(text) => Some(Self(Form::Bare(text))),
            Json::Object(object) => Some(Self(Form::Object(object))),
            _ => None,
        }
    }

    /// Creates a part of text.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self::object("text", "text", Json::String(text.into()))
    }

    /// Creates an image part from a URL, which may be a `data:` URL.
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_core::{Content, Message, Part};
    ///
    /// let picture = Part::image_url("https://example.com/cat.png").with_detail("low");
    /// let message = Message::human(Content::from(vec![Part::text("What is this?"), picture]));
    /// assert_eq!(message.content().parts().len(), 2);
    /// ```
    #[must_use]
    pub fn image_url(url: impl Into<String>) -> Self {
        let url = Map::from_iter([("url".to_owned(), Json::String(url.into()))]);
        Self::object("image_url", "image_url", Json::Object(url))
    }

    /// Creates a sound part from base64 data and its format, such as `wav` or `mp3`.
    #[must_use]
    pub fn input_audio(data: impl Into<String>, format: impl Into<String>) -> Self {
        let audio = Map::from_iter([
            ("data".to_owned(), Json::String(data.into())),
            ("format".to_owned(), Json::String(format.into())),
        ]);
        Self::object("input_audio", "input_audio", Json::Object(audio))
    }

    /// Creates a file part from a file's name and its data as a `data:` URL.
    #[must_use]
    pub fn file_data(filename: impl Into<String>, data: impl Into<String>) -> Self {
        let file = Map::from_iter([
            ("filename".to_owned(), Json::String(filename.into())),
            ("file_data".to_owned(), Json::String(data.into())),
        ]);
        Self::object("file", "file", Json::Object(file))
    }

    /// Creates a file part from the id of a file that the provider holds.
    #[must_use]
    pub fn file_id(id: impl Into<String>) -> Self {
        let file = Map::from_iter([("file_id".to_owned(), Json::String(id.into()))]);
        Self::object("file", "file", Json::Object(file))
    }

    /// Creates a part from an object in the provider's format. Its `type` field determines the
    /// kind.
    #[must_use]
    pub const fn from_object(object: Map<String, Json>) -> Self {
        Self(Form::Object(object))
    }

    /// Sets the detail (`low`, `high`, `auto`) of an image by URL. Other parts do not change.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        if let Form::Object(object) = &mut self.0
            && let Some(Json::Object(image)) = object.get_mut("image_url")
        {
            image.insert("detail".to_owned(), Json::String(detail.into()));
        }
        self
    }

    /// Returns the kind.
    #[must_use]
    pub fn kind(&self) -> PartKind {
        match self.type_name() {
            "text" | "input_text" | "output_text" => PartKind::Text,
            "thinking" | "redacted_thinking" | "reasoning" => PartKind::Reasoning,
            "image_url" | "image" | "input_image" => PartKind::Image,
            "input_audio" | "audio" => PartKind::Audio,
            "file" | "input_file" => PartKind::File,
            _ => PartKind::Other,
        }
    }

    /// Returns the text if this is a text part.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match &self.0 {
            Form::Bare(text) => Some(text),
            Form::Object(object) if self.kind() == PartKind::Text => object.get("text")?.as_str(),
            Form::Object(_) => None,
        }
    }

    /// Returns the part's JSON object, or `None` if the part is a bare string.
    #[must_use]
    pub const fn as_object(&self) -> Option<&Map<String, Json>> {
        match &self.0 {
            Form::Bare(_) => None,
            Form::Object(object) => Some(object),
        }
    }

    fn object(kind: &str, name: &str, value: Json) -> Self {
        let mut object = Map::with_capacity(2);
        object.insert("type".to_owned(), Json::String(kind.to_owned()));
        object.insert(name.to_owned(), value);
        Self(Form::Object(object))
    }

    fn type_name(&self) -> &str {
        match &self.0 {
            Form::Bare(_) => "text",
            Form::Object(object) => object.get("type").and_then(Json::as_str).unwrap_or(""),
        }
    }

    /// Returns the part's line in a message's text form.
    fn line(&self) -> Cow<'_, str> {
        if let Some(text) = self.as_text() {
            return Cow::Borrowed(text);
        }
        Cow::Borrowed(match self.kind() {
            PartKind::Text => "[text]",
            PartKind::Image => "[image]",
            PartKind::Audio => "[audio]",
            PartKind::File => "[file]",
            PartKind::Reasoning => "",
            PartKind::Other => return Cow::Owned(format!("[{}]", self.type_name())),
        })
    }
}

impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.as_text() {
            Some(text) => write!(f, "text(<{} bytes>)", text.len()),
            // Servers and files may have any text there.
            None => f.write_str(&shown_name(self.type_name())),
        }
    }
}

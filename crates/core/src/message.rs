//! Messages of a conversation.

mod call_ids;

use std::{borrow::Cow, fmt, sync::LazyLock};

use serde_json::{Map, Value as Json};

use crate::{
    content::Content,
    role::Role,
    tool_call::{InvalidToolCall, ToolCall},
};

/// A message of a conversation: its role, its content, and the tool calls that it makes or answers.
///
/// `Display` is the message's line in a transcript (`Human: hi`). `Debug` withholds the content.
/// The serde form is LangChain's stored form, `{"type": …, "data": {…}}`; unknown fields are
/// preserved.
///
/// # Examples
///
/// ```
/// use conversant_core::Message;
///
/// let message = Message::human("Hi there my friend");
/// assert_eq!(message.to_string(), "Human: Hi there my friend");
///
/// let stored: Message = serde_json::from_str(r#"{"type": "ai", "data": {"content": "Hello!"}}"#)?;
/// assert_eq!(stored, Message::ai("Hello!"));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone)]
pub struct Message {
    role: Role,
    content: Content,
    tool_calls: Vec<ToolCall>,
    rare: Option<Box<RareFields>>,
}

/// Fields that few messages have, kept behind one pointer so that a message stays small.
#[derive(Clone, Default)]
struct RareFields {
    name: Option<String>,
    id: Option<String>,
    tool_call_id: Option<String>,
    invalid_tool_calls: Vec<InvalidToolCall>,
    extra: Map<String, Json>,
}

/// The start of the text of a tool call's result that is an error.
const TOOL_ERROR: &str = "error: ";
/// The field of LangChain that says whether a tool call failed.
const STATUS: &str = "status";

static NO_EXTRA: LazyLock<Map<String, Json>> = LazyLock::new(Map::new);

impl Message {
    /// Creates a message of any role.
    ///
    /// A [`Role::Tool`] message needs [`with_tool_call_id`](Self::with_tool_call_id), a
    /// [`Role::Function`] message needs [`with_name`](Self::with_name). [`tool`](Self::tool) and
    /// [`function`](Self::function) take them as arguments.
    #[must_use]
    pub fn new(role: Role, content: impl Into<Content>) -> Self {
        Self { role, content: content.into(), tool_calls: Vec::new(), rare: None }
    }

    /// Creates a system message.
    #[must_use]
    pub fn system(content: impl Into<Content>) -> Self {
        Self::new(Role::System, content)
    }

    /// Creates a human message.
    #[must_use]
    pub fn human(content: impl Into<Content>) -> Self {
        Self::new(Role::Human, content)
    }

    /// Creates an AI message.
    #[must_use]
    pub fn ai(content: impl Into<Content>) -> Self {
        Self::new(Role::Ai, content)
    }

    /// Creates the result of the tool call with this id.
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_core::{Message, ToolCall};
    /// use serde_json::json;
    ///
    /// let call = ToolCall::new("weather", json!({"city": "Kyoto"})).with_id("call_1");
    /// let asked = Message::ai("").with_tool_calls([call]);
    /// let result = Message::tool("18 degrees", "call_1");
    /// assert_eq!(result.tool_call_id(), asked.tool_calls()[0].id.as_deref());
    /// ```
    #[must_use]
    pub fn tool(content: impl Into<Content>, tool_call_id: impl Into<String>) -> Self {
        Self::new(Role::Tool, content).with_tool_call_id(tool_call_id)
    }

    /// Creates the result of a tool call that failed: `error: ` and the reason. Its stored form has
    /// the field `status` with the value `error`, as LangChain writes it since 0.2.
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_core::Message;
    ///
    /// let result = Message::tool_error("no such city", "call_1");
    /// assert_eq!(result.text(), "error: no such city");
    /// assert!(result.is_tool_error());
    /// ```
    #[must_use]
    pub fn tool_error(reason: impl fmt::Display, tool_call_id: impl Into<String>) -> Self {
        Self::tool(format!("{TOOL_ERROR}{reason}"), tool_call_id).with_extra(STATUS, "error")
    }

    /// Creates the result of a call of the function with this name.
    #[must_use]
    pub fn function(content: impl Into<Content>, name: impl Into<String>) -> Self {
        Self::new(Role::Function, content).with_name(name)
    }

    /// Creates a message with a custom role.
    #[must_use]
    pub fn chat(role: impl Into<String>, content: impl Into<Content>) -> Self {
        Self::new(Role::Chat(role.into()), content)
    }

    /// Sets the content.
    #[must_use]
    pub fn with_content(mut self, content: impl Into<Content>) -> Self {
        self.content = content.into();
        self
    }

    /// Sets the tool calls of the message.
    #[must_use]
    pub fn with_tool_calls(mut self, calls: impl IntoIterator<Item = ToolCall>) -> Self {
        self.tool_calls = calls.into_iter().collect();
        self
    }

    /// Sets the tool calls whose arguments could not be parsed.
    #[must_use]
    pub fn with_invalid_tool_calls(
        mut self,
        calls: impl IntoIterator<Item = InvalidToolCall>,
    ) -> Self {
        let calls: Vec<_> = calls.into_iter().collect();
        if !calls.is_empty() || self.rare.is_some() {
            self.rare_mut().invalid_tool_calls = calls;
        }
        self
    }

    /// Sets the id of the tool call that this message answers.
    #[must_use]
    pub fn with_tool_call_id(mut self, id: impl Into<String>) -> Self {
        self.rare_mut().tool_call_id = Some(id.into());
        self
    }

    /// Sets the name: of the function that was called, or of the participant.
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_core::Message;
    ///
    /// let message = Message::human("Shall we?").with_name("ada");
    /// assert_eq!(message.name(), Some("ada"));
    /// ```
    #[must_use]
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.rare_mut().name = Some(name.into());
        self
    }

    /// Sets the message's own id.
    #[must_use]
    pub fn with_id(mut self, id: impl Into<String>) -> Self {
        self.rare_mut().id = Some(id.into());
        self
    }

    /// Sets a further field of the stored form's `data`, such as `additional_kwargs`.
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_core::Message;
    /// use serde_json::json;
    ///
    /// let message = Message::human("Hi").with_extra("example", true);
    /// assert_eq!(message.extra()["example"], json!(true));
    /// ```
    #[must_use]
    pub fn with_extra(mut self, name: impl Into<String>, value: impl Into<Json>) -> Self {
        self.rare_mut().extra.insert(name.into(), value.into());
        self
    }

    /// Sets all further fields of the stored form's `data`.
    pub(crate) fn with_extra_fields(mut self, fields: Map<String, Json>) -> Self {
        if !fields.is_empty() || self.rare.is_some() {
            self.rare_mut().extra = fields;
        }
        self
    }

    /// Removes a further field of the stored form's `data`.
    pub(crate) fn without_extra(mut self, name: &str) -> Self {
        if let Some(rare) = &mut self.rare {
            rare.extra.shift_remove(name);
        }
        self
    }

    /// Returns the role.
    #[must_use]
    pub const fn role(&self) -> &Role {
        &self.role
    }

    /// Returns the content.
    #[must_use]
    pub const fn content(&self) -> &Content {
        &self.content
    }

    /// Converts the message into its content.
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_core::{Content, Message};
    ///
    /// assert_eq!(Message::ai("Hello!").into_content(), Content::from("Hello!"));
    /// ```
    #[must_use]
    pub fn into_content(self) -> Content {
        self.content
    }

    /// Returns the content as text; parts are one line each.
    #[must_use]
    pub fn text(&self) -> Cow<'_, str> {
        self.content.text()
    }

    /// Returns the tool calls of the message.
    #[must_use]
    pub fn tool_calls(&self) -> &[ToolCall] {
        &self.tool_calls
    }

    /// Returns the tool calls whose arguments could not be parsed.
    #[must_use]
    pub fn invalid_tool_calls(&self) -> &[InvalidToolCall] {
        self.rare.as_deref().map_or(&[], |rare| &rare.invalid_tool_calls)
    }

    /// Returns the id of the tool call that this message answers.
    #[must_use]
    pub fn tool_call_id(&self) -> Option<&str> {
        self.rare.as_deref()?.tool_call_id.as_deref()
    }

    /// Returns whether the message is the result of a tool call that failed: by its `status` or,
    /// without one, by a text that begins with `error: `.
    #[must_use]
    pub fn is_tool_error(&self) -> bool {
        let status = self.extra().get(STATUS).and_then(Json::as_str);
        let is_error = |status| status == "error";
        matches!(self.role, Role::Tool)
            && status.map_or_else(|| self.text().starts_with(TOOL_ERROR), is_error)
    }

    /// Returns the name of the function or the participant.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.rare.as_deref()?.name.as_deref()
    }

    /// Returns the message's own id.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.rare.as_deref()?.id.as_deref()
    }

    /// Returns the further fields of the stored form's `data`.
    #[must_use]
    pub fn extra(&self) -> &Map<String, Json> {
        self.rare.as_deref().map_or_else(|| &*NO_EXTRA, |rare| &rare.extra)
    }

    /// Returns whether the message has a role of a fixed name and content, and nothing else.
    pub(crate) fn is_plain(&self) -> bool {
        let is_fixed = matches!(self.role, Role::System | Role::Human | Role::Ai);
        is_fixed && self.tool_calls.is_empty() && self.rare.is_none()
    }

    fn rare_mut(&mut self) -> &mut RareFields {
        self.rare.get_or_insert_default()
    }
}

impl PartialEq for Message {
    fn eq(&self, other: &Self) -> bool {
        self.role == other.role
            && self.content == other.content
            && self.tool_calls == other.tool_calls
            && self.name() == other.name()
            && self.id() == other.id()
            && self.tool_call_id() == other.tool_call_id()
            && self.invalid_tool_calls() == other.invalid_tool_calls()
            && self.extra() == other.extra()
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Message");
        debug.field("role", &self.role).field("content", &self.content);
        if !self.tool_calls.is_empty() {
            debug.field("tool_calls", &self.tool_calls);
        }
        debug.finish_non_exhaustive()
    }
}

//! A place in a chat prompt that a list of messages fills.

use std::borrow::Cow;

use conversant_core::{Messages, PromptError, Slot, Value};

/// A place in a chat prompt for messages, such as the conversation so far.
///
/// LangChain 0.1.20 `langchain_core/prompts/chat.py::MessagesPlaceholder`.
///
/// # Examples
///
/// ```
/// use conversant_core::{Message, Messages, Prompt, vars};
/// use conversant_prompts::{ChatPromptTemplate, MessagesPlaceholder};
///
/// let prompt = ChatPromptTemplate::from_messages([
///     MessagesPlaceholder::new("chat_history").optional().last_n(1),
/// ])?;
/// let history = Messages::from_iter([Message::human("Hi"), Message::ai("Hello!")]);
/// assert_eq!(prompt.format(&vars! { "chat_history" => history })?.to_string(), "AI: Hello!");
/// assert_eq!(prompt.format(&vars! {})?.to_string(), "");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessagesPlaceholder {
    name: Cow<'static, str>,
    optional: bool,
    last_n: Option<usize>,
}

impl MessagesPlaceholder {
    /// Creates a placeholder that the variable of this name must fill.
    #[must_use]
    pub fn new(name: impl Into<Cow<'static, str>>) -> Self {
        Self { name: name.into(), optional: false, last_n: None }
    }

    /// Makes the variable optional: the placeholder then holds no messages.
    #[must_use]
    pub fn optional(mut self) -> Self {
        self.optional = true;
        self
    }

    /// Sets the number of messages to show: the last `n` of the variable. By default all are shown.
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_core::{Message, Messages, vars};
    /// use conversant_prompts::{ChatPromptTemplate, MessagesPlaceholder};
    ///
    /// let placeholder = MessagesPlaceholder::new("history").last_n(2);
    /// let prompt = ChatPromptTemplate::from_messages((placeholder,))?;
    /// let history = Messages::from_iter(["a", "b", "c"].map(Message::human));
    /// assert_eq!(prompt.format_messages(&vars! { "history" => history })?.len(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn last_n(mut self, n: usize) -> Self {
        self.last_n = Some(n);
        self
    }

    /// Returns the variable's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns whether the variable may be missing.
    #[must_use]
    pub fn is_optional(&self) -> bool {
        self.optional
    }

    /// Returns the most messages that it shows, if there is a limit.
    #[must_use]
    pub fn limit(&self) -> Option<usize> {
        self.last_n
    }

    pub(super) fn slot(&self) -> Slot {
        let slot = Slot::messages(self.name.clone());
        if self.optional { slot.optional() } else { slot }
    }

    /// Appends the messages to `out`, by sharing them. A required one is known to have a value.
    pub(super) fn fill(
        &self,
        value: Option<&Value>,
        out: &mut Messages,
    ) -> Result<(), PromptError> {
        match value {
            None => {}
            Some(Value::Messages(messages)) => match self.last_n {
                Some(n) => out.append(&messages.last_n(n)),
                None => out.append(messages),
            },
            // An empty JSON list is an empty list of messages too.
            Some(Value::Data(data)) if data.as_array().is_some_and(Vec::is_empty) => {}
            Some(other) => {
                let name = self.name().to_owned();
                return Err(PromptError::NotMessages { name, found: other.kind() });
            }
        }
        Ok(())
    }
}

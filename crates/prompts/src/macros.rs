//! Prompts that the compiler checks: the front of the macros.

use conversant_core::Variables;

pub use conversant_macros::PromptInputs;

/// A struct whose fields are the variables of a prompt; derived.
///
/// # Examples
///
/// ```
/// use conversant_core::{Messages, Prompt, Variables};
/// use conversant_prompts::{PromptInputs, prompt};
///
/// #[derive(PromptInputs)]
/// struct Inputs {
///     chat_history: Messages,
///     human_input: String,
/// }
///
/// // A variable that is no field is a compile error.
/// let prompt = prompt!("{chat_history}\nHuman: {human_input}\nChatbot:", inputs: Inputs);
/// let inputs = Inputs { chat_history: Messages::new(), human_input: "Hi".into() };
/// let value = prompt.format(&Variables::from(inputs))?;
/// assert_eq!(value.to_string(), "\nHuman: Hi\nChatbot:");
/// # Ok::<(), conversant_core::PromptError>(())
/// ```
pub trait PromptInputs: Into<Variables> {
    /// The names of the variables.
    const NAMES: &'static [&'static str];
}

/// Creates a [`PromptTemplate`](crate::PromptTemplate) from a literal that is checked at compile
/// time.
///
/// - `prompt!("…")` is a prompt.
/// - `prompt!("…", inputs: Type)` is a prompt whose variables are fields of a
///   [`PromptInputs`](trait@crate::PromptInputs). Those of `Self` and of a type with parameters are
///   checked when code is generated: by `cargo build`, and not by `cargo check`.
/// - `prompt!("…", name = value, …)` is the prompt filled in: a `Result` of
///   [`PromptValue`](conversant_core::PromptValue). A variable of the scope can be given by its
///   name alone.
///
/// An invalid template, a missing value and an unused value are compile errors at the literal, with
/// a caret.
///
/// # Examples
///
/// ```
/// use conversant_prompts::prompt;
///
/// let template = prompt!("Tell me a {adjective} joke about {content}.");
/// assert_eq!(template.input_variables(), ["adjective", "content"]);
///
/// let content = "chickens";
/// let value = prompt!("Tell me a {adjective} joke about {content}.", adjective = "silly", content)?;
/// assert_eq!(value.to_string(), "Tell me a silly joke about chickens.");
/// # Ok::<(), conversant_core::PromptError>(())
/// ```
///
/// ```compile_fail
/// conversant_prompts::prompt!("Hello {user.name}");
/// ```
#[macro_export]
macro_rules! prompt {
    ($($arguments:tt)*) => { $crate::__private::prompt!($crate; $($arguments)*) };
}

/// Makes a [`ChatPromptTemplate`](crate::ChatPromptTemplate) whose literal templates are checked
/// when it is compiled.
///
/// The elements are those of [`from_messages`](crate::ChatPromptTemplate::from_messages). Checked
/// are literals: alone, in pairs with a literal role, and in
/// [`MessageTemplate::human`](crate::MessageTemplate::human), `system`, `ai` and `chat`. After a
/// semicolon come `inputs: Type` or `name = value, …`, as for [`prompt!`](crate::prompt).
///
/// # Examples
///
/// ```
/// use conversant_core::Message;
/// use conversant_prompts::{MessagesPlaceholder, chat_prompt};
///
/// let prompt = chat_prompt!(
///     Message::system("You are a chatbot having a conversation with a human."),
///     MessagesPlaceholder::new("chat_history"),
///     ("human", "{human_input}"),
/// );
/// assert_eq!(prompt.input_variables(), ["chat_history", "human_input"]);
///
/// let value = chat_prompt!(("system", "You are {name}."), ("human", "{text}"); name = "Ada", text = "Hi")?;
/// assert_eq!(value.to_string(), "System: You are Ada.\nHuman: Hi");
/// # Ok::<(), conversant_core::PromptError>(())
/// ```
///
/// # Panics
///
/// If an element that is not one of these literals is refused: a template that another expression
/// makes, such as `MessageTemplate::new` or a variable, and that does not parse.
#[macro_export]
macro_rules! chat_prompt {
    ($($arguments:tt)*) => { $crate::__private::chat_prompt!($crate; $($arguments)*) };
}

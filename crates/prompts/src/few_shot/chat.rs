//! Few-shot prompts as messages.

use std::sync::Arc;

use conversant_core::{
    Messages, Prompt, PromptError, PromptFault, PromptValue, Report, Slot, SlotKind, Variables,
    prompt_inputs,
};

use super::{
    examples::{Examples, check},
    selector::{Example, ExampleSelector},
};
use crate::{
    chat::{ChatPromptTemplate, MessageSource, MessageTemplate, Part},
    error::{TemplateError, TemplateFault},
    partials::{Partials, Values},
    work_limit::OutputSize,
};

/// Examples as messages, each shown by a chat prompt. It is usually part of a larger prompt.
///
/// Needs the feature `few-shot`.
///
/// LangChain 0.1.20 `langchain_core/prompts/few_shot.py::FewShotChatMessagePromptTemplate`.
///
/// Fixed examples are made once and shared by every prompt, unless functions compute partial
/// variables of `example`.
///
/// # Examples
///
/// ```
/// use conversant_core::{Prompt, vars};
/// use conversant_prompts::{ChatPromptTemplate, FewShotChatPromptTemplate, MessageTemplate};
///
/// let example = ChatPromptTemplate::from_messages([("human", "{input}"), ("ai", "{output}")])?;
/// let examples = FewShotChatPromptTemplate::new(example, [
///     vars! { "input" => "2+2", "output" => "4" },
///     vars! { "input" => "2+3", "output" => "5" },
/// ])?;
/// let prompt = ChatPromptTemplate::from_messages((
///     MessageTemplate::system("You are a helpful AI Assistant"),
///     examples,
///     MessageTemplate::human("{input}"),
/// ))?;
/// assert_eq!(
///     prompt.format(&vars! { "input" => "What is 4+4?" })?.to_string(),
///     "System: You are a helpful AI Assistant\n\
///      Human: 2+2\nAI: 4\nHuman: 2+3\nAI: 5\nHuman: What is 4+4?",
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct FewShotChatPromptTemplate {
    example: Arc<ChatPromptTemplate>,
    examples: Examples,
    /// The messages of fixed examples, if they are the same in each call.
    made: Option<Messages>,
}

impl FewShotChatPromptTemplate {
    /// Creates a prompt of fixed examples.
    ///
    /// # Errors
    ///
    /// [`TemplateError`], if an example lacks a variable of `example`, or a value does not fit it.
    pub fn new(
        example: ChatPromptTemplate,
        examples: impl IntoIterator<Item = Example>,
    ) -> Result<Self, TemplateError> {
        let examples: Arc<[Example]> = examples.into_iter().collect();
        check(&example, &examples)?;
        let (mut made, mut text) = (Messages::new(), OutputSize::default());
        let (variables, partials) = (Variables::new(), Partials::default());
        let none = Values::new(&variables, &partials, &|_| false);
        for (index, values) in examples.iter().enumerate() {
            let values = prompt_inputs(example.slots(), values);
            let shown = example.format_messages(&values).map_err(|error| {
                let reason = Report::new(&error).to_string();
                TemplateError::new(TemplateFault::Example { index, reason })
            })?;
            made.extend(shown.iter_shared().cloned());
            text.add(text_bytes(&shown), &none).map_err(|limit| {
                TemplateError::new(TemplateFault::Example { index, reason: limit.to_string() })
            })?;
        }
        let examples = Examples::Fixed(examples);
        let made = (!example.is_computed()).then_some(made);
        Ok(Self { example: Arc::new(example), examples, made })
    }

    /// Creates a prompt whose examples a selector chooses for each call.
    #[must_use]
    pub fn with_selector(
        example: ChatPromptTemplate,
        selector: impl ExampleSelector + 'static,
    ) -> Self {
        let examples = Examples::Selected(Arc::new(selector));
        Self { example: Arc::new(example), examples, made: None }
    }

    /// Returns the examples for a call, as messages.
    ///
    /// # Errors
    ///
    /// [`PromptError`], if the selector fails, or an example does not fit.
    pub fn format_messages(&self, variables: &Variables) -> Result<Messages, PromptError> {
        if let Some(made) = &self.made {
            return Ok(made.clone());
        }
        let (mut messages, mut text) = (Messages::new(), OutputSize::default());
        let partials = Partials::default();
        let values = Values::new(variables, &partials, &|_| false);
        for example in self.examples.pick(|| variables.clone())? {
            let example = prompt_inputs(self.example.slots(), &example);
            let shown = self.example.format_messages(&example)?;
            text.add(text_bytes(&shown), &values)?;
            messages.append(&shown);
        }
        Ok(messages)
    }
}

fn text_bytes(messages: &Messages) -> usize {
    messages.iter().map(|message| message.text().len()).sum()
}

impl Prompt for FewShotChatPromptTemplate {
    fn slots(&self) -> &[Slot] {
        self.examples.slots()
    }

    fn format(&self, variables: &Variables) -> Result<PromptValue, PromptError> {
        PromptError::check_missing(self.slots(), variables)?;
        self.format_messages(variables).map(PromptValue::from)
    }

    fn gives(&self) -> Option<SlotKind> {
        Some(SlotKind::Messages)
    }

    fn faults(&self, _: &[Slot]) -> Vec<PromptFault> {
        self.example.faults(&[])
    }
}

impl MessageSource for FewShotChatPromptTemplate {
    fn messages(&self, variables: &Variables) -> Result<Messages, PromptError> {
        self.format_messages(variables)
    }
}

impl From<FewShotChatPromptTemplate> for MessageTemplate {
    fn from(examples: FewShotChatPromptTemplate) -> Self {
        Self::from_part(match examples.made {
            Some(made) => Part::Literal(made),
            None => Part::Selected(Arc::new(examples)),
        })
    }
}

//! Finding what the user's words are about.

use std::borrow::Cow;

use conversant_core::{
    BoxError, LanguageModel, LoadContext, Message, Messages, Prompt, PromptError, Role, vars,
};

use crate::{
    asked::Asked,
    conversation::Conversation,
    literal::Piece::{self, Text, Variable},
};

/// The prompt that asks for names.
const ENTITIES: &[Piece] = &[
    Text(
        "Below are a conversation and the human's last words in it. List the people, places, organisations and things with \
         names that the last words speak of, also where they say only `she` or `there` and the conversation tells who or \
         where. Answer with the names alone, separated by commas, or with NONE if there are none.\n\nConversation:\n",
    ),
    Variable("history"),
    Text("\n\nLast words:\n"),
    Variable("input"),
    Text("\n\nNames:"),
];

/// A model that finds names.
pub(crate) struct Extractor(Asked);

impl Extractor {
    pub(crate) fn new(model: LanguageModel) -> Self {
        Self(Asked::new(model, ENTITIES))
    }

    pub(crate) fn with_prompt(self, prompt: impl Prompt + 'static) -> Result<Self, PromptError> {
        Ok(Self(self.0.with_prompt(prompt, &["history", "input"])?))
    }

    /// Returns what the user's words are about: each name once, in the order of the model's answer.
    pub(crate) async fn find(&self, history: &str, input: &str) -> Result<Vec<String>, BoxError> {
        let answer = self.0.answer(&vars! { "history" => history, "input" => input }).await?;
        Ok(names(&answer))
    }
}

/// Reads an answer of names, separated by commas; `NONE` is no name.
fn names(answer: &str) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    let trimmed =
        answer.split(',').map(str::trim).filter(|name| !name.is_empty() && *name != "NONE");
    for name in trimmed {
        if names.iter().all(|known| known != name) {
            names.push(name.to_owned());
        }
    }
    names
}

/// Returns the user's words of a call: as the chain gives them, or from the inputs by the memory's keys.
pub(crate) fn words<'c>(
    conversation: &Conversation,
    context: LoadContext<'c>,
) -> Option<Cow<'c, str>> {
    if let Some(input) = context.input {
        return Some(Cow::Borrowed(input));
    }
    let names = context.inputs.names();
    let name = conversation.keys.input_name(names, &conversation.slots).ok()?;
    context.inputs.get(name).map(|value| value.to_text())
}

/// Returns what the user says in some messages.
pub(crate) fn words_in(messages: &Messages) -> String {
    let human = messages.iter().filter(|message| *message.role() == Role::Human);
    human.map(Message::text).collect::<Vec<_>>().join("\n")
}

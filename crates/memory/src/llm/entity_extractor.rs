//! Extracts the names of entities from the user's input.

use std::{borrow::Cow, collections::HashSet, sync::Mutex};

use conversant_core::{
    BoxError, LanguageModel, MaintainContext, Message, Messages, Prompt, PromptError,
    RequestPurpose, Role, Saved, Ticket, Warning, vars,
};

use super::{
    limits::{MAX_TEXT, shortened, shortened_messages},
    prompted_model::PromptedModel,
    static_prompt::Piece::{self, Text, Variable},
};
use crate::sync::lock;

/// The prompt that requests names.
const ENTITIES: &[Piece] = &[
    Text(
        "Below are a conversation and the human's last words in it. List the people, places, \
         organisations and things with names that the last words speak of, also where they say \
         only `she` or `there` and the conversation tells who or where. Answer with the names \
         alone, separated by commas, or with NONE if there are none.\n\nConversation:\n",
    ),
    Variable("history"),
    Text("\n\nLast words:\n"),
    Variable("input"),
    Text("\n\nNames:"),
];

/// The longest name: 1,000 bytes. Longer ones are not names.
const MAX_NAME: usize = 1000;

/// A model that extracts names.
#[derive(Clone)]
pub(crate) struct EntityExtractor {
    model: PromptedModel,
    /// The most names of a turn that are taken from an answer.
    pub(crate) max_entities: usize,
}

impl EntityExtractor {
    pub(crate) fn new(model: LanguageModel, max_entities: usize) -> Self {
        Self {
            model: PromptedModel::new(model, ENTITIES, RequestPurpose::EntityNames),
            max_entities,
        }
    }

    pub(crate) fn with_prompt(
        mut self,
        prompt: impl Prompt + 'static,
    ) -> Result<Self, PromptError> {
        self.model = self.model.with_prompt(prompt, &["history", "input"])?;
        Ok(self)
    }

    /// Returns the names in the user's input in some turns: each once, in the order of the model's
    /// answer. Names of more than [`MAX_NAME`] bytes are ignored.
    pub(crate) async fn extract(
        &self,
        history: &str,
        input: &str,
        turns: usize,
        context: MaintainContext<'_>,
    ) -> Result<Vec<String>, BoxError> {
        let variables = vars! { "history" => history, "input" => shortened(input, MAX_TEXT) };
        let answer = self.model.call_for_list(",", &variables, context).await?;
        Ok(decode_names(&answer, self.max_entities.saturating_mul(turns)))
    }
}

/// Decodes names separated by commas, at most `max`. `NONE` is not a name.
///
/// As LangChain 0.1.20 `langchain_community/graphs/networkx_graph.py::get_entities`, but each name
/// once.
fn decode_names(answer: &str, max: usize) -> Vec<String> {
    let mut seen = HashSet::new();
    let names = answer.split(',').map(str::trim);
    let names = names.filter(|name| !name.is_empty() && name.len() <= MAX_NAME);
    let names = names.filter(|name| *name != "NONE" && seen.insert(*name));
    names.take(max).map(str::to_owned).collect()
}

/// The names that a load has extracted, for the save.
pub(crate) struct ExtractedNames {
    /// The names; `None` if the model failed.
    pub(crate) names: Option<Vec<String>>,
    warning: Mutex<Option<Warning>>,
}

impl ExtractedNames {
    /// Converts the result of an extraction. A failure becomes a warning of the save.
    pub(crate) fn new(extracted: Result<Vec<String>, BoxError>) -> Self {
        let (names, warning) = match extracted {
            Ok(names) => (Some(names), None),
            Err(error) => {
                let what = "cannot find the names in the user's input";
                (None, Some(Warning::new(what, Some(error))))
            }
        };
        Self { names, warning: Mutex::new(warning) }
    }

    /// Returns the result of a save with this ticket: the warning of its load, once.
    pub(crate) fn saved(ticket: &Ticket) -> Saved {
        let mentioned = ticket.state::<Self>();
        let warning = mentioned.and_then(|mentioned| lock(&mentioned.warning).take());
        warning.into_iter().fold(Saved::default(), Saved::with_warning)
    }
}

/// Returns the text of the human messages, one a line. The longest are cut, such that they have at
/// most `max` bytes.
pub(crate) fn human_text(messages: &Messages, max: usize) -> String {
    let human = messages.iter_shared().filter(|message| *message.role() == Role::Human);
    let human = shortened_messages(&human.cloned().collect(), max);
    let texts: Vec<Cow<'_, str>> = human.iter().map(Message::text).collect();
    texts.join("\n")
}

/// Implements the settings of entity extraction for a memory with the field `extractor`.
macro_rules! extraction_settings {
    ($memory:ident) => {
        impl $memory {
            /// Sets the prompt that extracts names, with the variables `history` and `input`. The
            /// answer is a list of names separated by commas, or `NONE`.
            ///
            /// # Errors
            /// [`PromptError::MissingVariables`](conversant_core::PromptError::MissingVariables) if
            /// the prompt needs other variables.
            pub fn with_entity_extraction_prompt(
                mut self,
                prompt: impl conversant_core::Prompt + 'static,
            ) -> Result<Self, conversant_core::PromptError> {
                self.extractor = self.extractor.with_prompt(prompt)?;
                Ok(self)
            }
        }
    };
}

pub(crate) use extraction_settings;

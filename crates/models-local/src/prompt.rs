//! The prompt of a call, and its tokens.

use std::{collections::HashSet, ops::RangeInclusive};

use conversant_core::{Message, Messages, ModelError, PartKind, Role};

use crate::{
    chat_template::{ChatTemplate, TemplateMessage},
    tokenizer::Tokenizer,
};

/// The characters of private use that stand for the names of control tokens.
const PRIVATE: RangeInclusive<char> = '\u{F0000}'..='\u{FFFFD}';

/// The prompt of a call.
pub(crate) enum Prompt {
    /// A text to continue.
    Text(String),
    /// Messages to answer.
    Chat(Messages),
}

/// Turns prompts into tokens.
pub(crate) struct PromptEncoder<'a> {
    pub(crate) tokenizer: &'a Tokenizer,
    /// The template, or the reason why there is none.
    pub(crate) template: &'a Result<ChatTemplate, String>,
    /// The largest number of tokens of a prompt.
    pub(crate) limit: usize,
}

impl PromptEncoder<'_> {
    /// Returns the tokens of a prompt.
    pub(crate) fn encode(&self, prompt: &Prompt) -> Result<Vec<u32>, ModelError> {
        let tokens = match prompt {
            Prompt::Text(text) => {
                self.check(self.tokenizer.least(text))?;
                self.tokenizer.encode_prompt(text)
            }
            Prompt::Chat(messages) => self.chat(messages)?,
        };
        self.check(tokens.len())?;
        match tokens.is_empty() {
            true => Err(ModelError::config("cannot answer an empty prompt; add text to it")),
            false => Ok(tokens),
        }
    }

    /// Checks a number of tokens, or a lower bound of it: a prompt that is far too long is refused
    /// before it is read.
    fn check(&self, tokens: usize) -> Result<(), ModelError> {
        let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        match tokens > self.limit {
            true => {
                Err(ModelError::PromptTooLong { tokens: number(tokens), limit: number(self.limit) })
            }
            false => Ok(()),
        }
    }

    fn chat(&self, messages: &Messages) -> Result<Vec<u32>, ModelError> {
        let template = self.template.as_ref().map_err(ModelError::config)?;
        let messages = messages.iter().map(template_message);
        let mut messages = messages.collect::<Result<Vec<_>, _>>()?;
        let text: usize =
            messages.iter().map(|message| self.tokenizer.least(&message.content)).sum();
        self.check(text)?;
        let quoted = self.quote(&mut messages)?;
        let rendered = template.render(&messages).map_err(|error| {
            let roles: Vec<_> = messages.iter().map(|message| message.role.as_str()).collect();
            ModelError::config(format!(
                "cannot render the messages with the roles `{}`: the model's chat template refuses \
                 them ({}); change their order, or use the model as a completion model",
                roles.join("`, `"),
                template.reason(&error)
            ))
        })?;
        self.check(self.tokenizer.least(&rendered))?;
        Ok(self.encode_quoted(&rendered, &quoted))
    }

    /// Replaces names of control tokens in messages by characters that occur in none of them, so
    /// that the words of a user never become control tokens.
    fn quote(&self, messages: &mut [TemplateMessage]) -> Result<Vec<(char, String)>, ModelError> {
        let texts: Vec<&str> = messages.iter().flat_map(TemplateMessage::texts).collect();
        let used = |name: &&str| texts.iter().any(|text| text.contains(name));
        let names: Vec<String> =
            self.tokenizer.control_names().filter(used).map(str::to_owned).collect();
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let characters = texts.iter().flat_map(|text| text.chars());
        let taken: HashSet<char> = characters.filter(|c| PRIVATE.contains(c)).collect();
        let count = names.len();
        let quoted: Vec<_> = PRIVATE.filter(|c| !taken.contains(c)).zip(names).collect();
        if quoted.len() < count {
            return Err(ModelError::config(
                "cannot send messages with the names of control tokens and with all characters of \
                 a private plane of Unicode to a local model; remove some of them",
            ));
        }
        for text in messages.iter_mut().flat_map(TemplateMessage::texts_mut) {
            for (character, name) in &quoted {
                *text = text.replace(name, character.encode_utf8(&mut [0; 4]));
            }
        }
        Ok(quoted)
    }

    fn encode_quoted(&self, rendered: &str, quoted: &[(char, String)]) -> Vec<u32> {
        let name = |c: char| quoted.iter().find(|(known, _)| *known == c).map(|(_, name)| name);
        let mut tokens = Vec::new();
        for piece in rendered.split_inclusive(|c| name(c).is_some()) {
            let last = piece.chars().next_back().and_then(|c| Some((c, name(c)?)));
            let Some((character, name)) = last else {
                tokens.extend(self.tokenizer.encode_rendered(piece));
                continue;
            };
            let text = piece.strip_suffix(character).unwrap_or_default();
            tokens.extend(self.tokenizer.encode_rendered(text));
            tokens.extend(self.tokenizer.encode(name));
        }
        tokens
    }
}

fn template_message(message: &Message) -> Result<TemplateMessage, ModelError> {
    let is_text = |kind| matches!(kind, PartKind::Text | PartKind::Reasoning);
    if let Some(part) = message.content().parts().iter().find(|part| !is_text(part.kind())) {
        return Err(ModelError::config(format!(
            "cannot send a part of the kind `{:?}` to a local model; it reads text only",
            part.kind()
        )));
    }
    let mut content = message.text().into_owned();
    for call in message.tool_calls() {
        if !content.is_empty() {
            content.push('\n');
        }
        content.push_str(&serde_json::to_string(call).unwrap_or_default());
    }
    let role = match message.role() {
        Role::Human => "user",
        Role::Ai => "assistant",
        Role::Chat(name) => name,
        other => other.type_name(),
    };
    Ok(TemplateMessage { role: role.to_owned(), content })
}

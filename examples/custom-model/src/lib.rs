//! A custom model: a listener after Joseph Weizenbaum's ELIZA (1966), which turns each statement
//! into a question.

use conversant_core::{
    ChatModel, ChatRequest, FinishReason, Message, ModelError, Reply, Role, Usage, async_trait,
};

/// The beginnings of sentences, and the replies to the rest of them.
const RULES: &[(&str, &str)] = &[
    ("I am ", "How long have you been "),
    ("I feel ", "Do you often feel "),
    ("I need ", "Why do you need "),
    ("My ", "Tell me more about your "),
];

/// How the user's words are turned around.
const TURNED: &[(&str, &str)] =
    &[("I", "you"), ("me", "you"), ("my", "your"), ("am", "are"), ("you", "I"), ("your", "my")];

/// Listens. It needs neither network nor key, and says the same to the same words.
#[derive(Debug, Clone, Default)]
pub struct Eliza;

#[async_trait]
impl ChatModel for Eliza {
    async fn generate(&self, request: &ChatRequest) -> Result<Reply, ModelError> {
        request.options.check_deadline()?;
        let heard = request.messages.iter().rfind(|message| *message.role() == Role::Human);
        let Some(heard) = heard else {
            return Err(ModelError::custom("there is no human message to answer", false, None));
        };
        let mut said = answer(&heard.text());
        // A model stops before the first of the texts that the call names.
        let stops = request.options.stop.iter().filter_map(|stop| said.find(stop.as_str()));
        if let Some(end) = stops.min() {
            said.truncate(end);
        }
        let usage = Usage::new(words(&request.messages.to_string()), words(&said));
        let reply = Reply::new(Message::ai(said)).with_finish_reason(FinishReason::Stop);
        Ok(reply.with_usage(usage).with_model("eliza"))
    }
}

fn answer(heard: &str) -> String {
    for (start, said) in RULES {
        if let Some(rest) = heard.strip_prefix(start) {
            return format!("{said}{}?", turned(rest));
        }
    }
    "Please go on.".to_owned()
}

fn turned(words: &str) -> String {
    let words = words.trim_end_matches(['.', '!', '?', ' ']).split(' ');
    let turned =
        words.map(|word| TURNED.iter().find(|(from, _)| *from == word).map_or(word, |(_, to)| to));
    turned.collect::<Vec<_>>().join(" ")
}

fn words(text: &str) -> u64 {
    u64::try_from(text.split_whitespace().count()).unwrap_or(u64::MAX)
}

//! Where a message came from, so that what only its server understands goes back there and nowhere
//! else.

use std::hash::{DefaultHasher, Hash, Hasher};

use conversant_core::{Message, PartKind, Reply};
use serde_json::{Map, Value as Json};

use super::provider_fields::{Replay, find};

/// The field of `response_metadata` with the server that a message came from: its base URL, in
/// which hashes stand for what may be a key.
const BASE_URL: &str = "base_url";
/// The field with the model, as it was asked for.
const MODEL: &str = "model_name";

/// A server and a model, as an adapter addresses them.
#[derive(Debug, Clone, Default, Hash)]
pub(crate) struct Origin {
    pub(crate) base_url: String,
    pub(crate) model: String,
}

/// How much a message has to do with the server that it is sent to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OriginMatch {
    /// It came from elsewhere, or it is not known from where.
    Foreign,
    SameEndpoint,
    SameModel,
}

impl OriginMatch {
    pub(super) fn is_same_endpoint(self) -> bool {
        self != Self::Foreign
    }

    /// Returns whether a field goes back.
    pub(super) fn replays(self, field: Replay) -> bool {
        match field {
            Replay::Never => false,
            Replay::ToEndpoint => self.is_same_endpoint(),
            Replay::ToModel => self == Self::SameModel,
        }
    }
}

impl Origin {
    pub(super) fn hash_of(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.hash(&mut hasher);
        hasher.finish()
    }

    /// Returns what a message has to do with this server and model.
    pub(super) fn compare(&self, message: &Message) -> OriginMatch {
        let Some(metadata) = message.extra().get("response_metadata") else {
            return OriginMatch::Foreign;
        };
        let is = |name: &str, value: &str| metadata.get(name).and_then(Json::as_str) == Some(value);
        match (is(BASE_URL, &self.base_url), is(MODEL, &self.model)) {
            (true, true) => OriginMatch::SameModel,
            (true, false) => OriginMatch::SameEndpoint,
            (false, _) => OriginMatch::Foreign,
        }
    }

    /// Notes on the messages of a reply that they came from here, where that will matter.
    pub(crate) fn stamp(&self, reply: &mut Reply) {
        self.stamp_message(&mut reply.message);
        for choice in &mut reply.alternatives {
            self.stamp_message(&mut choice.message);
        }
    }

    fn stamp_message(&self, message: &mut Message) {
        if !is_of_provider(message) {
            return;
        }
        let known = message.extra().get("response_metadata").and_then(Json::as_object);
        let mut metadata = known.cloned().unwrap_or_else(Map::new);
        metadata.insert(BASE_URL.to_owned(), self.base_url.as_str().into());
        metadata.insert(MODEL.to_owned(), self.model.as_str().into());
        let owned = std::mem::replace(message, Message::ai(""));
        *message = owned.with_extra("response_metadata", metadata);
    }
}

/// Returns whether a message holds something that only its provider understands.
fn is_of_provider(message: &Message) -> bool {
    let extra = message.extra();
    let returns = |name: &str| {
        name == "output" || find(name).is_some_and(|field| field.replay != Replay::Never)
    };
    let kwargs = extra.get("additional_kwargs").and_then(Json::as_object);
    let is_own = |kind| matches!(kind, PartKind::Reasoning | PartKind::Other);
    extra.contains_key("response_metadata")
        || kwargs.is_some_and(|kwargs| kwargs.keys().any(|name| returns(name)))
        || message.tool_calls().iter().any(|call| !call.extra.is_empty())
        || message.invalid_tool_calls().iter().any(|call| !call.extra.is_empty())
        || message.content().parts().iter().any(|part| is_own(part.kind()))
}

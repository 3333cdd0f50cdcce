//! A conversation, and how its turns are held.

use std::time::Duration;

use chat::{backend::Backend, definition::Definition, failure::Failure};
use conversant_chains::{LlmChain, Verbose};
use conversant_core::SessionId;

use crate::{arguments::Arguments, store::Store};

/// A conversation, and how its turns are held.
pub struct Conversation {
    pub chain: LlmChain,
    pub timeout: Duration,
    pub is_streaming: bool,
    pub is_json: bool,
    pub stop: Vec<String>,
    /// Whether answers begin with a space, which is for the transcript and not for people.
    pub trims: bool,
    pub session: SessionId,
    pub model: String,
}

impl Conversation {
    pub fn new(
        arguments: &Arguments,
        backend: &Backend,
        store: &Store,
        session: SessionId,
    ) -> Result<Self, Failure> {
        let definition = Definition::new(&arguments.model, backend)?;
        let builder = definition.chain(store.history.clone(), session.clone());
        let builder = match arguments.verbose {
            true => builder.observer(Verbose::stderr()),
            false => builder,
        };
        Ok(Self {
            chain: builder.build().map_err(Failure::other)?,
            timeout: arguments.model.timeout,
            is_streaming: arguments.is_streaming(),
            is_json: arguments.json,
            stop: definition.stop(),
            trims: definition.trims(),
            session,
            model: backend.name().to_owned(),
        })
    }
}

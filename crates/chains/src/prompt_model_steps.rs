//! The steps of an LLM chain: format the prompt, call the model, parse the answer.

use std::{borrow::Cow, sync::Arc};

use async_trait::async_trait;
use conversant_core::{
    Event, LanguageModel, OutputParser, Prompt, PromptValue, Reply, Slot, Variables,
};

use crate::{
    answer::Answer,
    chain::{Chain, RunContext, Streaming},
    error::ChainError,
};

/// A prompt, a model and, optionally, a parser.
pub(crate) struct PromptModelSteps {
    pub(crate) name: Cow<'static, str>,
    pub(crate) prompt: Arc<dyn Prompt>,
    pub(crate) model: LanguageModel,
    pub(crate) parser: Option<Arc<dyn OutputParser>>,
    pub(crate) output_key: [Cow<'static, str>; 1],
}

impl PromptModelSteps {
    fn format(
        &self,
        variables: &Variables,
        context: &RunContext,
    ) -> Result<PromptValue, ChainError> {
        let mut prompt = self.prompt.format(variables).map_err(ChainError::Prompt)?;
        if !context.exchange().is_empty() {
            let mut messages = prompt.into_messages();
            messages.append(context.exchange());
            prompt = PromptValue::from(messages);
        }
        context.emit(&Event::prompt_formatted(&prompt));
        Ok(prompt)
    }
}

#[async_trait]
impl Chain for PromptModelSteps {
    fn name(&self) -> &str {
        &self.name
    }

    fn slots(&self) -> &[Slot] {
        self.prompt.slots()
    }

    fn outputs(&self) -> &[Cow<'static, str>] {
        &self.output_key
    }

    async fn run(&self, variables: &Variables, context: &RunContext) -> Result<Answer, ChainError> {
        let prompt = self.format(variables, context)?;
        let reply = self
            .model
            .generate(prompt, context.options().clone())
            .await
            .map_err(ChainError::Model)?;
        self.finish(reply, context)
    }

    async fn stream(
        &self,
        variables: &Variables,
        context: &RunContext,
    ) -> Result<Streaming, ChainError> {
        let prompt = self.format(variables, context)?;
        self.model
            .stream(prompt, context.options().clone())
            .await
            .map(Streaming::Pieces)
            .map_err(ChainError::Model)
    }

    fn finish(&self, mut reply: Reply, context: &RunContext) -> Result<Answer, ChainError> {
        if !context.exchange().is_empty() {
            let mut intermediate = context.exchange().clone();
            intermediate.append(&reply.intermediate);
            reply.intermediate = intermediate;
        }
        context.emit(&Event::model_answered(&reply));
        let text = reply.text();
        let output = match &self.parser {
            // An answer that calls tools is not the one to parse.
            Some(parser) if reply.message.tool_calls().is_empty() => {
                parser.parse(&text).map_err(ChainError::Parse)?
            }
            _ => text.into(),
        };
        let [key] = &self.output_key;
        let mut outputs = Variables::with_capacity(1);
        outputs.insert(key.clone(), output);
        Ok(Answer::new(outputs).with_reply(reply))
    }
}

//! The steps of an LLM chain: format the prompt, call the model, parse the answer.

use std::{borrow::Cow, sync::Arc};

use async_trait::async_trait;
use conversant_core::{
    CallOptions, Event, FinishReason, LanguageModel, Memory, Message, OutputParser, ParseError,
    Prompt, PromptValue, Reply, ResponseFormat, Role, Slot, Variables, prompt_inputs,
    without_reasoning,
};

use crate::{
    answer::Answer,
    answer_type::AnswerType,
    call_phase::CallPhase,
    caught,
    chain::{Chain, RunContext, Streaming},
    correction::{Correction, Refused},
    error::ChainError,
    limits::Limits,
};

/// The variable of a prompt that the chain provides, if its parser has instructions.
const FORMAT_INSTRUCTIONS: &str = "format_instructions";

/// The parts of an LLM chain.
#[derive(Clone)]
pub(crate) struct Parts {
    pub(crate) name: Cow<'static, str>,
    pub(crate) prompt: Arc<dyn Prompt>,
    pub(crate) model: LanguageModel,
    pub(crate) parser: Option<Arc<dyn OutputParser>>,
    pub(crate) output_key: [Cow<'static, str>; 1],
}

/// A prompt, a model and, optionally, a parser.
#[derive(Clone)]
pub(crate) struct PromptModelSteps {
    parts: Parts,
    corrections: Arc<[Correction]>,
    /// The prompt's slots, if the chain provides some of them or the prompt has their values.
    slots: Option<Arc<[Slot]>>,
    /// The partial variable that a call replaces, since the user's text is in it.
    own_input: Option<String>,
    instructions_place: Place,
    /// The format of the answer's type, for a model whose server enforces schemas.
    format: Option<ResponseFormat>,
}

/// The place of the parser's instructions in the prompt.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    None,
    Variable,
    Before,
}

impl PromptModelSteps {
    pub(crate) fn new(
        parts: Parts,
        corrections: Vec<Correction>,
        memory: Option<&dyn Memory>,
    ) -> Self {
        let own_input = own_input(&*parts.prompt, memory).map(str::to_owned);
        let slots = Self::slots_of(&*parts.prompt, parts.parser.as_deref(), memory);
        let corrections = corrections.into();
        let has_instructions = provides_instructions(parts.parser.as_deref());
        // A partial variable of the prompt has other instructions.
        let is_free = |slot: &Slot| slot.name() == FORMAT_INSTRUCTIONS && !slot.is_partial();
        let is_variable = has_instructions && parts.prompt.slots().iter().any(is_free);
        let instructions_place = if is_variable { Place::Variable } else { Place::None };
        Self { parts, corrections, slots, own_input, instructions_place, format: None }
    }

    /// Returns the slots of a chain, if they are not those of its prompt: the chain provides the
    /// instructions of its parser, and the prompt its partial variables.
    pub(crate) fn slots_of(
        prompt: &dyn Prompt,
        parser: Option<&dyn OutputParser>,
        memory: Option<&dyn Memory>,
    ) -> Option<Arc<[Slot]>> {
        Self::slots_with(prompt, parser, own_input(prompt, memory))
    }

    fn slots_with(
        prompt: &dyn Prompt,
        parser: Option<&dyn OutputParser>,
        own_input: Option<&str>,
    ) -> Option<Arc<[Slot]>> {
        let has_instructions = provides_instructions(parser);
        let is_provided = |slot: &Slot| {
            slot.is_partial() || (has_instructions && slot.name() == FORMAT_INSTRUCTIONS)
        };
        let of_call = |slot: &Slot| match slot.name() {
            name if own_input == Some(name) => Some(slot.clone().optional()),
            _ if is_provided(slot) => None,
            _ => Some(slot.clone()),
        };
        let slots = prompt.slots();
        slots.iter().any(is_provided).then(|| slots.iter().filter_map(of_call).collect())
    }

    fn instructions(&self) -> Option<&str> {
        self.parts.parser.as_ref()?.format_instructions()
    }

    fn format(
        &self,
        variables: &Variables,
        context: &RunContext,
    ) -> Result<PromptValue, ChainError> {
        let mut inputs = prompt_inputs(self.parts.prompt.slots(), variables);
        if let Some(name) = &self.own_input
            && let Some(value) = variables.get(name)
        {
            inputs.to_mut().insert(name.clone(), value.clone());
        }
        let (place, instructions) = (self.instructions_place, self.instructions());
        if let Some(instructions) = instructions.filter(|_| place == Place::Variable)
            && !inputs.contains(FORMAT_INSTRUCTIONS)
        {
            inputs.to_mut().insert(FORMAT_INSTRUCTIONS, instructions);
        }
        let mut prompt = self.parts.prompt.format(&inputs).map_err(ChainError::Prompt)?;
        if let Some(instructions) = instructions.filter(|_| place == Place::Before) {
            prompt = with_instructions(&prompt, instructions);
        }
        if !context.exchange().is_empty() {
            let mut messages = prompt.into_messages();
            messages.append(context.exchange());
            prompt = PromptValue::from(messages);
        }
        context.emit(&Event::prompt_formatted(&prompt));
        Ok(prompt)
    }

    fn options(&self, context: &RunContext) -> CallOptions {
        let mut options = context.options().clone();
        if let Some(format) = self.format.as_ref().filter(|_| self.parts.model.enforces_schemas()) {
            options.response_format.get_or_insert_with(|| format.clone());
        }
        // A choice of the options was made for this call.
        if !context.exchange().is_empty() && options.tool_choice.is_none() {
            options.lift_forced_choice(self.parts.model.describe().forces_tools);
        }
        options
    }

    /// Asks models to correct a refused answer until one is accepted.
    async fn correct(
        &self,
        prompt: &PromptValue,
        mut error: ParseError,
        refused: Reply,
        context: &RunContext,
    ) -> Result<Answer, ChainError> {
        let options = self.options(context);
        let mut limits = Limits::new(options.deadline);
        let mut answers = vec![refused];
        let attempts = self
            .corrections
            .iter()
            .flat_map(|correction| std::iter::repeat_n(correction, correction.limit()));
        for correction in attempts {
            let Some(last) = answers.last() else { break };
            if is_cut_off(last) {
                break;
            }
            let instructions = self.instructions();
            let format = self.format.as_ref();
            let refused = Refused { reply: last, error: &error, instructions, format };
            let (model, request, options) =
                correction.request(&self.parts.model, prompt, &options, &refused);
            context.emit(&Event::prompt_formatted(&request));
            // A deadline that passes here must not lose the answers that were paid for.
            let reply = limits.run(None, Box::pin(model.generate(request, options))).await;
            let reply = match reply {
                Ok(reply) => reply.map_err(ChainError::Model),
                Err(exceeded) => Err(exceeded.during(CallPhase::Run)),
            };
            let mut reply = match reply {
                Ok(reply) => reply,
                Err(cause) => {
                    let interrupted = Some(Box::new(cause));
                    return Err(ChainError::Parse {
                        source: Box::new(error),
                        answers,
                        interrupted,
                    });
                }
            };
            // The accepted answer relies on the tool calls of the refused ones.
            let mut intermediate = last.intermediate.clone();
            intermediate.append(&reply.intermediate);
            reply.intermediate = intermediate;
            match self.answer(reply, context) {
                Ok(mut answer) => {
                    answer.refused = answers;
                    return Ok(answer);
                }
                Err(failed) => {
                    let (fault, reply) = *failed;
                    error = fault;
                    answers.push(reply);
                }
            }
        }
        Err(ChainError::Parse { source: Box::new(error), answers, interrupted: None })
    }

    /// Parses a reply. The error has the reply as the model gave it.
    fn answer(
        &self,
        mut reply: Reply,
        context: &RunContext,
    ) -> Result<Answer, Box<(ParseError, Reply)>> {
        let exchange = context.exchange();
        let own = (!exchange.is_empty()).then(|| reply.intermediate.clone());
        if let Some(own) = &own {
            let mut intermediate = exchange.clone();
            intermediate.append(own);
            reply.intermediate = intermediate;
        }
        context.emit(&Event::model_answered(&reply));
        let text = reply.text();
        let output = match &self.parts.parser {
            // An answer that calls tools is not the one to parse.
            Some(parser) if !calls_tools(&reply.message) => {
                match caught::parse(&**parser, without_reasoning(&text)) {
                    Ok(output) => output,
                    Err(error) => {
                        let error = explain(error, &reply);
                        reply.intermediate = own.unwrap_or(reply.intermediate);
                        return Err(Box::new((error, reply)));
                    }
                }
            }
            _ => text.into(),
        };
        let [key] = &self.parts.output_key;
        let mut outputs = Variables::with_capacity(1);
        outputs.insert(key.clone(), output);
        Ok(Answer::new(outputs).with_reply(reply))
    }
}

#[async_trait]
impl Chain for PromptModelSteps {
    fn name(&self) -> &str {
        &self.parts.name
    }

    fn slots(&self) -> &[Slot] {
        self.slots.as_deref().unwrap_or_else(|| self.parts.prompt.slots())
    }

    fn outputs(&self) -> &[Cow<'static, str>] {
        &self.parts.output_key
    }

    async fn run(&self, variables: &Variables, context: &RunContext) -> Result<Answer, ChainError> {
        let prompt = self.format(variables, context)?;
        let kept = (!self.corrections.is_empty()).then(|| prompt.clone());
        let reply = self.parts.model.generate(prompt, self.options(context)).await;
        let reply = reply.map_err(ChainError::Model)?;
        match (self.answer(reply, context), kept) {
            (Ok(answer), _) => Ok(answer),
            (Err(failed), Some(prompt)) => {
                let (error, reply) = *failed;
                // Boxed, so that a call without corrections has no room for them.
                Box::pin(self.correct(&prompt, error, reply, context)).await
            }
            (Err(failed), None) => Err(ChainError::unparsed(failed.0, Some(failed.1))),
        }
    }

    async fn stream(
        &self,
        variables: &Variables,
        context: &RunContext,
    ) -> Result<Streaming, ChainError> {
        if self.parts.parser.is_some() && !self.corrections.is_empty() {
            // Pieces of an answer that is refused could not be taken back.
            return self
                .run(variables, context)
                .await
                .map(|answer| Streaming::Whole(Box::new(answer)));
        }
        let prompt = self.format(variables, context)?;
        self.parts
            .model
            .stream(prompt, self.options(context))
            .await
            .map(Streaming::Pieces)
            .map_err(ChainError::Model)
    }

    fn finish(&self, reply: Reply, context: &RunContext) -> Result<Answer, ChainError> {
        self.answer(reply, context).map_err(|failed| ChainError::unparsed(failed.0, Some(failed.1)))
    }

    fn restore(&self, reply: Reply, context: &RunContext) -> Option<Result<Answer, ChainError>> {
        Some(self.finish(reply, context))
    }

    fn takes_exchange(&self) -> bool {
        true
    }

    fn answering_as(&self, answer_type: &AnswerType) -> Option<Arc<dyn Chain>> {
        let is_enforced = answer_type.format.is_some() && self.parts.model.enforces_schemas();
        let parser = Some(Arc::clone(&answer_type.parser));
        let mut steps = self.clone();
        let own_input = self.own_input.as_deref();
        steps.slots = Self::slots_with(&*self.parts.prompt, parser.as_deref(), own_input);
        steps.parts.parser = parser;
        // The type's instructions replace those of the prompt, which are not for this type.
        let is_variable = provides_instructions(steps.parts.parser.as_deref())
            && self.parts.prompt.slots().iter().any(|slot| slot.name() == FORMAT_INSTRUCTIONS);
        steps.instructions_place = if is_variable {
            Place::Variable
        } else if is_enforced {
            Place::None
        } else {
            Place::Before
        };
        steps.format.clone_from(&answer_type.format);
        Some(Arc::new(steps))
    }
}

/// Returns the partial variable of a prompt that has the user's text: the memory's input key, or
/// the only variable that is not the memory's. A model that did not see it would answer something
/// else.
pub(crate) fn own_input<'p>(
    prompt: &'p dyn Prompt,
    memory: Option<&dyn Memory>,
) -> Option<&'p str> {
    let memory = memory.filter(|memory| memory.saves_turns())?;
    let given = memory.variables();
    let is_other = |slot: &&Slot| {
        slot.name() != FORMAT_INSTRUCTIONS && given.iter().all(|of| of.name() != slot.name())
    };
    let mut others = prompt.slots().iter().filter(is_other);
    let input = match memory.keys().input_key() {
        Some(key) => others.find(|slot| slot.name() == key),
        None => others.next().filter(|_| others.next().is_none()),
    };
    input.filter(|slot| slot.is_partial()).map(Slot::name)
}

fn provides_instructions(parser: Option<&dyn OutputParser>) -> bool {
    parser.is_some_and(|parser| parser.format_instructions().is_some())
}

/// Puts instructions before a text, or after the system messages at the start of a chat.
fn with_instructions(prompt: &PromptValue, instructions: &str) -> PromptValue {
    let Some(messages) = prompt.as_messages() else {
        return format!("{instructions}\n\n{prompt}").into();
    };
    let is_system = |message: &&Message| matches!(message.role(), Role::System);
    let leading = messages.iter().take_while(is_system).count();
    let mut with = messages.slice(..leading);
    with.push(Message::system(instructions));
    with.append(&messages.slice(leading..));
    with.into()
}

fn calls_tools(message: &Message) -> bool {
    !message.tool_calls().is_empty() || !message.invalid_tool_calls().is_empty()
}

fn is_cut_off(reply: &Reply) -> bool {
    reply.finish_reason.as_ref().is_some_and(FinishReason::is_token_limit)
}

/// Names the token limit, where it is the cause.
fn explain(mut error: ParseError, reply: &Reply) -> ParseError {
    if is_cut_off(reply) {
        let reason = reply.finish_reason.as_ref().map_or("", FinishReason::as_str);
        let reason = reason.to_ascii_lowercase();
        // The prompt fills the context too, so that more tokens for the answer change nothing.
        let is_context = reason.contains("context") || reason.contains("model_length");
        error.reason = match is_context {
            true => "it was cut off where the context is full; shorten the prompt",
            false => "it was cut off at the token limit; raise `max_tokens`",
        }
        .to_owned();
        error.detail = None;
    }
    error
}

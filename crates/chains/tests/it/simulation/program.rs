//! The programs under simulation: chains with a memory.

pub mod composed;

use std::sync::Arc;

use conversant_chains::{
    Chain, ChainError, ChainStream, LlmChain, LlmChainBuilder, Maintenance, Outcome,
    SequentialChain, WithMemory,
};
use conversant_core::{CallOptions, Memory, SlotKind, Ticket, Turn, Variables, async_trait, vars};
use conversant_prompts::{ChatPromptTemplate, MessageTemplate, MessagesPlaceholder};
use conversant_testkit::simulation::{Ending, Environment, SaveEnding, SimulatedCall, Subject};

use crate::support::chat_prompt;

/// A chain with a memory, and the memory of a step of it.
pub struct Program {
    chain: Callable,
    step: Option<Arc<dyn Memory>>,
}

/// The two types of chains with a memory.
enum Callable {
    Llm(LlmChain),
    Any(WithMemory<Arc<dyn Chain>>),
}

/// Calls a method of either type.
macro_rules! either {
    ($chain:expr, $it:ident => $result:expr) => {
        match $chain {
            Callable::Llm($it) => $result,
            Callable::Any($it) => $result,
        }
    };
}

/// Returns an LLM chain with the conversation in its prompt, without a memory.
pub fn llm(environment: &Environment) -> LlmChainBuilder {
    LlmChain::builder().prompt(chat_prompt()).model(environment.model())
}

/// Returns a chain whose first step has a memory of its own.
pub fn step_with_memory(
    memory: impl Memory + 'static,
    step: impl Memory + 'static,
    environment: &Environment,
) -> Program {
    let step: Arc<dyn Memory> = Arc::new(step);
    let own = llm(environment).output_key("draft").memory(Arc::clone(&step)).build().unwrap();
    let last = composed::on_draft_and_history(environment);
    let chain = SequentialChain::builder().chain(own).chain(last).build().unwrap();
    let mut program = Program::new(Arc::new(chain), memory, environment);
    program.step = Some(step);
    program
}

impl Program {
    /// Creates an LLM chain with a memory.
    pub fn llm(memory: impl Memory + 'static, environment: &Environment) -> Self {
        Self::of(llm(environment), memory)
    }

    /// Creates an LLM chain with a memory that also provides texts.
    pub fn llm_with_texts(memory: impl Memory + 'static, environment: &Environment) -> Self {
        let texts = memory.variables().iter().filter(|slot| slot.kind() == SlotKind::Text);
        let texts: String = texts.map(|slot| format!("{{{}}}", slot.name())).collect();
        let prompt = ChatPromptTemplate::from_messages((
            MessageTemplate::system(texts),
            MessagesPlaceholder::new("chat_history"),
            MessageTemplate::human("{human_input}"),
        ));
        Self::of(llm(environment).prompt(prompt.unwrap()), memory)
    }

    fn of(chain: LlmChainBuilder, memory: impl Memory + 'static) -> Self {
        let chain = chain.memory(memory).maintenance(Maintenance::Inline);
        Self { chain: Callable::Llm(chain.build().unwrap()), step: None }
    }

    /// Creates any chain with a memory.
    pub fn new(chain: Arc<dyn Chain>, memory: impl Memory + 'static, _: &Environment) -> Self {
        Self { chain: Callable::Any(WithMemory::new(chain, memory).unwrap()), step: None }
    }

    /// Returns the chain at the point of a call.
    fn at(&self, call: &SimulatedCall) -> Result<Callable, ChainError> {
        Ok(match (&self.chain, call.at) {
            (Callable::Llm(chain), None) => Callable::Llm(chain.clone()),
            (Callable::Llm(chain), Some(point)) => Callable::Llm(chain.at(point)?),
            (Callable::Any(chain), None) => Callable::Any(chain.clone()),
            (Callable::Any(chain), Some(point)) => Callable::Any(chain.at(point)?),
        })
    }

    async fn run(&self, call: SimulatedCall) -> Result<Ending, ChainError> {
        let chain = self.at(&call)?;
        let inputs = vars! { "human_input" => call.question };
        let options = CallOptions::new().with_turn_id(call.turn_id);
        if call.streamed {
            let stream = either!(&chain, it => it.stream_with(inputs, options).await)?;
            return read(stream, call.stop_after).await;
        }
        either!(&chain, it => it.invoke_with(inputs, options).await).map(answered)
    }
}

fn answered(outcome: Outcome) -> Ending {
    Ending::Answered(outcome.into_text())
}

/// Reads a stream to its end, or saves the text of its first pieces.
async fn read(mut stream: ChainStream, stop_after: Option<usize>) -> Result<Ending, ChainError> {
    let Some(pieces) = stop_after else {
        return Ok(stream.into_outcome().await?.map_or(Ending::failed(), answered));
    };
    for _ in 0..pieces {
        match stream.next().await {
            Some(piece) => drop(piece?),
            None => break,
        }
    }
    stream.save_partial().await?;
    Ok(Ending::Stopped)
}

#[async_trait]
impl Subject for Program {
    async fn call(&self, call: SimulatedCall) -> Ending {
        match self.run(call).await {
            Ok(ending) => ending,
            Err(ChainError::NothingToSave { .. }) => Ending::GivenUp,
            Err(error) => match error.not_saved() {
                Some(not_saved) => Ending::NotSaved(Box::new(not_saved.turn.clone())),
                None => Ending::Failed { answers: answers(&error) },
            },
        }
    }

    async fn save(&self, call: &SimulatedCall, turn: &Turn) -> SaveEnding {
        let ticket = Ticket::default();
        if let Some(step) = self.step.as_ref().filter(|_| turn.id() != call.turn_id) {
            return SaveEnding::of(&step.save(turn, ticket).await);
        }
        let Ok(chain) = self.at(call) else { return SaveEnding::Failed };
        let memory: &dyn Memory = match &chain {
            Callable::Llm(chain) => chain.memory().unwrap(),
            Callable::Any(chain) => chain.memory(),
        };
        SaveEnding::of(&memory.save(turn, ticket).await)
    }
}

/// Returns the answers that an error contains.
fn answers(error: &ChainError) -> Vec<String> {
    let texts = |outputs: &Variables| -> Vec<String> {
        outputs.iter().map(|(_, value)| value.to_text().into_owned()).collect()
    };
    match error {
        ChainError::Step(failed) => [texts(&failed.outputs), answers(&failed.source)].concat(),
        ChainError::Branches(failed) => {
            let others = failed.failures.iter().flat_map(|(_, error)| answers(error));
            texts(&failed.outputs).into_iter().chain(others).collect()
        }
        ChainError::Fallbacks(failed) => failed.errors.iter().flat_map(answers).collect(),
        _ => Vec::new(),
    }
}

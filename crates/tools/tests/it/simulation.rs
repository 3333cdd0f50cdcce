//! A tool loop in a chain with a memory, under seeded schedules of faults: the whole exchange is
//! one turn, or nothing. `cargo xtask simulate` runs more seeds.

use conversant_chains::{ChainError, LlmChain};
use conversant_core::{
    CallOptions, ChatHistory, Expect, HistoryError, Memory, Message, Range, SessionId, Slice,
    Ticket, Turn, Version, async_trait, vars,
};
use conversant_memory::{BufferMemory, InMemoryHistory};
use conversant_prompts::{ChatPromptTemplate, MessageTemplate, MessagesPlaceholder};
use conversant_testkit::simulation::{
    Ending, Environment, SaveEnding, SimulatedCall, SimulatedHistory, Simulation, Subject,
    run_seeds,
};
use conversant_tools::ToolLoop;

/// The seeds of an ordinary test.
const SEEDS: u64 = 1_000;

/// One conversation of a chain whose model calls a tool.
struct Conversation(LlmChain);

fn session() -> SessionId {
    SessionId::new("s").unwrap()
}

impl Conversation {
    fn open(environment: &Environment) -> Self {
        let model = ToolLoop::builder(environment.model()).tool(environment.tool());
        let memory = BufferMemory::new()
            .with_return_messages(true)
            .with_history(environment.histories()[0].clone(), session());
        Self::new(model.build().unwrap(), memory)
    }

    fn new(model: ToolLoop, memory: impl Memory + 'static) -> Self {
        let prompt = ChatPromptTemplate::from_messages((
            MessagesPlaceholder::new("history"),
            MessageTemplate::human("{question}"),
        ));
        let chain = LlmChain::builder().prompt(prompt.unwrap()).model(model).memory(memory);
        Self(chain.build().unwrap())
    }

    async fn run(&self, call: SimulatedCall) -> Result<Ending, ChainError> {
        let inputs = vars! { "question" => call.question };
        let options = CallOptions::new().with_turn_id(call.turn_id);
        if !call.streamed {
            let outcome = self.0.invoke_with(inputs, options).await?;
            return Ok(Ending::Answered(outcome.into_text()));
        }
        let mut stream = self.0.stream_with(inputs, options).await?;
        let Some(pieces) = call.stop_after else {
            let outcome = stream.into_outcome().await?;
            return Ok(outcome.map_or(Ending::failed(), |it| Ending::Answered(it.into_text())));
        };
        for _ in 0..pieces {
            if let Some(piece) = stream.next().await {
                drop(piece?);
            }
        }
        stream.save_partial().await.map(|()| Ending::Stopped)
    }
}

#[async_trait]
impl Subject for Conversation {
    async fn call(&self, call: SimulatedCall) -> Ending {
        match self.run(call).await {
            Ok(ending) => ending,
            Err(ChainError::NothingToSave { .. }) => Ending::GivenUp,
            Err(error) => match error.not_saved() {
                Some(not_saved) => Ending::NotSaved(Box::new(not_saved.turn.clone())),
                None => Ending::failed(),
            },
        }
    }

    async fn save(&self, _: &SimulatedCall, turn: &Turn) -> SaveEnding {
        SaveEnding::of(&self.0.memory().unwrap().save(turn, Ticket::default()).await)
    }
}

fn plan(simulation: Simulation) -> Simulation {
    simulation
        .with_session(InMemoryHistory::new(), session())
        .with_repeated_calls()
        .with_restored_answers()
        .with_stopped_streams()
}

#[test]
fn seeds_of_a_tool_loop() {
    let report = run_seeds(SEEDS, |seed| plan(Simulation::new(seed)).run(Conversation::open));
    let report = report.unwrap_or_else(|violation| panic!("{violation}"));
    assert!(report.answered > 0, "{report:?}");
}

/// A store that leaves the results of tool calls out.
#[test]
fn exchanges_without_results_are_found() {
    let open = |environment: &Environment| {
        let inner = environment.histories()[0].clone();
        let model = ToolLoop::builder(environment.model()).tool(environment.tool());
        let memory = BufferMemory::new().with_return_messages(true);
        let memory = memory.with_history(WithoutResults(inner), session());
        Conversation::new(model.build().unwrap(), memory)
    };
    let found = (0..200).find_map(|seed| {
        let simulation = Simulation::new(seed).with_session(InMemoryHistory::new(), session());
        simulation.run(open).err()
    });
    let violation = found.unwrap().to_string();
    assert!(violation.contains("half a turn"), "{violation}");
}

struct WithoutResults(SimulatedHistory);

#[async_trait]
impl ChatHistory for WithoutResults {
    async fn load(&self, session: &SessionId, range: Range) -> Result<Slice, HistoryError> {
        self.0.load(session, range).await
    }

    async fn append(
        &self,
        session: &SessionId,
        turn: &Turn,
        expect: Expect,
    ) -> Result<Version, HistoryError> {
        let is_result = |message: &Message| message.tool_call_id().is_some();
        let messages = turn.messages().iter().filter(|message| !is_result(message));
        let turn = Turn::new(messages.cloned().collect::<Vec<_>>()).with_id(turn.id());
        self.0.append(session, &turn, expect).await
    }

    async fn clear(&self, session: &SessionId) -> Result<(), HistoryError> {
        self.0.clear(session).await
    }
}

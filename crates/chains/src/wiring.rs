//! The check of a chain's wiring when it is built. It returns all faults at once.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
    error::Error,
    fmt,
};

use conversant_core::{Memory, PromptFault, Slot, SlotKind, TurnKeyError, nearest_hint};

use crate::hints::Hints;

/// The most chains inside of each other.
const MAX_DEPTH: usize = 64;

/// The faults of a chain that cannot be built: all of them.
///
/// # Examples
///
/// ```
/// # use conversant_chains::LlmChain;
/// # use conversant_core::{async_trait, ChatModel, ChatRequest, Message, ModelError, Reply};
/// # use conversant_memory::BufferMemory;
/// # use conversant_prompts::PromptTemplate;
/// # struct Parrot;
/// # #[async_trait]
/// # impl ChatModel for Parrot {
/// #     async fn generate(&self, _: &ChatRequest) -> Result<Reply, ModelError> {
/// #         Ok(Reply::new(Message::ai("")))
/// #     }
/// # }
/// let fault = LlmChain::builder()
///     .prompt(PromptTemplate::from_template("{history}\nHuman: {human_input}")?)
///     .model(Parrot)
///     .memory(BufferMemory::new().with_memory_key("chat_history"))
///     .build()
///     .unwrap_err();
/// assert!(fault.to_string().contains("memory variable `chat_history` is not used (nearest: `history`)"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct WiringError {
    faults: Vec<WiringFault>,
}

impl WiringError {
    pub(crate) const fn new(faults: Vec<WiringFault>) -> Self {
        Self { faults }
    }

    /// Returns the faults, at least one.
    #[must_use]
    pub fn faults(&self) -> &[WiringFault] {
        &self.faults
    }
}

impl fmt::Display for WiringError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cannot build the chain:")?;
        match self.faults.as_slice() {
            [fault] => write!(f, " {fault}"),
            faults => faults.iter().try_for_each(|fault| write!(f, "\n- {fault}")),
        }
    }
}

impl Error for WiringError {}

conversant_core::debug_as_report!(WiringError);

/// One fault of a chain's wiring.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WiringFault {
    /// The chain has no prompt.
    #[error("no prompt is set; call `prompt`")]
    NoPrompt,
    /// The chain has no model.
    #[error("no model is set; call `model`")]
    NoModel,
    /// A variable has a reserved name.
    #[error("the name `{name}` is reserved; rename the variable")]
    Reserved {
        /// The name.
        name: String,
    },
    /// The memory provides a variable that the prompt does not use, so the model would not see the
    /// conversation.
    #[error("memory variable `{name}` is not used{}", hint_or_allow(nearest.as_deref()))]
    UnusedMemory {
        /// The variable.
        name: String,
        /// The nearest of the prompt's variables.
        nearest: Option<String>,
    },
    /// The memory provides text where the prompt takes messages.
    #[error(
        "memory variable `{name}` is text, and the prompt's placeholder takes messages; set the memory to return messages"
    )]
    TextForMessages {
        /// The variable.
        name: String,
    },
    /// A fault of the prompt itself, or of how it uses what the memory provides.
    #[error("{0}")]
    Prompt(PromptFault),
    /// Two sources provide the same variable.
    #[error("variable `{name}` is provided twice: by {first} and by {second}")]
    TwoSources {
        /// The variable.
        name: String,
        /// One source.
        first: &'static str,
        /// The other.
        second: &'static str,
    },
    /// The input with the user's text, or the output with the answer, cannot be inferred.
    #[error("{0}")]
    Key(TurnKeyError),
    /// The prompt needs a variable that neither the memory nor a declared input provides.
    #[error(
        "no input or memory provides prompt variable `{name}`{}",
        nearest_hint(nearest.as_deref())
    )]
    NotGiven {
        /// The variable.
        name: String,
        /// The nearest of the names that are provided.
        nearest: Option<String>,
    },
    /// The chain has no steps, branches or destinations.
    #[error("no {parts} are set; call `{method}`")]
    NoParts {
        /// The noun of the parts.
        parts: &'static str,
        /// The method that adds one.
        method: &'static str,
    },
    /// A required part is missing.
    #[error("no {part} is set; call `{method}`")]
    NoPart {
        /// The noun of the part.
        part: &'static str,
        /// The method that sets it.
        method: &'static str,
    },
    /// A step needs a variable that is neither given nor made by an earlier step.
    #[error(
        "no input, memory or earlier step provides `{name}` for step {} (`{chain}`){}",
        step + 1, nearest_hint(nearest.as_deref())
    )]
    StepNotGiven {
        /// The variable.
        name: String,
        /// The step's index, from 0.
        step: usize,
        /// The name of the step's chain.
        chain: String,
        /// The nearest of the names that are provided.
        nearest: Option<String>,
    },
    /// A step makes an output whose name is taken.
    #[error("output `{name}` of step {} (`{chain}`) is already provided by {by}", step + 1)]
    TakenOutput {
        /// The output.
        name: String,
        /// The step's index, from 0.
        step: usize,
        /// The name of the step's chain.
        chain: String,
        /// The source that has the name.
        by: String,
    },
    /// An output of the whole chain is not provided.
    #[error(
        "no input, memory or step provides output `{name}`{}",
        nearest_hint(nearest.as_deref())
    )]
    UnknownOutput {
        /// The output.
        name: String,
        /// The nearest of the names that are provided.
        nearest: Option<String>,
    },
    /// A part does not have exactly one input or one output.
    #[error("{part} needs exactly one {noun}, but has {}", list(found))]
    NotOne {
        /// The part.
        part: String,
        /// `input` or `output`.
        noun: &'static str,
        /// The names that it has.
        found: Vec<String>,
    },
    /// Two parts that replace each other have different outputs.
    #[error("{part} makes {}, but {other} makes {}", list(found), list(expected))]
    OtherOutputs {
        /// The part.
        part: String,
        /// Its outputs.
        found: Vec<String>,
        /// The first part.
        other: String,
        /// The first part's outputs.
        expected: Vec<String>,
    },
    /// More chains are inside of each other than a call has room for.
    #[error("{depth} chains are inside of each other; the limit is {limit}")]
    TooDeep {
        /// The number of chains inside of each other.
        depth: usize,
        /// The limit.
        limit: usize,
    },
    /// Two parts have the same name.
    #[error("the name `{name}` is given to two {parts}")]
    TwoParts {
        /// The name.
        name: String,
        /// The noun of the parts.
        parts: &'static str,
    },
    /// A router offers a destination that is not set.
    #[error(
        "the router offers destination `{name}`, which is not set{}",
        nearest_hint(nearest.as_deref())
    )]
    NoDestination {
        /// The destination.
        name: String,
        /// The nearest of the destinations.
        nearest: Option<String>,
    },
    /// A destination has a name that its router never chooses: an empty one or, of a model's
    /// choice, the name of the default chain or one with white space around it.
    #[error("the router never chooses destination `{name}`; rename it")]
    NeverChosen {
        /// The destination.
        name: String,
    },
    /// A declared input is not used.
    #[error("input `{name}` is not used{}", hint_or_allow(nearest.as_deref()))]
    UnusedInput {
        /// The input.
        name: String,
        /// The nearest of the names that are needed.
        nearest: Option<String>,
    },
}

impl WiringFault {
    /// Returns the fault of a chain that is too deep.
    pub(crate) const fn of_depth(depth: usize) -> Option<Self> {
        if depth <= MAX_DEPTH {
            return None;
        }
        Some(Self::TooDeep { depth, limit: MAX_DEPTH })
    }

    fn nearest_to_memory(&self) -> Option<String> {
        match self {
            Self::UnusedMemory { nearest, .. } => nearest.clone(),
            _ => None,
        }
    }
}

/// Returns the nearest name or, without one, the remedy for a variable that is not used.
fn hint_or_allow(nearest: Option<&str>) -> String {
    match nearest {
        Some(_) => nearest_hint(nearest),
        None => "; use it in a prompt, or call `allow_unused`".to_owned(),
    }
}

fn list(names: &[String]) -> String {
    if names.is_empty() {
        return "none".to_owned();
    }
    let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

/// The parts that are wired together.
pub(crate) struct Wiring<'w> {
    pub(crate) slots: &'w [Slot],
    pub(crate) outputs: &'w [Cow<'static, str>],
    pub(crate) memory: Option<&'w dyn Memory>,
    /// The inputs, where they are declared.
    pub(crate) declared: Option<&'w [String]>,
    /// The inputs and variables of the memory that may be unused.
    pub(crate) allow_unused: &'w [String],
}

/// The names of the parts, for lookup.
struct Names<'w> {
    slots: HashMap<&'w str, &'w Slot>,
    memory: HashSet<&'w str>,
    allow_unused: HashSet<&'w str>,
}

/// The names of the variables that make up a turn.
#[derive(Debug, Clone, Default)]
pub(crate) struct TurnNames {
    pub(crate) input: Option<String>,
    pub(crate) output: Option<String>,
}

impl Wiring<'_> {
    /// Checks the wiring and returns the names of the turns. The error has `faults` first.
    pub(crate) fn check(&self, mut faults: Vec<WiringFault>) -> Result<TurnNames, WiringError> {
        let (names, hints) = (self.names(), Hints::default());
        let memory = self.memory_to_prompt(&names, &hints);
        let inputs = self.declared_inputs(&names, &hints);
        let found = self.reserved().into_iter().chain(memory).chain(inputs);
        let mut known: HashSet<_> = faults.iter().map(ToString::to_string).collect();
        faults.extend(found.filter(|fault| known.insert(fault.to_string())));
        let names = self.turn_names(&names, &mut faults);
        if faults.is_empty() { Ok(names) } else { Err(WiringError { faults }) }
    }

    fn names(&self) -> Names<'_> {
        Names {
            slots: self.slots.iter().rev().map(|slot| (slot.name(), slot)).collect(),
            memory: self.memory_slots().iter().map(Slot::name).collect(),
            allow_unused: self.allow_unused.iter().map(String::as_str).collect(),
        }
    }

    fn memory_slots(&self) -> &[Slot] {
        self.memory.map_or(&[], Memory::variables)
    }

    fn slot_names(&self) -> impl Iterator<Item = &str> {
        self.slots.iter().map(Slot::name)
    }

    fn reserved(&self) -> Option<WiringFault> {
        let outputs = self.outputs.iter().map(AsRef::as_ref);
        let name = self.slot_names().chain(outputs).find(|name| *name == "stop")?;
        Some(WiringFault::Reserved { name: name.to_owned() })
    }

    fn memory_to_prompt(&self, names: &Names<'_>, hints: &Hints) -> Vec<WiringFault> {
        let mut faults = Vec::new();
        let mut earlier = HashSet::new();
        for given in self.memory_slots() {
            let name = || given.name().to_owned();
            if !earlier.insert(given.name()) {
                let (first, second) = ("one memory", "another");
                faults.push(WiringFault::TwoSources { name: name(), first, second });
                continue;
            }
            match names.slots.get(given.name()) {
                Some(slot)
                    if slot.kind() == SlotKind::Messages && given.kind() == SlotKind::Text =>
                {
                    faults.push(WiringFault::TextForMessages { name: name() });
                }
                Some(_) => {}
                None if names.allow_unused.contains(given.name()) => {}
                None => {
                    let nearest = hints.nearest(given.name(), self.slot_names());
                    faults.push(WiringFault::UnusedMemory { name: name(), nearest });
                }
            }
        }
        faults
    }

    fn declared_inputs(&self, names: &Names<'_>, hints: &Hints) -> Vec<WiringFault> {
        let Some(declared) = self.declared else { return Vec::new() };
        let mut faults = Vec::new();
        let is_declared: HashSet<_> = declared.iter().map(String::as_str).collect();
        for slot in self.slots.iter().filter(|slot| slot.is_required()) {
            if !is_declared.contains(slot.name()) && !names.memory.contains(slot.name()) {
                let given = declared
                    .iter()
                    .map(String::as_str)
                    .chain(self.memory_slots().iter().map(Slot::name));
                let nearest = hints.nearest(slot.name(), given);
                faults.push(WiringFault::NotGiven { name: slot.name().to_owned(), nearest });
            }
        }
        let input_key = self.memory.and_then(|memory| memory.keys().input_key());
        let mut earlier = HashSet::new();
        for name in declared.iter().filter(|name| earlier.insert(name.as_str())) {
            if names.memory.contains(name.as_str()) {
                let (first, second) = ("the memory", "the caller");
                faults.push(WiringFault::TwoSources { name: name.clone(), first, second });
            } else if !names.slots.contains_key(name.as_str())
                && input_key != Some(name)
                && !names.allow_unused.contains(name.as_str())
            {
                let nearest = hints.nearest(name, self.slot_names());
                faults.push(WiringFault::UnusedInput { name: name.clone(), nearest });
            }
        }
        faults
    }

    /// Infers the input with the user's text and the output with the answer. Inputs that are not
    /// declared are those of the prompt; optional ones and messages count only if there are no
    /// others.
    fn turn_names(&self, names: &Names<'_>, faults: &mut Vec<WiringFault>) -> TurnNames {
        let Some(memory) = self.memory.filter(|memory| memory.saves_turns()) else {
            return TurnNames::default();
        };
        let keys = memory.keys();
        // A variable that was probably meant to be the memory's is not an input of the caller.
        let meant: HashSet<String> =
            faults.iter().filter_map(WiringFault::nearest_to_memory).collect();
        let of_caller =
            |slot: &&Slot| !names.memory.contains(slot.name()) && !meant.contains(slot.name());
        let mut inputs: Vec<&str> = match self.declared {
            Some(declared) => declared.iter().map(String::as_str).collect(),
            None => self.slots.iter().filter(of_caller).map(Slot::name).collect(),
        };
        if keys.input_key().is_none() {
            let is_likely = |name: &&str| {
                let slot = names.slots.get(name);
                slot.is_some_and(|slot| slot.is_required() && slot.kind() == SlotKind::Text)
            };
            let likely: Vec<_> = inputs.iter().copied().filter(is_likely).collect();
            if !likely.is_empty() {
                inputs = likely;
            }
        }
        let input = keys.input_name(inputs, memory.variables());
        let output = keys.output_name(self.outputs.iter().map(AsRef::as_ref));
        let mut known = |name: Result<&str, TurnKeyError>| match name {
            Ok(name) => Some(name.to_owned()),
            Err(error) => {
                faults.push(WiringFault::Key(error));
                None
            }
        };
        TurnNames { input: known(input), output: known(output) }
    }
}

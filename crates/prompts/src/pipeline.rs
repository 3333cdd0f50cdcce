//! Pipeline prompts: what one prompt gives is a variable of the next.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
    fmt,
    sync::{Arc, OnceLock},
};

use conversant_core::{
    Prompt, PromptError, PromptFault, PromptValue, Slot, SlotKind, Value, Variables, nearest,
    prompt_inputs,
};

use crate::slot_set::SlotSet;

/// The most parts that are not used for which the nearest name is searched: 20.
const MAX_HINTS: usize = 20;

/// A sequence of prompts. Each gets the variables of the call and the results of the previous
/// prompts.
///
/// A part that gives text is a text variable, one that gives messages a variable of messages. The
/// partial variables of a prompt are its own: neither the call nor another part replaces them.
///
/// # Examples
///
/// ```
/// use conversant_core::{Prompt, vars};
/// use conversant_prompts::{PipelinePromptTemplate, PromptTemplate};
///
/// let prompt = PipelinePromptTemplate::new(PromptTemplate::from_template("{introduction}\n\n{start}")?)
///     .with_part("introduction", PromptTemplate::from_template("You are {person}.")?)
///     .with_part("start", PromptTemplate::from_template("Q: {question}\nA:")?);
/// assert_eq!(prompt.input_variables(), ["person", "question"]);
/// assert_eq!(
///     prompt.format(&vars! { "person" => "Ada", "question" => "Who?" })?.to_string(),
///     "You are Ada.\n\nQ: Who?\nA:",
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct PipelinePromptTemplate {
    parts: Vec<(Cow<'static, str>, Arc<dyn Prompt>)>,
    last: Arc<dyn Prompt>,
    /// Collected on first use, so that adding a part does not visit all others.
    slots: OnceLock<SlotSet>,
}

impl PipelinePromptTemplate {
    /// Creates a pipeline of one prompt, the last one, which gives the result.
    #[must_use]
    pub fn new(last: impl Prompt + 'static) -> Self {
        Self { parts: Vec::new(), last: Arc::new(last), slots: OnceLock::new() }
    }

    /// Adds a prompt behind the other parts and before the last one; `name` is the variable that it
    /// gives.
    #[must_use]
    pub fn with_part(
        mut self,
        name: impl Into<Cow<'static, str>>,
        prompt: impl Prompt + 'static,
    ) -> Self {
        self.parts.push((name.into(), Arc::new(prompt)));
        self.slots = OnceLock::new();
        self
    }

    /// Returns the names of the variables that a call must give, sorted; what a part gives is not
    /// among them.
    #[must_use]
    pub fn input_variables(&self) -> Vec<&str> {
        self.slot_set().required()
    }

    /// Finds the parts that no prompt after them uses, while a call must give a variable of nearly
    /// their name.
    fn unused_parts(&self) -> Vec<PromptFault> {
        let mut last_uses: HashMap<&str, usize> = HashMap::new();
        let prompts = self.parts.iter().map(|(_, prompt)| prompt).chain([&self.last]);
        for (index, prompt) in prompts.enumerate() {
            let used = prompt.slots().iter().filter(|slot| !slot.is_partial());
            last_uses.extend(used.map(|slot| (slot.name(), index)));
        }
        let is_unused = |index: usize, name: &str| {
            last_uses.get(name).is_none_or(|last_use| *last_use <= index)
        };
        let parts = self.parts.iter().enumerate();
        let unused = parts.filter(|(index, (name, _))| is_unused(*index, name)).take(MAX_HINTS);
        let faults = unused.filter_map(|(_, (name, _))| {
            let nearest = nearest(name, self.slot_set().required())?.to_owned();
            Some(PromptFault::UnusedPart { name: name.to_string(), nearest })
        });
        faults.collect()
    }

    /// Returns the slots of all prompts, without the names that earlier parts provide.
    fn slot_set(&self) -> &SlotSet {
        self.slots.get_or_init(|| {
            let mut slots = SlotSet::default();
            let mut provided = HashSet::new();
            let parts = self.parts.iter().map(|(name, prompt)| (Some(name), prompt));
            for (name, prompt) in parts.chain([(None, &self.last)]) {
                for slot in prompt.slots() {
                    if !provided.contains(slot.name()) && !slot.is_partial() {
                        slots.add(slot);
                    }
                }
                provided.extend(name.map(|name| &**name));
            }
            slots
        })
    }
}

impl Prompt for PipelinePromptTemplate {
    fn slots(&self) -> &[Slot] {
        self.slot_set().as_slice()
    }

    fn format(&self, variables: &Variables) -> Result<PromptValue, PromptError> {
        PromptError::check_missing(self.slots(), variables)?;
        let mut variables = variables.clone();
        for (name, prompt) in &self.parts {
            let value = match prompt.format(&prompt_inputs(prompt.slots(), &variables))? {
                PromptValue::Messages(messages) => Value::from(messages),
                text => Value::from(text.into_text()),
            };
            variables.insert(name.clone(), value);
        }
        self.last.format(&prompt_inputs(self.last.slots(), &variables))
    }

    fn gives(&self) -> Option<SlotKind> {
        self.last.gives()
    }

    fn faults(&self, given: &[Slot]) -> Vec<PromptFault> {
        let mut faults = self.unused_parts();
        let mut known = given.to_vec();
        for (name, prompt) in &self.parts {
            faults.extend(prompt.faults(&known).into_iter().map(|fault| PromptFault::InPart {
                part: name.to_string(),
                fault: Box::new(fault),
            }));
            known.retain(|slot| slot.name() != name);
            known.extend(prompt.gives().map(|kind| match kind {
                SlotKind::Messages => Slot::messages(name.clone()),
                _ => Slot::text(name.clone()),
            }));
        }
        faults.extend(self.last.faults(&known));
        faults
    }
}

impl fmt::Debug for PipelinePromptTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<_> = self.parts.iter().map(|(name, _)| name).collect();
        f.debug_struct("PipelinePromptTemplate")
            .field("parts", &parts)
            .field("slots", &self.slot_set().as_slice())
            .finish()
    }
}

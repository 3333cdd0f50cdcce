//! The names of a sequence: its inputs, and the faults between its steps.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
    fmt,
    sync::Arc,
};

use conversant_core::Slot;

use super::parts::MergedSlots;
use crate::{chain::Chain, hints::Hints, wiring::WiringFault};

/// The parts of a sequence, before it is built.
pub(super) struct Sequence<'s> {
    pub(super) chains: &'s [Arc<dyn Chain>],
    /// The inputs, where they are declared.
    pub(super) declared: Option<&'s [String]>,
    pub(super) memory: &'s [Slot],
    /// The name of the memory's input, if it is configured.
    pub(super) input_key: Option<&'s str>,
    pub(super) allow_unused: &'s [String],
    pub(super) outputs: &'s Outputs,
}

/// The outputs of a sequence.
#[derive(Clone, Default)]
pub(super) enum Outputs {
    /// Those of the last step.
    #[default]
    Last,
    /// Those of the last step, then all others that are not inputs.
    All,
    /// Named ones.
    Named(Vec<Cow<'static, str>>),
}

/// The names of a sequence, and its faults.
#[derive(Default)]
pub(super) struct Names {
    pub(super) slots: MergedSlots,
    pub(super) outputs: Vec<Cow<'static, str>>,
    pub(super) faults: Vec<WiringFault>,
    /// The names that are provided, in order.
    known: Vec<String>,
    sources: HashMap<String, Source>,
    hints: Hints,
}

/// The source of a variable. Steps are counted from 0.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    Input,
    /// An input that is not declared, but that a step needs.
    InputOf(usize),
    Memory,
    Step(usize),
}

impl Source {
    const fn is_step(self) -> bool {
        matches!(self, Self::Step(_))
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Input => f.write_str("an input"),
            Self::InputOf(step) => write!(f, "the input that step {} needs", step + 1),
            Self::Memory => f.write_str("the memory"),
            Self::Step(step) => write!(f, "step {}", step + 1),
        }
    }
}

impl Sequence<'_> {
    /// Collects the names and all faults, in the order of the steps.
    pub(super) fn check(&self) -> Names {
        let mut names = Names::default();
        if self.chains.is_empty() {
            let (parts, method) = ("steps", "chain");
            names.faults.push(WiringFault::NoParts { parts, method });
        }
        let from_memory: HashSet<_> = self.memory.iter().map(Slot::name).collect();
        for name in self.declared.unwrap_or_default() {
            if from_memory.contains(name.as_str()) {
                let (name, first, second) = (name.clone(), "the memory", "the caller");
                names.faults.push(WiringFault::TwoSources { name, first, second });
            }
            names.provide(name, Source::Input);
        }
        for slot in self.memory {
            names.provide(slot.name(), Source::Memory);
        }
        for (step, chain) in self.chains.iter().enumerate() {
            for slot in chain.slots() {
                self.take_input(&mut names, step, &**chain, slot);
            }
            for output in chain.outputs() {
                if let Some(by) = names.source_of(output) {
                    let (name, chain) = (output.clone().into_owned(), chain.name().to_owned());
                    let by = by.to_string();
                    names.faults.push(WiringFault::TakenOutput { name, step, chain, by });
                } else {
                    names.provide(output, Source::Step(step));
                }
            }
        }
        self.take_outputs(&mut names);
        self.check_unused(&mut names);
        names
    }

    /// Takes a variable of a step: from an earlier step, the memory or the caller.
    fn take_input(&self, names: &mut Names, step: usize, chain: &dyn Chain, slot: &Slot) {
        let name = slot.name();
        match names.source_of(name) {
            Some(Source::Step(_)) => {}
            None if self.declared.is_none() => {
                names.provide(name, Source::InputOf(step));
                names.need(slot);
            }
            None if slot.is_required() => {
                let nearest = names.nearest(name);
                let (name, chain) = (name.to_owned(), chain.name().to_owned());
                names.faults.push(WiringFault::StepNotGiven { name, step, chain, nearest });
            }
            Some(_) | None => names.need(slot),
        }
    }

    fn take_outputs(&self, names: &mut Names) {
        let last = self.chains.last().map_or(&[][..], |chain| chain.outputs());
        names.outputs = match self.outputs {
            Outputs::Last => last.to_vec(),
            Outputs::All => {
                let is_input = |by| matches!(by, Source::Input | Source::InputOf(_));
                let is_last: HashSet<&str> = last.iter().map(AsRef::as_ref).collect();
                let others = names.known.iter().filter(|name| {
                    !names.source_of(name).is_some_and(is_input) && !is_last.contains(name.as_str())
                });
                let others = others.map(|name| Cow::Owned(name.clone()));
                last.iter().cloned().chain(others).collect()
            }
            Outputs::Named(outputs) => {
                let mut named = HashSet::new();
                outputs.iter().filter(|name| named.insert(*name)).cloned().collect()
            }
        };
        for name in names.outputs.clone() {
            match names.source_of(&name) {
                Some(by) if by.is_step() => {}
                Some(_) => names.need(&Slot::text(name).optional()),
                None => {
                    let nearest = names.nearest(&name);
                    let name = name.into_owned();
                    names.faults.push(WiringFault::UnknownOutput { name, nearest });
                }
            }
        }
    }

    /// Checks that each declared input is used, and makes it required.
    fn check_unused(&self, names: &mut Names) {
        let allow_unused: HashSet<_> = self.allow_unused.iter().collect();
        for name in self.declared.unwrap_or_default() {
            let is_used = names.slots.contains(name)
                || self.input_key == Some(name)
                || allow_unused.contains(name);
            if !is_used {
                let needed = self.chains.iter().flat_map(|chain| chain.slots()).map(Slot::name);
                let nearest = names.hints.nearest(name, needed);
                names.faults.push(WiringFault::UnusedInput { name: name.clone(), nearest });
            }
            names.need(&Slot::text(name.clone()));
        }
    }
}

impl Names {
    fn provide(&mut self, name: &str, by: Source) {
        if self.source_of(name).is_none() {
            self.known.push(name.to_owned());
            self.sources.insert(name.to_owned(), by);
        }
    }

    fn source_of(&self, name: &str) -> Option<Source> {
        self.sources.get(name).copied()
    }

    fn nearest(&self, name: &str) -> Option<String> {
        self.hints.nearest(name, self.known.iter().map(String::as_str))
    }

    /// Adds a slot, or makes the one of this name as strict as both.
    fn need(&mut self, slot: &Slot) {
        self.slots.add(slot);
    }
}

//! The names of a sequence: its inputs, and the faults between its steps.

use std::{borrow::Cow, fmt, sync::Arc};

use conversant_core::{Slot, nearest};

use super::parts::merge;
use crate::{chain::Chain, wiring::WiringFault};

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
    pub(super) slots: Vec<Slot>,
    pub(super) outputs: Vec<Cow<'static, str>>,
    pub(super) faults: Vec<WiringFault>,
    /// The names that are provided, and their sources.
    known: Vec<(String, Source)>,
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
        for name in self.declared.unwrap_or_default() {
            if self.is_from_memory(name) {
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

    fn is_from_memory(&self, name: &str) -> bool {
        self.memory.iter().any(|slot| slot.name() == name)
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
                let known = names.known.iter().map(|(name, _)| name.as_str());
                let nearest = nearest(name, known).map(str::to_owned);
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
                let others = names.known.iter().filter(|(name, by)| {
                    !is_input(*by) && last.iter().all(|output| output != name.as_str())
                });
                let others = others.map(|(name, _)| Cow::Owned(name.clone()));
                last.iter().cloned().chain(others).collect()
            }
            Outputs::Named(outputs) => {
                let mut named: Vec<Cow<'static, str>> = Vec::with_capacity(outputs.len());
                for name in outputs {
                    if !named.contains(name) {
                        named.push(name.clone());
                    }
                }
                named
            }
        };
        for name in names.outputs.clone() {
            match names.source_of(&name) {
                Some(by) if by.is_step() => {}
                Some(_) => names.need(&Slot::text(name).optional()),
                None => {
                    let known = names.known.iter().map(|(name, _)| name.as_str());
                    let nearest = nearest(&name, known).map(str::to_owned);
                    let name = name.into_owned();
                    names.faults.push(WiringFault::UnknownOutput { name, nearest });
                }
            }
        }
    }

    /// Checks that each declared input is used, and makes it required.
    fn check_unused(&self, names: &mut Names) {
        for name in self.declared.unwrap_or_default() {
            let is_used = names.slots.iter().any(|slot| slot.name() == name)
                || self.input_key == Some(name)
                || self.allow_unused.contains(name);
            if !is_used {
                let needed = self.chains.iter().flat_map(|chain| chain.slots()).map(Slot::name);
                let nearest = nearest(name, needed).map(str::to_owned);
                names.faults.push(WiringFault::UnusedInput { name: name.clone(), nearest });
            }
            names.need(&Slot::text(name.clone()));
        }
    }
}

impl Names {
    fn provide(&mut self, name: &str, by: Source) {
        if self.source_of(name).is_none() {
            self.known.push((name.to_owned(), by));
        }
    }

    fn source_of(&self, name: &str) -> Option<Source> {
        self.known.iter().find(|(known, _)| known == name).map(|(_, by)| *by)
    }

    /// Adds a slot, or makes the one of this name as strict as both.
    fn need(&mut self, slot: &Slot) {
        merge(&mut self.slots, slot);
    }
}

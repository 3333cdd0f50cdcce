//! The faults of a prompt that are known when a chain is built.

use conversant_core::{Memory, Prompt, PromptFault, Slot, SlotKind};

use crate::{prompt_model_steps::own_input, settings::Settings, wiring::WiringFault};

/// Returns the faults of a prompt in a chain of these settings.
pub(crate) fn prompt_faults(prompt: &dyn Prompt, settings: &Settings) -> Vec<WiringFault> {
    let memory = settings.memory.as_deref();
    let variables = memory.map_or(&[][..], Memory::variables);
    // Another variable may be a text or a number.
    let is_certain = |slot: &&Slot| {
        let gives_text = |memory: &dyn Memory| memory.gives_text(slot.name());
        slot.kind() == SlotKind::Messages || memory.is_some_and(gives_text)
    };
    let given: Vec<_> = variables.iter().filter(is_certain).cloned().collect();
    let own_input = own_input(prompt, memory);
    let is_allowed = |fault: &PromptFault| match fault {
        PromptFault::UnusedPart { name, nearest } => {
            let is_declared = settings.inputs.iter().flatten().any(|input| input == nearest);
            let is_provided = variables.iter().any(|slot| slot.name() == nearest);
            is_declared || is_provided || settings.allow_unused.contains(name)
        }
        // The memory's text is a fault of the wiring.
        PromptFault::TextForMessages { name } => variables.iter().any(|slot| slot.name() == name),
        // The caller gives another value.
        fault => own_input == Some(fault.name()),
    };
    let faults = prompt.faults(&given).into_iter();
    faults.filter(|fault| !is_allowed(fault)).map(WiringFault::Prompt).collect()
}

//! Tests of the notebook through the `Memory` trait.

#![allow(clippy::unwrap_used, missing_docs)]

use conversant_core::{LoadContext, Memory, Slot, Ticket, Turn, vars};
use conversant_testkit::{block_on, suite};
use custom_memory::Notebook;

fn notes(memory: &dyn Memory) -> String {
    let inputs = vars! { "human_input" => "What did I say?" };
    let loaded = block_on(memory.load(LoadContext::new(&inputs))).unwrap();
    assert!(loaded.variables.names().eq(memory.variables().iter().map(Slot::name)));
    loaded.variables.get("notes").unwrap().to_text().into_owned()
}

fn save(memory: &dyn Memory, turn: &Turn) {
    block_on(memory.save(turn, Ticket::default())).unwrap();
}

#[test]
fn notes_what_the_user_asks_for_and_nothing_else() {
    let memory = Notebook::default();
    assert_eq!(notes(&memory), "");
    for (question, answer) in [
        ("Remember: the cat is called Mia.", "I will."),
        ("What do you remember?", "Remember: this is the answer, not a note."),
        ("Remember: {notes} in braces stay as they are.", "Noted."),
    ] {
        save(&memory, &Turn::exchange(question, answer));
    }
    assert_eq!(notes(&memory), "the cat is called Mia.\n{notes} in braces stay as they are.");
}

#[test]
fn saving_a_turn_again_changes_nothing() {
    let memory = Notebook::default();
    let first = Turn::exchange("Remember: one.", "Yes.");
    save(&memory, &first);
    save(&memory, &Turn::exchange("Remember: two.", "Yes."));
    save(&memory, &first);
    assert_eq!(notes(&memory), "one.\ntwo.");
}

#[test]
fn clearing_forgets_everything() {
    let memory = Notebook::default();
    save(&memory, &Turn::exchange("Remember: one.", "Yes."));
    block_on(memory.clear()).unwrap();
    assert_eq!(notes(&memory), "");
}

#[test]
fn keeps_the_contract_of_a_memory() {
    block_on(suite::memory(Notebook::default)).unwrap();
}

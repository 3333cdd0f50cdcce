//! Keeps two conversations on the shelf and shows them.

use std::error::Error;

use conversant_core::{ChatHistory, Expect, Range, SessionId, Turn};
use custom_history::Shelf;
use pollster::block_on;

#[allow(clippy::print_stdout, reason = "an example shows what it does")]
fn main() -> Result<(), Box<dyn Error>> {
    let shelf = Shelf::default();
    let sessions = [SessionId::new("ada")?, SessionId::new("grace")?];
    for session in &sessions {
        let turn = Turn::exchange(format!("My name is {session}."), format!("Hi {session}!"));
        block_on(shelf.append(session, &turn, Expect::Any))?;
    }
    for session in &sessions {
        let slice = block_on(shelf.load(session, Range::LastTurns(1)))?;
        println!("{}\n", slice.messages);
    }
    Ok(())
}

//! A custom memory: a notebook of what the user asked to be remembered.

use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use conversant_core::{
    LoadContext, Loaded, Memory, MemoryError, Role, Saved, Slot, Ticket, Turn, async_trait, vars,
};

static VARIABLES: LazyLock<[Slot; 1]> = LazyLock::new(|| [Slot::text("notes")]);

/// Notes each text of the user that begins with `Remember: `, and shows the notes to a prompt as
/// the text `notes`.
#[derive(Debug, Default)]
pub struct Notebook(Mutex<Vec<String>>);

impl Notebook {
    fn notes(&self) -> MutexGuard<'_, Vec<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Memory for Notebook {
    fn variables(&self) -> &[Slot] {
        &*VARIABLES
    }

    async fn load(&self, _: LoadContext<'_>) -> Result<Loaded, MemoryError> {
        Ok(Loaded::new(vars! { "notes" => self.notes().join("\n") }))
    }

    async fn save(&self, turn: &Turn, _: Ticket) -> Result<Saved, MemoryError> {
        let mut notes = self.notes();
        for said in turn.messages().iter().filter(|message| *message.role() == Role::Human) {
            if let Some(note) = said.text().strip_prefix("Remember: ")
                && !notes.iter().any(|known| known == note)
            {
                notes.push(note.to_owned()); // a turn may be saved twice
            }
        }
        Ok(Saved::default())
    }

    async fn clear(&self) -> Result<(), MemoryError> {
        self.notes().clear();
        Ok(())
    }
}

//! The default prompts: literal text with variables.

use conversant_core::{Prompt, PromptError, PromptValue, Slot, Variables};

/// A prompt of literal pieces.
pub(crate) struct StaticPrompt {
    pieces: &'static [Piece],
    slots: Vec<Slot>,
}

pub(crate) enum Piece {
    Text(&'static str),
    Variable(&'static str),
}

impl StaticPrompt {
    pub(crate) fn new(pieces: &'static [Piece]) -> Self {
        let mut slots: Vec<Slot> = Vec::new();
        for piece in pieces {
            if let Piece::Variable(name) = piece
                && slots.iter().all(|slot| slot.name() != *name)
            {
                slots.push(Slot::text(*name));
            }
        }
        Self { pieces, slots }
    }
}

impl Prompt for StaticPrompt {
    fn slots(&self) -> &[Slot] {
        &self.slots
    }

    fn format(&self, variables: &Variables) -> Result<PromptValue, PromptError> {
        PromptError::check_missing(&self.slots, variables)?;
        let mut text = String::new();
        for piece in self.pieces {
            match piece {
                Piece::Text(literal) => text.push_str(literal),
                Piece::Variable(name) => {
                    text.push_str(
                        &variables.get(name).map(|value| value.to_text()).unwrap_or_default(),
                    );
                }
            }
        }
        Ok(text.into())
    }
}

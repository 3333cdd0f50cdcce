//! The end of a conversation that a token buffer keeps at hand.

use conversant_core::{Messages, Slice, Version};

use crate::{
    Trim,
    budget::{Budget, fitting},
    read::{News, news},
    turns,
};

/// The end of a conversation, and the system messages that the conversation opens with.
#[derive(Clone)]
pub(super) struct Kept {
    pub(super) opening: Messages,
    /// What comes after the opening, or the end of it.
    pub(super) body: Messages,
    version: Version,
    /// Whether the body is all that comes after the opening.
    is_whole: bool,
    trim: Trim,
}

impl Kept {
    /// Keeps a conversation that was read from its start.
    pub(super) fn whole(slice: &Slice, trim: Trim) -> Self {
        let opening = match trim {
            Trim::Turns => turns::opening(&slice.messages),
            Trim::LangChain => 0,
        };
        Self {
            opening: slice.messages.slice(..opening),
            body: slice.messages.slice(opening..),
            version: slice.version,
            is_whole: true,
            trim,
        }
    }

    /// Keeps the end of a conversation that opens with these system messages.
    pub(super) fn end(slice: Slice, opening: Messages, trim: Trim) -> Self {
        let Slice { messages, version, .. } = slice;
        Self { opening, body: messages, version, is_whole: false, trim }
    }

    /// Returns whether something after the opening was let go of.
    pub(super) const fn is_cut(&self) -> bool {
        !self.is_whole
    }

    pub(super) const fn version(&self) -> Version {
        self.version
    }

    /// Adds what was read after `asked`; `None` if the two don't meet.
    pub(super) fn take_in(mut self, asked: Version, slice: &Slice) -> Option<Self> {
        match news(self.version, asked, slice) {
            News::More(known) if known == slice.messages.len() => {}
            News::More(known) if self.body.is_empty() && self.is_whole => {
                // The opening may go on.
                let mut all = self.opening;
                all.append(&slice.messages.slice(known..));
                return Some(Self::whole(&Slice::new(all, slice.version), self.trim));
            }
            News::More(known) => {
                self.body.extend(slice.messages.iter_shared().skip(known).cloned());
                self.version = slice.version;
            }
            News::Restart(all) => {
                return Some(Self::whole(&Slice::new(all, slice.version), self.trim));
            }
            News::Gap => return None,
        }
        Some(self)
    }

    /// Returns where what is shown may begin.
    pub(super) fn starts(&self) -> Vec<usize> {
        let mut starts = turns::starts(&self.body);
        if self.is_whole && !self.body.is_empty() && starts.first() != Some(&0) {
            starts.insert(0, 0);
        }
        starts
    }

    /// Lets go of what no load will show again: whatever is larger than the limit, but for the newest turn.
    pub(super) fn trimmed(mut self, budget: &Budget) -> Self {
        let fits = fitting(&budget.sizes(&self.body), budget.limit);
        let from = match self.trim {
            _ if fits == 0 => 0,
            Trim::LangChain => fits,
            Trim::Turns => {
                let starts = self.starts();
                let first = starts.iter().copied().find(|&start| start >= fits);
                first.or_else(|| starts.last().copied()).unwrap_or_default()
            }
        };
        if from > 0 {
            self.body = self.body.slice(from..);
            self.is_whole = false;
        }
        self
    }
}

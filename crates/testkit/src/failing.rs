//! Doubles of histories and memories that fail, hang or panic at a chosen call.

mod failure_mode;
mod history;
mod memory;
mod plan;

pub use self::{
    failure_mode::FailureMode,
    history::{FailingHistory, HistoryCall},
    memory::{FailingMemory, MemoryCall},
};

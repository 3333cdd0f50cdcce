//! Few-shot prompts: examples between a prefix and a suffix, or as messages of a chat.

mod chat;
mod examples;
mod selector;
mod semantic;
mod string;

pub use self::{
    chat::FewShotChatPromptTemplate,
    selector::{Example, ExampleSelector, LengthBasedSelector},
    semantic::SemanticSelector,
    string::{FewShotPromptBuilder, FewShotPromptTemplate},
};

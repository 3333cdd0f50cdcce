//! Chains made of chains: sequences, transforms, routes, branches, fallbacks and conversations.

mod branch_stream;
mod conversation;
mod conversation_prompt;
mod fallback;
mod fn_router;
mod kind;
mod parallel;
mod parts;
mod prompt_router;
mod router;
mod sequence_wiring;
mod sequential;
mod simple_sequential;
mod step_result;
mod transform;

pub use self::{
    conversation::{ConversationChain, ConversationChainBuilder},
    fallback::{FallbackChain, FallbackChainBuilder},
    fn_router::FnRouter,
    parallel::{ParallelChain, ParallelChainBuilder},
    prompt_router::{LlmRouter, PromptInfo},
    router::{Route, Router, RouterChain, RouterChainBuilder},
    sequential::{SequentialChain, SequentialChainBuilder},
    simple_sequential::{SimpleSequentialChain, SimpleSequentialChainBuilder},
    transform::{TransformChain, TransformChainBuilder},
};

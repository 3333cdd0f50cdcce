//! Chains made of chains: sequences, transforms, routes, branches, fallbacks and conversations.

#[cfg(feature = "composition")]
mod after_tools;
#[cfg(feature = "composition")]
mod branch_stream;
mod conversation;
mod conversation_prompt;
#[cfg(feature = "composition")]
mod fallback;
#[cfg(feature = "composition")]
mod fn_router;
mod kind;
#[cfg(feature = "composition")]
mod parallel;
#[cfg(feature = "composition")]
mod parts;
#[cfg(feature = "composition")]
mod prompt_router;
#[cfg(feature = "composition")]
mod route;
#[cfg(feature = "composition")]
mod router;
#[cfg(feature = "composition")]
mod sequence_wiring;
#[cfg(feature = "composition")]
mod sequential;
#[cfg(feature = "composition")]
mod signature;
#[cfg(feature = "composition")]
mod simple_sequential;
#[cfg(feature = "composition")]
mod step_result;
#[cfg(feature = "composition")]
mod transform;

pub use self::conversation::{ConversationChain, ConversationChainBuilder};
#[cfg(feature = "composition")]
pub use self::{
    fallback::{FallbackChain, FallbackChainBuilder},
    fn_router::FnRouter,
    parallel::{ParallelChain, ParallelChainBuilder},
    prompt_router::{LlmRouter, PromptInfo},
    route::{Route, Router},
    router::{RouterChain, RouterChainBuilder},
    sequential::{SequentialChain, SequentialChainBuilder},
    simple_sequential::{SimpleSequentialChain, SimpleSequentialChainBuilder},
    transform::{TransformChain, TransformChainBuilder},
};

//! Chains: a prompt, a model and a memory, wired and checked when they are built.
//!
#![doc = include_str!("front_page.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod answer;
mod answer_stream;
mod answer_type;
#[cfg(any(feature = "composition", feature = "schema"))]
mod answering;
mod any_runner;
mod apply;
mod at_point;
mod builder;
mod call;
mod call_inputs;
mod call_methods;
mod call_phase;
mod caught;
mod chain;
mod compose;
mod conversations;
mod correction;
mod error;
mod hints;
mod limits;
mod llm_chain;
mod memory_binding;
mod not_saved;
mod observation;
mod outcome;
mod parser;
mod partial_answer;
mod pending;
mod prompt_faults;
mod prompt_model_steps;
mod python_repr;
mod queue;
mod refused_answer;
mod resumed;
mod runner;
mod settings;
mod step;
mod stored_answer;
mod stream;
mod sync;
mod timer;
mod tool_rounds;
#[cfg(feature = "schema")]
mod typed_call;
mod verbose;
mod wiring;
mod with_memory;

#[cfg(feature = "schema")]
pub use self::typed_call::ValueStream;
pub use self::{
    answer::Answer,
    answer_stream::AnswerStream,
    answer_type::AnswerType,
    apply::Batch,
    builder::LlmChainBuilder,
    call_phase::CallPhase,
    chain::{Chain, RunContext, Streaming},
    compose::*,
    conversations::Conversations,
    correction::Correction,
    error::{ChainError, FailedBranches, FailedFallbacks, FailedStep},
    llm_chain::LlmChain,
    memory_binding::Maintenance,
    not_saved::NotSaved,
    outcome::Outcome,
    parser::*,
    pending::PendingTurn,
    refused_answer::{AnswerFault, RefusedAnswer},
    stream::ChainStream,
    verbose::{Transcripts, Verbose},
    wiring::{WiringError, WiringFault},
    with_memory::{WithMemory, WithMemoryBuilder},
};

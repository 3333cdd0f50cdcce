//! Language models that run in the process: GGUF files of the Llama architecture, without a server
//! and without a key.
//!
//! [`LocalModel`] implements the model traits of `conversant-core`, so that chains, memories and
//! layers work with it. The numeric kernels are candle's: pure Rust, no compiler but Rust's, and no
//! graphics card.

mod answer_stream;
mod chat_template;
mod generation;
mod gguf;
mod llama;
mod local_model;
mod model_file_error;
mod prompt;
mod sampler;
mod sequence_cache;
mod settings;
mod stop_scanner;
mod text_decoder;
mod token_counter;
mod tokenizer;
#[cfg(feature = "download")]
pub mod weights;
mod worker;

pub use self::{
    local_model::{LocalModel, LocalModelBuilder},
    model_file_error::ModelFileError,
    token_counter::LocalTokenCounter,
};

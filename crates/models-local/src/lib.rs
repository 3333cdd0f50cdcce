//! Language models that run in the process: GGUF files of the Llama architecture, without a server
//! and without a key.
//!
//! [`LocalModel`] implements the model traits of `conversant-core`, so that chains, memories and
//! layers work with it. The numeric kernels are candle's: pure Rust, no compiler but Rust's, and no
//! graphics card.
//!
//! Depend on this crate to try conversant without an account, to test against a real model, or to
//! keep conversations on a machine. Build it with `--release`: unoptimised, a token takes seconds.
//!
//! | feature | default | effect |
//! |---|---|---|
//! | `download` | off | finds the weights of known models, and downloads them when asked to |
//!
//! # Examples
//!
//! ```no_run
//! use conversant_core::{CallOptions, LanguageModel};
//! use conversant_models_local::LocalModel;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let model = LocalModel::builder("SmolLM2-135M-Instruct.Q4_1.gguf").stop(["\n"]).build()?;
//! let model = LanguageModel::completion(model);
//! let reply = model.generate("The capital of France is".into(), CallOptions::new()).await?;
//! println!("{}", reply.text());
//! # Ok(())
//! # }
//! ```

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

//! Builds a recorded case's memory from its kind and its settings.

use std::sync::Arc;

use conversant_core::{LanguageModel, Memory};
use conversant_memory::{
    BufferMemory, CombinedMemory, ReadOnlyMemory, SimpleMemory, StringBufferMemory,
    SummaryBufferMemory, SummaryMemory, TokenBufferMemory, Trim, WindowMemory,
};
use conversant_prompts::PromptTemplate;
use conversant_testkit::ScriptedCompletion;
use serde_json::Value as Json;

use crate::support::Whitespace;

/// A memory, and the model that it asks.
pub(super) struct Built {
    pub(super) memory: Arc<dyn Memory>,
    model: ScriptedCompletion,
}

impl Built {
    /// Returns all that the model was asked.
    pub(super) fn prompts(&self) -> Vec<String> {
        self.model.requests().into_iter().map(|request| request.prompt).collect()
    }
}

pub(super) fn memory(case: &Json) -> Built {
    let replies: Vec<String> = serde_json::from_value(case["model_replies"].clone()).unwrap();
    let model = ScriptedCompletion::new(replies);
    Built { memory: build(&case["memory"], &model), model }
}

/// Applies the settings that are there.
macro_rules! with {
    ($memory:expr, $config:expr; $($name:literal => $set:ident($as:ident)),* $(,)?) => {{
        let mut memory = $memory;
        $(if let Some(value) = $config.get($name) {
            memory = memory.$set($as(value));
        })*
        memory
    }};
}

/// Applies the settings that most memories have.
macro_rules! conversation {
    ($memory:expr, $config:expr) => {
        Arc::new(with!(texts!($memory, $config), $config; "return_messages" => with_return_messages(flag)))
    };
}

macro_rules! texts {
    ($memory:expr, $config:expr) => {
        with!($memory, $config;
            "memory_key" => with_memory_key(text),
            "input_key" => with_input_key(text),
            "output_key" => with_output_key(text),
            "human_prefix" => with_human_prefix(text),
            "ai_prefix" => with_ai_prefix(text),
        )
    };
}

fn build(memory: &Json, model: &ScriptedCompletion) -> Arc<dyn Memory> {
    let config = &memory["config"];
    let summariser = || LanguageModel::completion(model.clone());
    let summary_prompt = || PromptTemplate::from_template(text(&config["summary_prompt"])).unwrap();
    match text(&memory["kind"]) {
        "buffer" => conversation!(BufferMemory::new(), config),
        "string_buffer" => Arc::new(texts!(StringBufferMemory::new(), config)),
        "window" => {
            let memory = WindowMemory::new().with_trim(Trim::LangChain);
            conversation!(with!(memory, config; "k" => with_k(size)), config)
        }
        "token_buffer" => {
            let memory = TokenBufferMemory::new(Whitespace).with_trim(Trim::LangChain);
            let memory = with!(memory, config; "max_token_limit" => with_max_token_limit(size));
            conversation!(memory, config)
        }
        "summary" => {
            let memory = SummaryMemory::new(summariser());
            conversation!(memory.with_summary_prompt(summary_prompt()).unwrap(), config)
        }
        "summary_buffer" => {
            let memory = SummaryBufferMemory::new(summariser(), Whitespace)
                .with_trim(Trim::LangChain)
                .with_summary_prompt(summary_prompt())
                .unwrap();
            let memory = with!(memory, config; "max_token_limit" => with_max_token_limit(size));
            conversation!(memory, config)
        }
        "simple" => {
            let facts = serde_json::from_value(config["memories"].clone()).unwrap();
            Arc::new(SimpleMemory::new(facts))
        }
        "read_only" => Arc::new(ReadOnlyMemory::new(build(&config["memory"], model))),
        "combined" => {
            let memories = config["memories"].as_array().unwrap();
            let memories = memories.iter().map(|memory| build(memory, model));
            Arc::new(CombinedMemory::new(memories).unwrap())
        }
        other => panic!("no such kind: {other}"),
    }
}

fn text(json: &Json) -> &str {
    json.as_str().unwrap()
}

fn flag(json: &Json) -> bool {
    json.as_bool().unwrap()
}

fn size(json: &Json) -> usize {
    json.as_u64().unwrap().try_into().unwrap()
}

//! Builds a recorded case's memory from its kind and its settings.

use conversant_core::Memory;
use conversant_memory::{BufferMemory, StringBufferMemory, Trim, WindowMemory};
use serde_json::Value as Json;

/// A memory, and what its model is asked.
pub(super) struct Built {
    pub(super) memory: Box<dyn Memory>,
}

impl Built {
    pub(super) fn prompts(&self) -> Vec<String> {
        Vec::new()
    }
}

pub(super) fn memory(case: &Json) -> Option<Built> {
    build(&case["memory"]).map(|memory| Built { memory })
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

fn build(memory: &Json) -> Option<Box<dyn Memory>> {
    let config = &memory["config"];
    Some(match memory["kind"].as_str().unwrap() {
        "buffer" => Box::new(with!(BufferMemory::new(), config;
            "memory_key" => with_memory_key(text),
            "input_key" => with_input_key(text),
            "output_key" => with_output_key(text),
            "return_messages" => with_return_messages(flag),
            "human_prefix" => with_human_prefix(text),
            "ai_prefix" => with_ai_prefix(text),
        )),
        "string_buffer" => Box::new(with!(StringBufferMemory::new(), config;
            "memory_key" => with_memory_key(text),
            "input_key" => with_input_key(text),
            "output_key" => with_output_key(text),
            "human_prefix" => with_human_prefix(text),
            "ai_prefix" => with_ai_prefix(text),
        )),
        "window" => Box::new(with!(WindowMemory::new().with_trim(Trim::LangChain), config;
            "memory_key" => with_memory_key(text),
            "input_key" => with_input_key(text),
            "output_key" => with_output_key(text),
            "return_messages" => with_return_messages(flag),
            "human_prefix" => with_human_prefix(text),
            "ai_prefix" => with_ai_prefix(text),
            "k" => with_k(size),
        )),
        _ => return None,
    })
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

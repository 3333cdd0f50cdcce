//! Recognises the error of a prompt that is too long, which each server words in its own way.

use conversant_core::{ApiError, StatusKind};

/// Codes and types that mean nothing else.
const NAMES: &[&str] = &[
    // OpenAI, Azure, Groq, DeepSeek and many others.
    "context_length_exceeded",
    // llama.cpp.
    "exceed_context_size_error",
    // GitHub's models.
    "tokens_limit_reached",
    "model_max_prompt_tokens_exceeded",
    "context_window_exceeded",
    "ContextWindowExceededError",
];

/// OpenAI's code of a text that is too long, which may be a message.
const STRING_TOO_LONG: &str = "string_above_max_length";

/// Words that a message about it contains, all of a line, in lower case.
const MESSAGES: &[&[&str]] = &[
    // OpenAI, vLLM, DeepSeek, OpenRouter, Mistral, SGLang.
    &["maximum context length"],
    &["model's context length"],
    // Ollama, LM Studio.
    &["max context length"],
    &["context length of only"],
    &["context overflow"],
    // OpenAI's Responses, llama-cpp-python, MiniMax, LiteLLM.
    &["context window", "exceed"],
    &["context limit", "exceed"],
    &["context size", "exceed"],
    &["context length", "exceed"],
    // vLLM.
    &["longer than the maximum model length"],
    &["exceeds max_model_len"],
    // Gemini, Vertex AI.
    &["input token count", "exceeds"],
    &["input token count", "model only supports up to"],
    // xAI, GitHub, Zhipu.
    &["maximum prompt length"],
    &["prompt token count", "exceeds"],
    &["prompt exceeds max length"],
    // exllama, MLX.
    &["prompt length", "max_seq_len"],
    &["prompt too large"],
    // Anthropic, Bedrock, TGI.
    &["prompt is too long"],
    &["prompt too long"],
    &["input is too long"],
    &["input length", "exceed"],
    &["`inputs` tokens + `max_new_tokens` must be"],
    &["`inputs` must have less than"],
    // Cohere, Moonshot, DashScope.
    &["too many tokens", "prompt"],
    &["exceeded model token limit"],
    &["range of input length should be"],
    &["reduce the length of the messages"],
    &["reduce the length of the prompt"],
    &["reduce the length of the input"],
];

/// Words of other limits: a rate, or the length of the answer.
const OTHER_LIMITS: &[&str] =
    &["per min", "per day", "rate limit", "quota", "completion tokens, whereas", "tpm"];

/// Returns whether an error says that the prompt is too long for the model.
pub(super) fn is_exceeded(error: &ApiError) -> bool {
    let is_named = |name: &Option<String>| name.as_deref().is_some_and(|it| NAMES.contains(&it));
    if is_named(&error.code) || is_named(&error.error_type) {
        return true;
    }
    if error.code.as_deref() == Some(STRING_TOO_LONG) {
        let what = error.param.as_deref().unwrap_or(&error.message);
        return ["messages", "input", "prompt"].iter().any(|it| what.contains(it));
    }
    if matches!(error.kind, StatusKind::RateLimit | StatusKind::QuotaExhausted | StatusKind::Auth) {
        return false;
    }
    let message = error.message.to_lowercase();
    let says = |words: &[&str]| words.iter().all(|word| message.contains(word));
    MESSAGES.iter().any(|words| says(words))
        && !OTHER_LIMITS.iter().any(|words| message.contains(words))
}

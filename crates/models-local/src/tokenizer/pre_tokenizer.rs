//! The rules by which a text is cut into words before pairs of characters are merged.

use tokenizers::{
    SplitDelimiterBehavior,
    pre_tokenizers::{
        PreTokenizerWrapper,
        byte_level::ByteLevel,
        digits::Digits,
        sequence::Sequence,
        split::{Split, SplitPattern},
    },
};

/// The names in `tokenizer.ggml.pre` that [`by_name`] knows.
pub(super) const NAMES: &str = "`smollm`, `gpt-2`, `llama-bpe`, `qwen2`";

const LLAMA_3: &str = r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const QWEN_2: &str = r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// Returns the rules with a name, and whether a word that is a token is not built from pairs.
///
/// The rules are llama.cpp's (`llama-vocab.cpp`). A name that is not known gives none: other rules
/// would give other tokens, on which the model was not trained.
pub(super) fn by_name(name: &str) -> Option<(PreTokenizerWrapper, bool)> {
    let gpt_2 = || ByteLevel::new(false, true, true).into();
    let rules = match name {
        "gpt-2" | "gpt2" => gpt_2(),
        "smollm" => Sequence::new(vec![Digits::new(true).into(), gpt_2()]).into(),
        "llama-bpe" | "llama3" | "llama-v3" => words(LLAMA_3)?,
        "qwen2" => words(QWEN_2)?,
        _ => return None,
    };
    Some((rules, name.starts_with("llama")))
}

fn words(pattern: &str) -> Option<PreTokenizerWrapper> {
    let pattern = SplitPattern::Regex(pattern.to_owned());
    let split = Split::new(pattern, SplitDelimiterBehavior::Isolated, false).ok()?;
    let bytes = ByteLevel::new(false, true, false);
    Some(Sequence::new(vec![split.into(), bytes.into()]).into())
}

//! The tokenizer of a model: byte-level pair encoding, from the metadata of its file.

mod byte_alphabet;
mod control;
mod pre_tokenizer;

use tokenizers::models::bpe::{BPE, Vocab};

use self::control::ControlTokens;
use crate::{gguf::Gguf, model_file_error::ModelFileError};

/// The types of tokens in a GGUF file that are not pieces of text.
const CONTROL: usize = 3;
const USER_DEFINED: usize = 4;

/// Names of tokens that end an answer, for files that do not name all of theirs.
const END_NAMES: [&str; 6] =
    ["<|endoftext|>", "<|im_end|>", "<|eot_id|>", "<|end_of_text|>", "<|eom_id|>", "</s>"];

/// The tokenizer of a model.
pub(crate) struct Tokenizer {
    encoder: tokenizers::Tokenizer,
    /// The bytes of each token. Those of a control token are empty: it is not part of a text.
    bytes: Vec<Box<[u8]>>,
    longest: usize,
    control: ControlTokens,
    names: Vec<String>,
    /// The token that texts begin with.
    begin: Option<u32>,
    adds_begin: bool,
    ends: Vec<u32>,
}

impl Tokenizer {
    pub(crate) fn load(gguf: &Gguf) -> Result<Self, ModelFileError> {
        let key = "tokenizer.ggml.model";
        let kind = gguf.text(key).ok_or_else(|| gguf.fault(format!("missing metadata `{key}`")))?;
        if kind != "gpt2" {
            return Err(ModelFileError::Unsupported {
                path: gguf.path.clone(),
                part: "tokenizer",
                name: kind.to_owned(),
                supported: "`gpt2` (byte-level pair encoding)",
            });
        }
        let tokens = list(gguf, "tokenizer.ggml.tokens")?;
        if tokens.is_empty() {
            return Err(gguf.fault("the tokenizer has no tokens"));
        }
        let encoder = encoder(gguf, &tokens)?;
        let (control, bytes) = pieces(gguf, &tokens);
        let id = |name: &str| {
            let id = gguf.count(&format!("tokenizer.ggml.{name}_token_id"))?;
            u32::try_from(id).ok().filter(|id| (*id as usize) < tokens.len())
        };
        let named = END_NAMES.into_iter().filter_map(|name| control.id(name));
        let mut ends: Vec<u32> =
            ["eos", "eot", "eom"].into_iter().filter_map(id).chain(named).collect();
        ends.sort_unstable();
        ends.dedup();
        Ok(Self {
            encoder,
            longest: bytes.iter().map(|bytes| bytes.len()).max().unwrap_or(1).max(1),
            bytes,
            control,
            names: tokens.iter().map(|token| (*token).to_owned()).collect(),
            begin: id("bos"),
            adds_begin: gguf.flag("tokenizer.ggml.add_bos_token").unwrap_or(false),
            ends,
        })
    }

    /// Returns the number of tokens that exist.
    pub(crate) fn vocabulary(&self) -> usize {
        self.bytes.len()
    }

    /// Returns the least number of tokens that a text can have, without reading it.
    pub(crate) fn least(&self, text: &str) -> usize {
        text.len().div_ceil(self.longest)
    }

    /// Returns the tokens of a text. Names of control tokens in it are text.
    pub(crate) fn encode(&self, text: &str) -> Vec<u32> {
        // Neither the pre-tokenizers nor pair encoding without an unknown token fail.
        let encoding = self.encoder.encode_fast(text, false);
        encoding.map(|encoding| encoding.get_ids().to_vec()).unwrap_or_default()
    }

    /// Returns the tokens of a text to continue: those of the text, after the token that texts
    /// begin with, if the model was trained so or the text is empty.
    pub(crate) fn encode_prompt(&self, text: &str) -> Vec<u32> {
        let mut tokens: Vec<u32> = self.begin.filter(|_| self.adds_begin).into_iter().collect();
        tokens.extend(self.encode(text));
        if tokens.is_empty() {
            tokens.extend(self.begin.or_else(|| self.ends.first().copied()));
        }
        tokens
    }

    /// Returns the tokens of a rendered chat template, whose control tokens are written by name.
    pub(crate) fn encode_rendered(&self, text: &str) -> Vec<u32> {
        let mut tokens = Vec::new();
        for (text, token) in self.control.split(text) {
            tokens.extend(self.encode(text));
            tokens.extend(token);
        }
        tokens
    }

    /// Returns the names of the control tokens, longest first.
    pub(crate) fn control_names(&self) -> impl Iterator<Item = &str> {
        self.control.names()
    }

    /// Returns the bytes of a token: a part of a text, which may end inside of a character.
    pub(crate) fn bytes(&self, token: u32) -> &[u8] {
        let bytes = usize::try_from(token).ok().and_then(|index| self.bytes.get(index));
        bytes.map_or(&[], |bytes| bytes)
    }

    /// Returns whether a token ends an answer.
    pub(crate) fn is_end(&self, token: u32) -> bool {
        self.ends.contains(&token)
    }

    /// Returns the name of the token that texts begin with, and of the one that they end with.
    pub(crate) fn begin_and_end(&self) -> (&str, &str) {
        let name = |id: Option<u32>| {
            let index = id.and_then(|id| usize::try_from(id).ok());
            index.and_then(|index| self.names.get(index)).map_or("", String::as_str)
        };
        (name(self.begin), name(self.ends.first().copied()))
    }
}

fn list<'g>(gguf: &'g Gguf, key: &str) -> Result<Vec<&'g str>, ModelFileError> {
    gguf.texts(key).ok_or_else(|| gguf.fault(format!("missing metadata `{key}`")))
}

fn numbered(tokens: &[&str]) -> impl Iterator<Item = (u32, String)> {
    (0..).zip(tokens).map(|(id, token)| (id, (*token).to_owned()))
}

/// Returns the pair encoding of a file's tokens.
fn encoder(gguf: &Gguf, tokens: &[&str]) -> Result<tokenizers::Tokenizer, ModelFileError> {
    let merges = list(gguf, "tokenizer.ggml.merges")?.into_iter().map(|merge| {
        let (left, right) = merge.split_once(' ')?;
        Some((left.to_owned(), right.to_owned()))
    });
    let merges: Option<Vec<_>> = merges.collect();
    let merges = merges.ok_or_else(|| gguf.fault("the tokenizer has an invalid merge"))?;
    let pre = gguf.text("tokenizer.ggml.pre").unwrap_or("gpt-2");
    let (pre_tokenizer, ignore_merges) =
        pre_tokenizer::by_name(pre).ok_or_else(|| ModelFileError::Unsupported {
            path: gguf.path.clone(),
            part: "pre-tokenizer",
            name: pre.to_owned(),
            supported: pre_tokenizer::NAMES,
        })?;
    let vocabulary: Vocab = numbered(tokens).map(|(id, token)| (token, id)).collect();
    let model = BPE::builder()
        .vocab_and_merges(vocabulary, merges)
        .ignore_merges(ignore_merges)
        .build()
        .map_err(|error| ModelFileError::Format {
            path: gguf.path.clone(),
            what: "the tokenizer's merges do not fit its tokens".to_owned(),
            source: Some(error),
        })?;
    let mut encoder = tokenizers::Tokenizer::new(model);
    encoder.with_pre_tokenizer(Some(pre_tokenizer));
    Ok(encoder)
}

/// Returns the control tokens of a file, and the bytes of each token.
fn pieces(gguf: &Gguf, tokens: &[&str]) -> (ControlTokens, Vec<Box<[u8]>>) {
    let types = gguf.counts("tokenizer.ggml.token_type").unwrap_or_default();
    let types = types.into_iter().chain(std::iter::repeat(1));
    let mut control = ControlTokens::default();
    let mut bytes = Vec::with_capacity(tokens.len());
    for ((id, token), kind) in numbered(tokens).zip(types) {
        match kind {
            CONTROL => {
                control.add(token, id);
                bytes.push(Box::default());
            }
            USER_DEFINED => {
                bytes.push(token.as_bytes().into());
                control.add(token, id);
            }
            _ => bytes.push(byte_alphabet::decode(&token)),
        }
    }
    control.sort();
    (control, bytes)
}

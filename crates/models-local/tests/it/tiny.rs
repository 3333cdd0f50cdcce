//! Models of a few kilobytes, written to a folder of the test.

use std::{fs::File, path::PathBuf};

use candle_core::{
    Device, Tensor,
    quantized::{
        GgmlDType, QTensor,
        gguf_file::{self, Value},
    },
};
use conversant_models_local::{LocalModel, LocalModelBuilder};
use fastrand::Rng;
use tempfile::TempDir;

/// The control tokens, after the 256 bytes.
pub(crate) const CONTROL: [&str; 3] = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"];

/// The width of the states. The vocabulary fits, so that a state can be one token.
const WIDTH: usize = 288;
const HIDDEN: usize = 32;
const LAYERS: usize = 2;
const HEADS: usize = 4;
const KV_HEADS: usize = 2;
const HEAD_WIDTH: usize = 72;
/// The number of tokens that the models were "trained" on.
pub(crate) const CONTEXT: usize = 512;

/// A model file, and the folder that it is in.
pub(crate) struct TinyFile {
    folder: TempDir,
    pub(crate) metadata: Vec<(String, Value)>,
    pub(crate) tensors: Vec<(String, QTensor)>,
}

/// Returns the characters in which byte-level tokens are written, in the order of the bytes.
fn alphabet() -> Vec<String> {
    let mut others = (256_u32..).filter_map(char::from_u32);
    (0..=255_u8)
        .map(|byte| match byte {
            b'!'..=b'~' | 0xA1..=0xAC | 0xAE.. => char::from(byte).to_string(),
            _ => others.next().unwrap().to_string(),
        })
        .collect()
}

fn tensor(values: Vec<f32>, shape: &[usize], kind: GgmlDType) -> QTensor {
    QTensor::quantize(&Tensor::from_vec(values, shape, &Device::Cpu).unwrap(), kind).unwrap()
}

impl TinyFile {
    /// A model that spells: the token after each byte is the next one of a word, in any
    /// context. `nexts` are pairs of a byte and its successor; the others end the answer.
    pub(crate) fn spelling(nexts: &[(u8, u8)]) -> Self {
        let vocabulary = 256 + CONTROL.len();
        let mut one_hot = vec![0.0; vocabulary * WIDTH];
        let mut output = vec![0.0; vocabulary * WIDTH];
        for token in 0..vocabulary {
            one_hot[token * WIDTH + token] = 1.0;
            let next = nexts.iter().find(|(from, _)| usize::from(*from) == token);
            // The end of an answer is `<|im_end|>`.
            let next = next.map_or(258, |(_, to)| usize::from(*to));
            output[next * WIDTH + token] = 1.0;
        }
        // Layers that add nothing.
        Self::new(one_hot, output, &mut || 0.0)
    }

    /// A model with random weights. Its answers are printable letters and do not end.
    pub(crate) fn random(seed: u64) -> Self {
        let mut random = Rng::with_seed(seed);
        let mut value = move || random.f32() * 2.0 - 1.0;
        let vocabulary = 256 + CONTROL.len();
        let embedding = (0..vocabulary * WIDTH).map(|_| value()).collect();
        let letters = usize::from(b'a')..=usize::from(b'z');
        let output =
            (0..vocabulary * WIDTH).map(|index| match letters.contains(&(index / WIDTH)) {
                true => value(),
                false => 0.0,
            });
        let output = output.collect();
        Self::new(embedding, output, &mut value)
    }

    fn new(embedding: Vec<f32>, output: Vec<f32>, weight: &mut dyn FnMut() -> f32) -> Self {
        let tokens: Vec<String> =
            alphabet().into_iter().chain(CONTROL.map(str::to_owned)).collect();
        let vocabulary = tokens.len();
        let kinds = (0..vocabulary).map(|index| Value::I32(if index < 256 { 1 } else { 3 }));
        let count = |count: usize| Value::U32(count.try_into().unwrap());
        let metadata = [
            ("general.architecture", Value::String("llama".to_owned())),
            ("llama.block_count", count(LAYERS)),
            ("llama.context_length", count(CONTEXT)),
            ("llama.embedding_length", count(WIDTH)),
            ("llama.feed_forward_length", count(HIDDEN)),
            ("llama.attention.head_count", count(HEADS)),
            ("llama.attention.head_count_kv", count(KV_HEADS)),
            ("llama.attention.layer_norm_rms_epsilon", Value::F32(1e-5)),
            ("tokenizer.ggml.model", Value::String("gpt2".to_owned())),
            ("tokenizer.ggml.pre", Value::String("smollm".to_owned())),
            (
                "tokenizer.ggml.tokens",
                Value::Array(tokens.into_iter().map(Value::String).collect()),
            ),
            ("tokenizer.ggml.token_type", Value::Array(kinds.collect())),
            // One pair, so that the list is not empty.
            ("tokenizer.ggml.merges", Value::Array(Vec::new())),
            ("tokenizer.ggml.eos_token_id", count(258)),
        ];
        let metadata = metadata.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();

        let mut matrix = |rows: usize, columns: usize, kind| {
            let values = (0..rows * columns).map(|_| weight()).collect();
            tensor(values, &[rows, columns], kind)
        };
        let ones = || tensor(vec![1.0; WIDTH], &[WIDTH], GgmlDType::F32);
        let mut tensors = vec![
            (
                "token_embd.weight".to_owned(),
                tensor(embedding, &[vocabulary, WIDTH], GgmlDType::Q8_0),
            ),
            ("output.weight".to_owned(), tensor(output, &[vocabulary, WIDTH], GgmlDType::F16)),
            ("output_norm.weight".to_owned(), ones()),
        ];
        for layer in 0..LAYERS {
            let queries = HEADS * HEAD_WIDTH;
            let keys = KV_HEADS * HEAD_WIDTH;
            for (name, tensor) in [
                ("attn_norm", ones()),
                ("ffn_norm", ones()),
                ("attn_q", matrix(queries, WIDTH, GgmlDType::Q4_1)),
                ("attn_k", matrix(keys, WIDTH, GgmlDType::Q4_0)),
                ("attn_v", matrix(keys, WIDTH, GgmlDType::F32)),
                ("attn_output", matrix(WIDTH, queries, GgmlDType::Q8_0)),
                ("ffn_gate", matrix(HIDDEN, WIDTH, GgmlDType::Q5_1)),
                ("ffn_up", matrix(HIDDEN, WIDTH, GgmlDType::Q8_0)),
                ("ffn_down", matrix(WIDTH, HIDDEN, GgmlDType::Q8_0)),
            ] {
                tensors.push((format!("blk.{layer}.{name}.weight"), tensor));
            }
        }
        Self { folder: tempfile::tempdir().unwrap(), metadata, tensors }
    }

    /// Sets an entry of the metadata.
    pub(crate) fn set(mut self, key: &str, value: Value) -> Self {
        self.metadata.retain(|(known, _)| known != key);
        self.metadata.push((key.to_owned(), value));
        self
    }

    /// Removes an entry of the metadata, or a tensor.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.metadata.retain(|(known, _)| known != name);
        self.tensors.retain(|(known, _)| known != name);
        self
    }

    /// Removes all layers but the first.
    pub(crate) fn with_one_layer(mut self) -> Self {
        self.tensors.retain(|(name, _)| !name.starts_with("blk.") || name.starts_with("blk.0."));
        self.set("llama.block_count", Value::U32(1))
    }

    /// Writes the file.
    pub(crate) fn write(&self) -> PathBuf {
        let path = self.folder.path().join("tiny.gguf");
        let metadata: Vec<_> =
            self.metadata.iter().map(|(key, value)| (key.as_str(), value)).collect();
        let tensors: Vec<_> =
            self.tensors.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
        gguf_file::write(&mut File::create(&path).unwrap(), &metadata, &tensors).unwrap();
        path
    }

    /// Writes the file and loads it.
    pub(crate) fn model(
        &self,
        settings: impl FnOnce(LocalModelBuilder) -> LocalModelBuilder,
    ) -> LocalModel {
        settings(LocalModel::builder(self.write())).build().unwrap()
    }
}

/// A model that spells `abcdefgh`, and then ends its answer.
pub(crate) fn letters() -> TinyFile {
    let pairs: Vec<(u8, u8)> = (b'a'..b'h').map(|byte| (byte, byte + 1)).collect();
    TinyFile::spelling(&pairs)
}

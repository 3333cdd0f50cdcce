//! Files that are damaged, incomplete, or of another kind: each is an error, never a panic of the
//! caller.

use std::{fs, path::Path};

use candle_core::quantized::gguf_file::Value;
use conversant_core::Report;
use conversant_models_local::LocalModel;
use fastrand::Rng;

use crate::tiny::{TinyFile, letters};

fn fault(path: &Path) -> String {
    let error = LocalModel::open(path).unwrap_err();
    let folder = path.parent().unwrap().display().to_string();
    Report::new(&error).to_string().replace(&folder, "FOLDER")
}

#[test]
fn what_is_wrong_with_a_file_is_said() {
    let text = |text: &str| Value::String(text.to_owned());
    let files = [
        letters().set("general.architecture", text("mamba")),
        letters().without("general.architecture"),
        letters().without("llama.block_count"),
        letters().set("llama.block_count", Value::U32(3)),
        letters().set("llama.embedding_length", Value::U32(100)),
        letters().set("llama.feed_forward_length", Value::U32(64)),
        letters().set("llama.attention.head_count_kv", Value::U32(3)),
        letters().set("llama.rope.dimension_count", Value::U32(73)),
        letters().set("llama.rope.freq_base", Value::F32(f32::NAN)),
        letters().set("llama.rope.scaling.type", text("yarn")),
        letters().set("llama.expert_count", Value::U32(8)),
        letters().set("tokenizer.ggml.model", text("llama")),
        letters().set("tokenizer.ggml.pre", text("unknown")),
        letters().without("tokenizer.ggml.tokens"),
        letters().set("tokenizer.ggml.merges", Value::Array(vec![text("ab")])),
        letters().set("tokenizer.ggml.merges", Value::Array(vec![text("a b")])),
        letters().without("blk.1.ffn_up.weight"),
    ];
    let mut shown: Vec<String> = files.iter().map(|file| fault(&file.write())).collect();
    let folder = tempfile::tempdir().unwrap();
    shown.push(fault(&folder.path().join("missing.gguf")));
    let other = folder.path().join("other.gguf");
    fs::write(&other, "not a model").unwrap();
    shown.push(fault(&other));
    insta::assert_snapshot!(shown.join("\n"));
}

#[test]
fn a_file_that_is_cut_off_is_an_error() {
    let file = TinyFile::random(1);
    let path = file.write();
    let bytes = fs::read(&path).unwrap();
    for part in 0..40 {
        fs::write(&path, &bytes[..bytes.len() * part / 40]).unwrap();
        LocalModel::open(&path).unwrap_err();
    }
}

#[test]
fn a_flipped_byte_of_the_head_is_an_error_or_another_model() {
    let file = letters();
    let path = file.write();
    let bytes = fs::read(&path).unwrap();
    let mut random = Rng::with_seed(9);
    for _ in 0..100 {
        let mut damaged = bytes.clone();
        damaged[random.usize(..2000)] ^= 1 << random.u8(..8);
        fs::write(&path, &damaged).unwrap();
        drop(LocalModel::open(&path));
    }
}

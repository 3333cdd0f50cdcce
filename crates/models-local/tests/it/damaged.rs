//! Files that are damaged, incomplete, or of another kind: each is an error, never a panic of the
//! caller.

use std::{fs, io::Cursor, path::Path, sync::LazyLock};

use candle_core::quantized::gguf_file::{Content, Value};
use conversant_core::{CallOptions, LanguageModel, ModelError, Report};
use conversant_models_local::LocalModel;
use pollster::block_on;
use proptest::{prelude::*, sample::Index};

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
        letters().set("tokenizer.ggml.tokens", Value::Array(Vec::new())),
        letters().set("general.alignment", Value::U32(0)),
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

/// Numbers on which arithmetic without checks fails.
fn hostile_values() -> Vec<Value> {
    let counts =
        [0, 1, 31, 32, 1 << 31, u32::MAX.into(), 1 << 62, 1 << 63, u64::MAX - 31, u64::MAX];
    let others = [
        Value::I32(-1),
        Value::I64(i64::MIN),
        Value::F32(f32::NAN),
        Value::F32(f32::MIN_POSITIVE),
        Value::F64(f64::INFINITY),
        Value::Bool(true),
        Value::String("\0".to_owned()),
        Value::Array(vec![Value::U64(u64::MAX)]),
    ];
    counts.into_iter().map(Value::U64).chain(others).collect()
}

/// Opens a file that may be damaged, and lets a model that was loaded answer. A panic of the
/// model's thread fails the test.
fn try_out(path: &Path) {
    match LocalModel::builder(path).max_tokens(2).build() {
        Ok(model) => {
            let answer = block_on(
                LanguageModel::completion(model).generate("ab".into(), CallOptions::new()),
            );
            let is_refused_or_answered = match &answer {
                Ok(_) => true,
                Err(error) => {
                    matches!(error, ModelError::PromptTooLong { .. } | ModelError::Config { .. })
                }
            };
            assert!(is_refused_or_answered, "{answer:?}");
        }
        Err(error) => {
            let text = Report::new(&error).to_string();
            assert!(!text.contains("cannot be decoded"), "{text}");
        }
    }
}

#[test]
fn no_number_of_the_metadata_is_trusted() {
    let mut file = letters().with_one_layer();
    let metadata = file.metadata.clone();
    let keys = metadata.iter().map(|(key, _)| key.as_str());
    let others = [
        "general.alignment",
        "llama.attention.key_length",
        "llama.expert_count",
        "llama.rope.dimension_count",
        "llama.rope.freq_base",
        "llama.rope.scaling.factor",
        "llama.rope.scaling.type",
        "tokenizer.chat_template",
        "tokenizer.ggml.add_bos_token",
        "tokenizer.ggml.bos_token_id",
    ];
    for key in keys.chain(others) {
        for value in hostile_values() {
            file.metadata.clone_from(&metadata);
            file = file.set(key, value);
            try_out(&file.write());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn damage_to_the_head_is_an_error_or_another_model(
        damage in prop::collection::vec((any::<Index>(), damage()), 1..4),
        end in prop::option::of(any::<Index>()),
    ) {
        let mut bytes = HEAD.0.clone();
        for (place, with) in &damage {
            let place = place.index(HEAD.1 - with.len());
            bytes[place..place + with.len()].copy_from_slice(with);
        }
        if let Some(end) = end {
            bytes.truncate(end.index(bytes.len()));
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("damaged.gguf");
        fs::write(&path, &bytes).unwrap();
        try_out(&path);
    }
}

/// A file, and the length of its head.
static HEAD: LazyLock<(Vec<u8>, usize)> = LazyLock::new(|| {
    let bytes = fs::read(letters().with_one_layer().write()).unwrap();
    let content = Content::read(&mut Cursor::new(&bytes)).unwrap();
    (bytes, content.tensor_data_offset.try_into().unwrap())
});

/// A byte, or a length or a kind of value in its place.
fn damage() -> impl Strategy<Value = Vec<u8>> {
    let small = any::<u8>().prop_map(|byte| vec![byte]);
    let kind = (0_u32..20).prop_map(|kind| kind.to_le_bytes().to_vec());
    let length = prop_oneof![
        Just(0),
        Just(1_u64 << 30),
        Just(u32::MAX.into()),
        Just(1 << 62),
        Just(u64::MAX),
        any::<u64>(),
    ];
    prop_oneof![small, kind, length.prop_map(|length| length.to_le_bytes().to_vec())]
}

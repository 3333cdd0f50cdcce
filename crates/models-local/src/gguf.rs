//! Reading a GGUF file: its metadata and its tensors.

use std::{
    fs::File,
    io::{self, Cursor, Read},
    path::PathBuf,
};

use candle_core::{
    Device,
    quantized::gguf_file::{Content, Value},
};
use conversant_core::BoxError;
use memchr::memmem;

use crate::model_file_error::ModelFileError;

/// The largest part of a file that is read as metadata: 64 MiB. The largest vocabularies take 20
/// MB. In memory, a byte of metadata takes up to 32 bytes, so this bounds what a hostile file
/// allocates.
const MAX_HEAD: u64 = 64 << 20;

/// The largest number of values of a tensor. It keeps candle's arithmetic from overflowing.
const MAX_VALUES: usize = isize::MAX.unsigned_abs() / 64;

/// An open file with its metadata.
pub(crate) struct Gguf {
    pub(crate) path: PathBuf,
    file: File,
    content: Content,
}

impl Gguf {
    pub(crate) fn open(path: PathBuf) -> Result<Self, ModelFileError> {
        let fault = |source| ModelFileError::Read { path: path.clone(), source };
        let file = File::open(&path).map_err(fault)?;
        let head = head(&file).map_err(fault)?;
        let invalid = |source| ModelFileError::Format {
            path: path.clone(),
            what: "it is not a GGUF file, or a part of it is missing; download it again".to_owned(),
            source,
        };
        if has_zero_alignment(&head) {
            return Err(invalid(Some("`general.alignment` is 0".into())));
        }
        let content = Content::read(&mut Cursor::new(head));
        let content = content.map_err(|error| invalid(Some(cause(error))))?;
        Ok(Self { path, file, content })
    }

    /// Creates the error of a file that cannot be used.
    pub(crate) fn fault(&self, what: impl Into<String>) -> ModelFileError {
        ModelFileError::Format { path: self.path.clone(), what: what.into(), source: None }
    }

    fn value(&self, key: &str) -> Option<&Value> {
        self.content.metadata.get(key)
    }

    /// Returns a text of the metadata.
    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        match self.value(key)? {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// Returns a yes or no of the metadata.
    pub(crate) fn flag(&self, key: &str) -> Option<bool> {
        match self.value(key)? {
            Value::Bool(flag) => Some(*flag),
            _ => None,
        }
    }

    /// Returns a whole number of the metadata, of any width.
    pub(crate) fn count(&self, key: &str) -> Option<usize> {
        count(self.value(key)?)
    }

    /// Returns a whole number that the file must have.
    pub(crate) fn require_count(&self, key: &str) -> Result<usize, ModelFileError> {
        let count = self.count(key).filter(|count| *count > 0);
        count.ok_or_else(|| self.fault(format!("missing or invalid metadata `{key}`")))
    }

    /// Returns a fraction of the metadata.
    pub(crate) fn float(&self, key: &str) -> Option<f32> {
        match self.value(key)? {
            Value::F32(value) => Some(*value),
            #[allow(clippy::cast_possible_truncation, reason = "a setting of few digits")]
            Value::F64(value) => Some(*value as f32),
            _ => None,
        }
    }

    /// Returns a list of texts.
    pub(crate) fn texts(&self, key: &str) -> Option<Vec<&str>> {
        let Value::Array(values) = self.value(key)? else { return None };
        values.iter().map(|value| value.to_string().ok().map(String::as_str)).collect()
    }

    /// Returns a list of whole numbers.
    pub(crate) fn counts(&self, key: &str) -> Option<Vec<usize>> {
        let Value::Array(values) = self.value(key)? else { return None };
        values.iter().map(count).collect()
    }

    /// Returns whether the file has a tensor.
    pub(crate) fn has_tensor(&self, name: &str) -> bool {
        self.content.tensor_infos.contains_key(name)
    }

    /// Reads a tensor as numbers, from any format. Its shape must be the given one, rows first.
    pub(crate) fn tensor(
        &mut self,
        name: &str,
        shape: &[usize],
    ) -> Result<Vec<f32>, ModelFileError> {
        let Some(info) = self.content.tensor_infos.get(name) else {
            return Err(self.fault(format!("missing tensor `{name}`")));
        };
        if info.shape.dims() != shape {
            let found = info.shape.dims();
            return Err(self.fault(format!(
                "tensor `{name}` has the shape {found:?}, and the metadata asks for {shape:?}"
            )));
        }
        let values = shape.iter().try_fold(1_usize, |product, side| product.checked_mul(*side));
        if values.is_none_or(|values| values > MAX_VALUES) {
            return Err(self.fault(format!("tensor `{name}` is too large: {shape:?}")));
        }
        let read = info
            .read(&mut self.file, self.content.tensor_data_offset, &Device::Cpu)
            .and_then(|tensor| tensor.dequantize(&Device::Cpu)?.flatten_all()?.to_vec1());
        read.map_err(|error| ModelFileError::Format {
            path: self.path.clone(),
            what: format!("cannot read tensor `{name}`"),
            source: Some(cause(error)),
        })
    }
}

/// Reads the beginning of a file, in which the metadata is.
fn head(file: &File) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    file.take(MAX_HEAD).read_to_end(&mut head)?;
    Ok(head)
}

/// Returns whether a file aligns its tensors to multiples of 0, by which candle would divide.
fn has_zero_alignment(head: &[u8]) -> bool {
    let key = b"general.alignment";
    memmem::find_iter(head, key).any(|at| {
        let Some(entry) = head.get(at + key.len()..) else { return false };
        let Some((kind, value)) = entry.split_first_chunk() else { return false };
        let width = match u32::from_le_bytes(*kind) {
            0 | 1 => 1,
            2 | 3 => 2,
            4 | 5 => 4,
            _ => return false,
        };
        value.get(..width).is_some_and(|value| value.iter().all(|byte| *byte == 0))
    })
}

/// Returns an error without the backtrace that candle puts into its text.
fn cause(error: candle_core::Error) -> BoxError {
    match error {
        candle_core::Error::WithBacktrace { inner, .. } => cause(*inner),
        error => error.into(),
    }
}

fn count(value: &Value) -> Option<usize> {
    match *value {
        Value::U8(count) => Some(count.into()),
        Value::U16(count) => Some(count.into()),
        Value::U32(count) => count.try_into().ok(),
        Value::U64(count) => count.try_into().ok(),
        Value::I8(count) => count.try_into().ok(),
        Value::I16(count) => count.try_into().ok(),
        Value::I32(count) => count.try_into().ok(),
        Value::I64(count) => count.try_into().ok(),
        _ => None,
    }
}

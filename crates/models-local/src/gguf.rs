//! Reading a GGUF file: its metadata and its tensors.

use std::{fs::File, path::PathBuf};

use candle_core::{
    Device,
    quantized::gguf_file::{Content, Value},
};

use conversant_core::BoxError;

use crate::model_file_error::ModelFileError;

/// An open file with its metadata.
pub(crate) struct Gguf {
    pub(crate) path: PathBuf,
    file: File,
    content: Content,
}

impl Gguf {
    pub(crate) fn open(path: PathBuf) -> Result<Self, ModelFileError> {
        let opened = File::open(&path);
        let mut file =
            opened.map_err(|source| ModelFileError::Read { path: path.clone(), source })?;
        let read = Content::read(&mut file);
        let content = read.map_err(|error| ModelFileError::Format {
            path: path.clone(),
            what: "it is not a GGUF file, or a part of it is missing".to_owned(),
            source: Some(cause(error)),
        })?;
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

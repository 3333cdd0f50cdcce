//! Answers that are lists: of models, of embeddings.

use conversant_core::{DecodeError, ModelError};
use serde_json::Value as Json;

use super::{
    decode::{kept, read},
    lenient::{Text, lenient},
};
use crate::api_error::error_in_body;

/// A model that a server has.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct ModelInfo {
    /// Its name, to build an adapter with.
    pub id: String,
    /// Who made or serves it, if the server says.
    pub owned_by: Option<String>,
    /// When it was made, in seconds since 1970, if the server says.
    pub created: Option<u64>,
}

lenient! {
    struct ModelsIn<'de> {
        data: Vec<ModelIn<'de>>,
        error: Json,
    }
    struct ModelIn<'de> {
        id: Text<'de>,
        owned_by: Text<'de>,
        created: Json,
    }
    struct EmbeddingsIn<'de> {
        data: Vec<EmbeddingIn<'de>>,
        error: Json,
    }
    struct EmbeddingIn<'de> {
        index: u64,
        embedding: Vec<f32>,
    }
}

/// Reads a list of models.
pub(crate) fn read_models(body: &[u8]) -> Result<Vec<ModelInfo>, ModelError> {
    let list: ModelsIn<'_> = read(body)?;
    if let Some(error) = list.error {
        return Err(error_in_body(&error, body));
    }
    let data = list.data.ok_or_else(|| refuse(body, "it has no `data`"))?;
    let info = |model: ModelIn<'_>| {
        Some(ModelInfo {
            id: model.id?.into_string(),
            owned_by: model.owned_by.map(Text::into_string),
            created: model.created.and_then(|at| at.as_u64()),
        })
    };
    Ok(data.into_iter().filter_map(info).collect())
}

/// Reads the embeddings of so many texts, in the order of the texts.
pub(crate) fn read_embeddings(body: &[u8], texts: usize) -> Result<Vec<Vec<f32>>, ModelError> {
    let list: EmbeddingsIn<'_> = read(body)?;
    if let Some(error) = list.error {
        return Err(error_in_body(&error, body));
    }
    let mut data = list.data.ok_or_else(|| refuse(body, "it has no `data`"))?;
    if data.len() != texts {
        let what = format!("it has {} embeddings for {texts} texts", data.len());
        return Err(refuse(body, &what));
    }
    // Sorting is stable: where a server gives no index, the order is that of the texts.
    data.sort_by_key(|embedding| embedding.index.unwrap_or(0));
    let vectors: Vec<_> = data.into_iter().map(|item| item.embedding.unwrap_or_default()).collect();
    let length = vectors.first().map_or(0, Vec::len);
    if vectors.iter().any(|vector| vector.is_empty() || vector.len() != length) {
        return Err(refuse(body, "its embeddings are empty or of several lengths"));
    }
    Ok(vectors)
}

fn refuse(body: &[u8], what: &str) -> ModelError {
    DecodeError::new(what).with_body(kept(body)).into()
}

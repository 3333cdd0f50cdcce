//! Answers that are lists, and the list of models.

use conversant_core::{DecodeError, ModelError};

use super::{
    api_error,
    decode::{excerpt, read, text_of},
    tolerant::{AnyValue, Count, List, Text, tolerant},
};

/// The maximum number of items in such a list.
pub(super) const MAX_ITEMS: usize = 100_000;

/// A model that a server has.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct ModelInfo {
    /// Its name, to build an adapter with.
    pub id: String,
    /// The organization that made or serves it, if the server names one.
    pub owned_by: Option<String>,
    /// When it was made, in seconds since 1970, if the server says.
    pub created: Option<u64>,
}

tolerant! {
    struct ModelsIn<'de> {
        data: List<ModelIn<'de>, MAX_ITEMS>,
        error: AnyValue,
    }
    struct ModelIn<'de> {
        id: Text<'de>,
        owned_by: Text<'de>,
        created: Count,
    }
}

/// Reads a list of models.
pub(crate) fn read_models(body: &[u8]) -> Result<Vec<ModelInfo>, ModelError> {
    let list: ModelsIn<'_> = read(text_of(body)?)?;
    let data = data_of(list.data, list.error, body)?;
    let info = |model: ModelIn<'_>| {
        Some(ModelInfo {
            id: model.id?.into_string(),
            owned_by: model.owned_by.map(Text::into_string),
            created: model.created.map(|Count(created)| created),
        })
    };
    Ok(data.into_iter().filter_map(info).collect())
}

/// Returns the items of a list, or the error that the server sent with it or in its place.
pub(super) fn data_of<T, const MAX: usize>(
    data: Option<List<T, MAX>>,
    error: Option<AnyValue>,
    body: &[u8],
) -> Result<Vec<T>, ModelError> {
    let beside = error.and_then(|error| api_error::with_answer(&error.0, body));
    let in_place = || if data.is_none() { api_error::instead_of_answer(body) } else { None };
    if let Some(error) = beside.or_else(in_place) {
        return Err(api_error::in_body(error));
    }
    data.map(|data| data.0).ok_or_else(|| refuse(body, "it has no `data`"))
}

pub(super) fn refuse(body: &[u8], what: &str) -> ModelError {
    DecodeError::new(what).with_body(excerpt(body)).into()
}

//! The list of embeddings.

use conversant_core::ModelError;
use serde::de::SeqAccess;
use serde_json::Value as Json;

use super::{
    decode::{read, text_of},
    lists::{MAX_ITEMS, data_of, refuse},
    tolerant::{AnyValue, Count, List, ReadTolerant, TolerantSeed, Values, tolerant},
};

tolerant! {
    struct EmbeddingsIn<'de> {
        data: List<EmbeddingIn<'de>, MAX_ITEMS>,
        error: AnyValue,
    }
    struct EmbeddingIn<'de> {
        index: Count,
        embedding: Vector,
    }
}

/// A vector. A value that is not a number is `NaN`, which is refused with all others that are not
/// finite.
#[derive(Debug)]
pub(super) struct Vector(Vec<f32>);

impl<'de> ReadTolerant<'de> for Vector {
    fn read_array<A: SeqAccess<'de>>(
        mut items: A,
        values: &Values,
    ) -> Result<Option<Self>, A::Error> {
        let mut vector = Vec::new();
        while let Some(number) = items.next_element_seed(TolerantSeed::new(values))? {
            vector.push(number.map_or(f32::NAN, |Element(number)| number));
        }
        Ok(Some(Self(vector)))
    }
}

#[derive(Debug)]
struct Element(f32);

impl ReadTolerant<'_> for Element {
    #[allow(
        clippy::cast_possible_truncation,
        reason = "the precision of embeddings is that of f32"
    )]
    fn read_scalar(value: Json) -> Option<Self> {
        value.as_f64().map(|number| Self(number as f32))
    }
}

/// Reads the embeddings of a number of texts, in the order of the texts.
///
/// # Errors
/// [`ModelError::Decode`], if there are more or fewer embeddings than texts, if an index is missing
/// or comes twice, or if the vectors are empty, of several lengths or hold a value that is not
/// finite.
pub(crate) fn read_embeddings(body: &[u8], texts: usize) -> Result<Vec<Vec<f32>>, ModelError> {
    let list: EmbeddingsIn<'_> = read(text_of(body)?)?;
    let mut data = data_of(list.data, list.error, body)?;
    if data.len() != texts {
        let what = format!("it has {} embeddings for {texts} texts", data.len());
        return Err(refuse(body, &what));
    }
    // Without any index, the order is that of the texts.
    if data.iter().any(|item| item.index.is_some()) {
        data.sort_by_key(|item| item.index.map_or(u64::MAX, |Count(index)| index));
        let is_ordered = (0..).zip(&data).all(|(index, item)| item.index == Some(Count(index)));
        if !is_ordered {
            return Err(refuse(body, "the indexes of its embeddings are not those of the texts"));
        }
    }
    let vectors: Vec<_> =
        data.into_iter().map(|item| item.embedding.map_or_else(Vec::new, |it| it.0)).collect();
    let length = vectors.first().map_or(0, Vec::len);
    if vectors.iter().any(|vector| vector.is_empty() || vector.len() != length) {
        return Err(refuse(body, "its embeddings are empty or of several lengths"));
    }
    if vectors.iter().flatten().any(|value| !value.is_finite()) {
        return Err(refuse(body, "its embeddings hold a value that is not a finite number"));
    }
    Ok(vectors)
}

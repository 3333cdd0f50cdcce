//! The embeddings seam.

use async_trait::async_trait;

use crate::model::ModelError;

/// A model that turns texts into vectors.
///
/// **Who implements it**: model crates. **Who calls it**: vector stores and memories that search.
#[async_trait]
pub trait Embeddings: Send + Sync {
    /// Returns a vector for each text, in order, all of one length.
    ///
    /// # Errors
    /// [`ModelError`], as for any model.
    async fn embed(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, ModelError>;
}

macro_rules! forward_embeddings {
    ($($pointer:ty),*) => {$(
        #[async_trait]
        impl<E: Embeddings + ?Sized> Embeddings for $pointer {
            async fn embed(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, ModelError> {
                (**self).embed(texts).await
            }
        }
    )*};
}
forward_embeddings!(&E, Box<E>, std::sync::Arc<E>);

//! The embeddings trait.

use async_trait::async_trait;

use crate::model::ModelError;

/// A model that maps texts to vectors.
///
/// Implemented by model crates; called by vector stores and by memories that search.
#[async_trait]
pub trait Embeddings: Send + Sync {
    /// Returns a vector for each text, in order. All vectors have the same length.
    ///
    /// # Errors
    /// [`ModelError`], as for chat models.
    async fn embed(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, ModelError>;
}

macro_rules! forward_embeddings {
    ($($pointer:ty),*) => {$(
        #[deny(clippy::missing_trait_methods)]
        #[async_trait]
        impl<E: Embeddings + ?Sized> Embeddings for $pointer {
            async fn embed(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, ModelError> {
                (**self).embed(texts).await
            }
        }
    )*};
}
forward_embeddings!(&E, Box<E>, std::sync::Arc<E>);

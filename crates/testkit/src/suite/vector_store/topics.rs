//! An embedding model for tests of vector stores.

use std::sync::{Arc, Mutex};

use conversant_core::{Embeddings, ModelError, async_trait};

/// An embedding model of three topics: how often a text has the words `pizza`, `chess` and `rain`.
/// It can be made to fail once.
///
/// # Examples
///
/// ```
/// use conversant_core::Embeddings;
/// use conversant_testkit::{block_on, suite::{EmbeddingFault, TopicEmbeddings}};
///
/// let topics = TopicEmbeddings::new();
/// let texts = ["pizza and pizza".to_owned()];
/// assert_eq!(block_on(topics.embed(&texts))?, [[2.0, 0.0, 0.0]]);
/// topics.fail_next(EmbeddingFault::Fails);
/// assert!(block_on(topics.embed(&texts)).is_err());
/// # Ok::<(), conversant_core::ModelError>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct TopicEmbeddings(Arc<Mutex<Option<EmbeddingFault>>>);

/// A fault of an embedding model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum EmbeddingFault {
    /// The call fails.
    Fails,
    /// It returns no vectors.
    None,
    /// Its vectors have a number that is not finite.
    NotFinite,
    /// Its vectors have 4 numbers instead of 3.
    Longer,
    /// Its last vector has 4 numbers.
    LastIsLonger,
}

impl TopicEmbeddings {
    /// Creates a model.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes the next call go wrong.
    pub fn fail_next(&self, fault: EmbeddingFault) {
        *self.fault() = Some(fault);
    }

    fn fault(&self) -> std::sync::MutexGuard<'_, Option<EmbeddingFault>> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[async_trait]
impl Embeddings for TopicEmbeddings {
    async fn embed(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, ModelError> {
        let vector = |text: &String| {
            ["pizza", "chess", "rain"].map(|topic| text.matches(topic).count() as f32).to_vec()
        };
        let mut vectors: Vec<_> = texts.iter().map(vector).collect();
        match self.fault().take() {
            Some(EmbeddingFault::Fails) => return Err(ModelError::custom("it fails", true, None)),
            Some(EmbeddingFault::None) => vectors.clear(),
            Some(EmbeddingFault::NotFinite) => vectors.fill(vec![f32::NAN; 3]),
            Some(EmbeddingFault::Longer) => vectors.fill(vec![1.0; 4]),
            Some(EmbeddingFault::LastIsLonger) => {
                if let Some(last) = vectors.last_mut() {
                    last.push(1.0);
                }
            }
            None => {}
        }
        Ok(vectors)
    }
}

//! The adapter of the embeddings endpoint.

use std::{fmt, sync::Arc};

use conversant_core::{Embeddings, ModelError, async_trait};
use http::Method;

use super::{builder::OpenAiBuilder, list::models};
use crate::{
    http::Connection,
    wire::{BodyWriter, ModelInfo, read_embeddings},
};

const PATH: &str = "embeddings";
/// The most texts of a request, unless set otherwise: OpenAI's limit.
const BATCH: usize = 2048;

/// An embeddings model behind OpenAI's endpoint, or a server's that imitates it.
///
/// Cheap to clone. More texts than fit into a request are sent in several, one after the other.
///
/// # Examples
///
/// ```
/// use conversant_core::Embeddings;
/// use conversant_models::OpenAiEmbeddings;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let answer = conversant_testkit::Answer::embeddings([vec![0.0, 1.0], vec![1.0, 0.0]]);
/// # let server = conversant_testkit::OpenAiServer::start([answer])?;
/// # let base_url = server.base_url();
/// let model = OpenAiEmbeddings::builder("text-embedding-3-small").base_url(base_url).build()?;
/// let vectors = model.embed(&["river".to_owned(), "stone".to_owned()]).await?;
/// assert_eq!(vectors.len(), 2);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct OpenAiEmbeddings {
    shared: Arc<Shared>,
}

struct Shared {
    connection: Connection,
    /// What every request begins with.
    head: Vec<u8>,
    batch: usize,
}

impl OpenAiEmbeddings {
    /// Starts to build an adapter for a model, by its name at the server.
    pub fn builder(model: impl Into<String>) -> OpenAiBuilder<Self> {
        OpenAiBuilder::new(model.into())
    }

    /// Starts to build an adapter with the key, address and organisation of the environment, as
    /// [`OpenAiChat::from_env`](crate::OpenAiChat::from_env) does.
    pub fn from_env(model: impl Into<String>) -> OpenAiBuilder<Self> {
        OpenAiBuilder::from_env(model.into())
    }

    /// Lists the models that the server has, in its order.
    ///
    /// # Errors
    /// [`ModelError`], as for a call.
    pub async fn models(&self) -> Result<Vec<ModelInfo>, ModelError> {
        models(&self.shared.connection).await
    }
}

impl OpenAiBuilder<OpenAiEmbeddings> {
    /// Sets the length of the vectors, for models that can shorten them.
    pub fn dimensions(mut self, dimensions: u32) -> Self {
        self.params.set("dimensions", dimensions);
        self
    }

    /// Sets how many texts go into a request, at least one: 2048 unless set.
    pub fn batch_size(mut self, texts: usize) -> Self {
        self.settings.batch = Some(texts.max(1));
        self
    }

    /// Builds the adapter. Nothing is sent.
    ///
    /// # Errors
    /// [`ModelError::Config`], which says what is wrong: no key, a base URL that is none, a parameter that can't be sent.
    pub fn build(self) -> Result<OpenAiEmbeddings, ModelError> {
        Ok(OpenAiEmbeddings {
            shared: Arc::new(Shared {
                connection: self.connection()?,
                head: self.params.head(&self.model)?,
                batch: self.settings.batch.unwrap_or(BATCH),
            }),
        })
    }
}

#[async_trait]
impl Embeddings for OpenAiEmbeddings {
    async fn embed(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, ModelError> {
        let shared = &*self.shared;
        let deadline = shared.connection.deadline(None);
        let mut vectors: Vec<Vec<f32>> = Vec::with_capacity(texts.len());
        for batch in texts.chunks(shared.batch) {
            let mut body = BodyWriter::default();
            body.push(&shared.head);
            body.push(b"\"input\":");
            body.push_json(batch);
            body.push(b"}");
            let body = body.finish();
            let received = shared.connection.call(Method::POST, PATH, &body, deadline).await?;
            let read = read_embeddings(&received.body, batch.len());
            vectors.extend(read.map_err(|error| shared.connection.mask.error(error))?);
        }
        Ok(vectors)
    }
}

impl fmt::Debug for OpenAiEmbeddings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenAiEmbeddings")
            .field("connection", &self.shared.connection)
            .finish_non_exhaustive()
    }
}

//! The adapter of the embeddings endpoint.

use std::sync::Arc;

use conversant_core::{DecodeError, Embeddings, EventEmitter, ModelError, async_trait};
use http::Method;

use super::{
    adapter::{Adapter, constructors},
    builder::OpenAiBuilder,
    hints,
};
use crate::{
    http::client::Outgoing,
    wire::{BodyWriter, read_embeddings},
};

const PATH: &str = "embeddings";
/// The default number of texts of a request: 256. OpenAI's limit is 2048, but a vector of 3,072
/// numbers has up to 90 KB of JSON.
const BATCH_SIZE: usize = 256;
/// The most texts of a request for which the limit of a response grows: OpenAI's limit.
const MAX_BATCH: usize = 2048;
/// The room of a vector in a response: 128 KiB, that of 4,096 numbers in full precision.
const VECTOR_BYTES: usize = 128 << 10;

/// An embeddings model behind OpenAI's endpoint (`/embeddings`), or that of a compatible server.
///
/// Needs the feature `embeddings`.
///
/// Cheap to clone: clones share the HTTP client and its connections. Texts that do not fit into one
/// request are sent in several, one after the other, each with its own
/// [`timeout`](OpenAiBuilder::timeout) and retries.
///
/// # Examples
///
/// ```
/// use conversant_core::Embeddings;
/// use conversant_models::OpenAiEmbeddings;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let answer = conversant_testkit::ServerAnswer::embeddings([vec![0.0, 1.0], vec![1.0, 0.0]]);
/// # let server = conversant_testkit::OpenAiServer::start([answer])?;
/// # let base_url = server.base_url();
/// let model = OpenAiEmbeddings::builder("text-embedding-3-small").base_url(base_url).build()?;
/// let vectors = model.embed(&["river".to_owned(), "stone".to_owned()]).await?;
/// assert_eq!(vectors.len(), 2);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct OpenAiEmbeddings {
    adapter: Arc<Adapter>,
}

constructors!(OpenAiEmbeddings);

impl OpenAiBuilder<OpenAiEmbeddings> {
    /// Sets the length of the vectors, for models that can shorten them. By default the model
    /// decides.
    pub fn dimensions(mut self, dimensions: u32) -> Self {
        self.params.set_count("dimensions", dimensions);
        self.settings.dimensions = usize::try_from(dimensions).ok();
        self
    }

    /// Sets the number of texts in a request, at least 1. Default: 256. OpenAI's limit is 2048.
    /// [`max_response_bytes`](Self::max_response_bytes) grows with it, up to 2048 texts, unless it
    /// is set.
    pub fn batch_size(mut self, texts: usize) -> Self {
        self.settings.batch_size = Some(texts.max(1));
        self
    }

    /// Builds the adapter. Nothing is sent.
    ///
    /// # Errors
    /// [`ModelError::Config`], if the API key is missing, or the base URL, the proxy, a certificate
    /// or a parameter is invalid.
    pub fn build(mut self) -> Result<OpenAiEmbeddings, ModelError> {
        let texts = self.settings.batch_size.unwrap_or(BATCH_SIZE);
        self.connection.raise_default_limit(texts.min(MAX_BATCH).saturating_mul(VECTOR_BYTES));
        Ok(OpenAiEmbeddings { adapter: Arc::new(Adapter::new(&self)?) })
    }
}

/// Reads the embeddings of a number of texts, which have the expected length.
fn read(body: &[u8], texts: usize, expected: Option<usize>) -> Result<Vec<Vec<f32>>, ModelError> {
    let vectors = read_embeddings(body, texts)?;
    // All vectors of a batch have one length.
    let length = vectors.first().map_or(0, Vec::len);
    match expected.filter(|expected| *expected != length) {
        None => Ok(vectors),
        Some(expected) => {
            let what = format!("its vectors have {length} dimensions instead of {expected}");
            Err(DecodeError::new(what).into())
        }
    }
}

#[async_trait]
impl Embeddings for OpenAiEmbeddings {
    async fn embed(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, ModelError> {
        let Adapter { connection, settings, head, .. } = &*self.adapter;
        let mut vectors: Vec<Vec<f32>> = Vec::with_capacity(texts.len());
        for batch in texts.chunks(settings.batch_size.unwrap_or(BATCH_SIZE)) {
            let mut body = BodyWriter::default();
            body.push(head);
            body.push(b"\"input\":");
            body.push_json(batch);
            body.push(b"}");
            let body = body.finish();
            let request = Outgoing { method: Method::POST, path: PATH, body: &body };
            // Each request has the whole time: the number of texts is the caller's.
            let mut call = connection.start(None)?;
            let events = EventEmitter::disabled();
            let expected = settings.dimensions.or(vectors.first().map(Vec::len));
            let decode = |body: &[u8]| read(body, batch.len(), expected);
            let embedded = connection.call(&request, &mut call, &events, decode).await;
            vectors.extend(embedded.map_err(hints::add_to_embeddings)?.0);
        }
        Ok(vectors)
    }
}

//! The builder of the adapters: the model, its parameters, and the limits of a call.

mod connection;
pub(super) mod connection_settings;
mod conversation;
pub mod markers;
mod sampling;

use std::{fmt, marker::PhantomData};

use serde_json::Value as Json;

use self::connection_settings::ConnectionSettings;
use super::params::Params;
use crate::dialect::Dialect;

/// A builder of [`OpenAiChat`](crate::OpenAiChat), [`OpenAi`](crate::OpenAi), `OpenAiResponses`
/// (feature `responses`) or `OpenAiEmbeddings` (feature `embeddings`).
///
/// Parameters of the model that are not set are not sent, so that the server's defaults hold. The
/// one exception is `max_tokens` of [`OpenAi`](crate::OpenAi). Invalid settings are an error of
/// `build`, which names all that it can find at once. `Debug` shows no keys.
///
/// | setting | default |
/// |---|---|
/// | [`base_url`](Self::base_url) | `https://api.openai.com/v1` |
/// | [`timeout`](Self::timeout), the whole call | 10 minutes |
/// | [`connect_timeout`](Self::connect_timeout) | 5 s |
/// | [`header_timeout`](Self::header_timeout) | that of the whole call |
/// | [`idle_timeout`](Self::idle_timeout) | 5 minutes in a stream, else that of the whole call |
/// | [`max_retries`](Self::max_retries) | 2 |
/// | [`backoff`](Self::backoff) | 0.5 s, doubled up to 8 s |
/// | longest `Retry-After` that is honoured | 120 s |
/// | [`retry_budget`](Self::retry_budget) | unlimited |
/// | [`max_response_bytes`](Self::max_response_bytes) | 32 MiB; of embeddings, at least 128 KiB a text |
/// | largest event of a stream | 4 MiB, and at most 8 times `max_response_bytes` |
/// | [`proxy`](Self::proxy) | that of the environment or the system |
/// | [`root_certificates`](Self::root_certificates) | those of the system |
/// | [`stream_usage`](Self::stream_usage), [`developer_role`](Self::developer_role) | as the [`Dialect`] says: `true` for OpenAI, and `false` |
/// | other switches | `false` |
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use conversant_models::OpenAiChat;
/// use serde_json::json;
///
/// let model = OpenAiChat::builder("qwen3-8b")
///     .base_url("http://localhost:8000/v1")
///     .temperature(0.2)
///     .max_tokens(400)
///     .stop(["\nHuman:"])
///     .extra("top_k", json!(20)) // a parameter of vLLM
///     .timeout(Duration::from_secs(60))
///     .build()?;
/// # Ok::<(), conversant_core::ModelError>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct OpenAiBuilder<M> {
    pub(super) model: String,
    pub(super) params: Params,
    pub(super) settings: Settings,
    pub(super) connection: ConnectionSettings,
    adapter: PhantomData<fn() -> M>,
}

/// Settings of the adapter's own behaviour. They are not sent to the server.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Settings {
    pub(crate) require_complete: bool,
    pub(crate) refuse_empty: bool,
    pub(crate) require_done: bool,
    pub(crate) comments_keep_alive: bool,
    /// Whether system messages have the role `developer`, if it is not as the dialect says.
    pub(crate) developer_role: Option<bool>,
    /// Whether streams report their usage, if it is not as the dialect says.
    pub(crate) stream_usage: Option<bool>,
    pub(crate) cache_breakpoints: bool,
    /// The dialect of the server, if it is not that of its host.
    pub(crate) dialect: Option<Dialect>,
    /// The number of texts in a request for embeddings.
    #[cfg(feature = "embeddings")]
    pub(crate) batch_size: Option<usize>,
    /// The length of vectors that is asked for.
    #[cfg(feature = "embeddings")]
    pub(crate) dimensions: Option<usize>,
}

impl<M> OpenAiBuilder<M> {
    pub(super) fn new(model: String) -> Self {
        Self {
            model,
            params: Params::default(),
            settings: Settings::default(),
            connection: ConnectionSettings::default(),
            adapter: PhantomData,
        }
    }

    pub(super) fn from_env(model: String) -> Self {
        Self { connection: ConnectionSettings::from_env(), ..Self::new(model) }
    }

    /// Sets the dialect of the server, in place of that of its host: for a gateway in front of it.
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_models::{Dialect, OpenAiChat};
    ///
    /// let mut dialect = Dialect::for_host("api.openai.com");
    /// dialect.json_schema = false;
    /// let model = OpenAiChat::builder("m")
    ///     .base_url("https://gateway.example/v1")
    ///     .api_key("key")
    ///     .dialect(dialect)
    ///     .build()?;
    /// # Ok::<(), conversant_core::ModelError>(())
    /// ```
    pub fn dialect(mut self, dialect: Dialect) -> Self {
        self.settings.dialect = Some(dialect);
        self
    }

    /// Sets the opaque name of the end user.
    pub fn user(mut self, user: impl Into<String>) -> Self {
        self.params.set("user", user.into());
        self
    }

    /// Sets a parameter that has no method here, by its name on the wire. Texts of 8 bytes and more
    /// below names that end with `key`, `token`, `secret`, `password` and the like are masked in
    /// errors, as the API key is: servers quote what they refuse.
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_models::OpenAiChat;
    ///
    /// let model = OpenAiChat::builder("m").api_key("key").extra("top_k", 40).build()?;
    /// # Ok::<(), conversant_core::ModelError>(())
    /// ```
    pub fn extra(mut self, name: impl AsRef<str>, value: impl Into<Json>) -> Self {
        self.params.set_extra(name.as_ref(), value);
        self
    }
}

impl<M> fmt::Debug for OpenAiBuilder<M> {
    /// Shows neither keys nor addresses: an unchecked address may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenAiBuilder")
            .field("model", &self.model)
            .field("params", &self.params)
            .field("settings", &self.settings)
            .field("timeouts", &self.connection.timeouts)
            .finish_non_exhaustive()
    }
}

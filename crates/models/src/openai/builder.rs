//! Settings of an adapter: the model, its parameters, the server and the limits of a call.

mod sampling;

use std::{env, fmt, marker::PhantomData, sync::Arc, time::Duration};

use conversant_core::ModelError;
use http::header::{
    ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, USER_AGENT,
};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value as Json;

pub use self::sampling::Generates;
use super::params::Params;
use crate::dialect::Dialect;
use crate::http::{
    AGENT, BODY, CONNECT, Connection, Endpoint, GivenClient, HttpClient, Mask, Retries, Timers,
};

/// OpenAI's own address.
const OPENAI: &str = "https://api.openai.com/v1";

/// Builds an adapter: [`OpenAiChat`](crate::OpenAiChat) or [`OpenAi`](crate::OpenAi).
///
/// What is not set is not sent, and the server's own default holds, with one exception that
/// [`OpenAi`](crate::OpenAi) documents. Faults are told by `build`.
///
/// `Debug` shows no key.
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
///     .extra("top_k", json!(20)) // a parameter of vLLM's
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
    base_url: String,
    allow_plain_http: bool,
    azure: Option<Azure>,
    key: Option<SecretString>,
    headers: Vec<(String, SecretString)>,
    client: Option<GivenClient>,
    connect: Duration,
    timers: Timers,
    retries: Retries,
    body_limit: usize,
    adapter: PhantomData<fn() -> M>,
}

/// A deployment of Azure OpenAI.
#[derive(Debug, Clone)]
struct Azure {
    deployment: String,
    version: String,
}

/// What an adapter itself goes by.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Settings {
    pub(super) require_complete: bool,
    pub(super) refuse_empty: bool,
    pub(super) require_done: bool,
    pub(super) comments_keep_alive: bool,
    pub(super) developer_role: bool,
    pub(super) stream_usage: bool,
    /// The dialect of the server, if it is not that of its host.
    pub(super) dialect: Option<Dialect>,
    /// How many texts go into a request for embeddings.
    pub(super) batch: Option<usize>,
}

impl<M> OpenAiBuilder<M> {
    pub(super) fn new(model: String) -> Self {
        Self {
            model,
            params: Params::default(),
            settings: Settings::default(),
            base_url: OPENAI.to_owned(),
            allow_plain_http: false,
            azure: None,
            key: None,
            headers: Vec::new(),
            client: None,
            connect: CONNECT,
            timers: Timers::default(),
            retries: Retries::new(2),
            body_limit: BODY,
            adapter: PhantomData,
        }
    }

    pub(super) fn from_env(model: String) -> Self {
        let variable = |name| env::var(name).ok().filter(|value| !value.trim().is_empty());
        let mut builder = Self::new(model);
        if let Some(key) = variable("OPENAI_API_KEY") {
            builder = builder.api_key(key);
        }
        if let Some(base_url) = variable("OPENAI_BASE_URL") {
            builder = builder.base_url(base_url);
        }
        if let Some(organization) = variable("OPENAI_ORG_ID") {
            builder = builder.organization(organization);
        }
        builder
    }

    /// Sets the API key. White space around it is cut off. A server on this machine needs none.
    pub fn api_key(mut self, key: impl Into<SecretString>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// Sets the server's address, up to and with its version: `https://api.openai.com/v1`, which is the default.
    ///
    /// It must be https; http is for servers on this machine, unless [`allow_plain_http`](Self::allow_plain_http) is set.
    pub fn base_url(mut self, url: impl Into<String>) -> Self {
        self.base_url = url.into();
        self
    }

    /// Allows plain HTTP to another machine, where everyone on the way can read the key and the conversation.
    pub fn allow_plain_http(mut self) -> Self {
        self.allow_plain_http = true;
        self
    }

    /// Talks to Azure OpenAI: a resource's address (`https://NAME.openai.azure.com`), the name of a deployment, and the version of the
    /// interface, such as `2024-10-21`. The key goes out as `api-key`; for a token of Entra ID set the `authorization`
    /// [`header`](Self::header) instead.
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_models::OpenAiChat;
    ///
    /// let model = OpenAiChat::builder("gpt-4o")
    ///     .azure("https://contoso.openai.azure.com", "my-gpt-4o", "2024-10-21")
    ///     .api_key("…")
    /// #   .api_key("key")
    ///     .build()?;
    /// # Ok::<(), conversant_core::ModelError>(())
    /// ```
    pub fn azure(
        mut self,
        endpoint: impl Into<String>,
        deployment: impl Into<String>,
        api_version: impl Into<String>,
    ) -> Self {
        self.base_url = endpoint.into();
        self.azure = Some(Azure { deployment: deployment.into(), version: api_version.into() });
        self
    }

    /// Sets the organisation that the call is billed to.
    pub fn organization(self, organization: impl Into<String>) -> Self {
        self.header("openai-organization", organization.into())
    }

    /// Sets the project that the call is billed to.
    pub fn project(self, project: impl Into<String>) -> Self {
        self.header("openai-project", project.into())
    }

    /// Sets a header that goes out with every request. Its value is taken for a secret, like the key.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<SecretString>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sets who the end user is, as an opaque name.
    pub fn user(mut self, user: impl Into<String>) -> Self {
        self.params.set("user", user.into());
        self
    }

    /// Sets a parameter of a server's own, or one that has no method here, by its name on the wire.
    pub fn extra(mut self, name: impl AsRef<str>, value: impl Into<Json>) -> Self {
        self.params.set(name.as_ref(), value);
        self
    }

    /// Sets the dialect of the server, in place of that of its host: for a gateway in front of it.
    pub fn dialect(mut self, dialect: Dialect) -> Self {
        self.settings.dialect = Some(dialect);
        self
    }

    /// Sets how long a call may take in all, retries included: 10 minutes unless set. A call's own
    /// [`deadline`](conversant_core::CallOptions::deadline) holds as well, whichever is earlier.
    pub fn timeout(mut self, total: Duration) -> Self {
        self.timers.total = total;
        self
    }

    /// Sets how long making a connection may take: 5 s unless set. An adapter that sets it has a client of its own.
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.connect = limit;
        self
    }

    /// Sets how long a response may take to begin: 5 minutes unless set.
    pub fn header_timeout(mut self, limit: Duration) -> Self {
        self.timers.headers = limit;
        self
    }

    /// Sets how long a response may pause once it has begun: 5 minutes unless set.
    pub fn idle_timeout(mut self, limit: Duration) -> Self {
        self.timers.idle = limit;
        self
    }

    /// Sets how often a failed call is repeated at most: twice unless set. Only what is safe to repeat is: failed connections,
    /// and statuses that ask for it (408, 409, 429, 5xx), after the wait that the server asks for or one of our own.
    pub fn max_retries(mut self, retries: u32) -> Self {
        self.retries.set_max(retries);
        self
    }

    /// Limits the repetitions over all calls of the adapter and its clones, to so many for each call on average: `0.2` adds a fifth
    /// to the requests at most, when a server is in trouble for long. A first ten are free. Without it only
    /// [`max_retries`](Self::max_retries) limits them.
    pub fn retry_budget(mut self, for_each_call: f64) -> Self {
        self.retries.set_budget(for_each_call);
        self
    }

    /// Sets the waits between attempts where the server asks for none: the first, which doubles with each, and the longest. Half a
    /// second and 8 s unless set; up to a quarter less at random.
    pub fn backoff(mut self, first: Duration, longest: Duration) -> Self {
        self.retries.set_backoff(first, longest);
        self
    }

    /// Sets the largest response, in bytes: 32 MiB unless set. Of a streamed answer, it is the answer itself that counts.
    pub fn response_limit(mut self, bytes: usize) -> Self {
        self.body_limit = bytes;
        self
    }

    /// Sets the HTTP client to send with, in place of the shared one: for a proxy, certificates or a resolver of one's own.
    ///
    /// The client should follow no redirects: an answer from elsewhere is refused, but by then the conversation has been there. Its own
    /// time limits hold besides the adapter's.
    #[cfg(feature = "reqwest")]
    pub fn http_client(mut self, client: reqwest::Client) -> Self {
        self.client = Some(client);
        self
    }

    /// Checks the settings of the connection.
    pub(super) fn connection(&self) -> Result<Connection, ModelError> {
        if self.model.trim().is_empty() {
            return Err(ModelError::config("the model's name is empty"));
        }
        let mut endpoint = Endpoint::new(&self.base_url, self.allow_plain_http)?;
        if let Some(azure) = &self.azure {
            endpoint.set_azure(&azure.deployment, &azure.version);
        }
        let key = self.key.as_ref().map(|key| key.expose_secret().trim()).unwrap_or_default();
        if key.is_empty() && !endpoint.is_loopback() && !self.has_header(AUTHORIZATION.as_str()) {
            return Err(ModelError::config(
                "there is no API key: set `OPENAI_API_KEY` and use `from_env`, or give one with \
                 `api_key`; only a server on this machine needs none",
            ));
        }
        Ok(Connection {
            client: HttpClient::new(self.client.clone(), self.connect),
            headers: self.header_map(key, &endpoint)?,
            endpoint,
            mask: self.mask(key),
            timers: self.timers,
            retries: self.retries.clone(),
            body_limit: self.body_limit,
            last_used: Arc::default(),
        })
    }

    fn has_header(&self, name: &str) -> bool {
        self.headers.iter().any(|(known, _)| known.eq_ignore_ascii_case(name))
    }

    fn header_map(&self, key: &str, endpoint: &Endpoint) -> Result<HeaderMap, ModelError> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        if self.client.is_none() {
            // The client would make these for each request.
            headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
            headers.extend(endpoint.plain_host().map(|host| (HOST, host)));
        }
        if !key.is_empty() {
            let (name, value) = match &self.azure {
                Some(_) => (HeaderName::from_static("api-key"), secret_value(key)),
                None => (AUTHORIZATION, secret_value(&format!("Bearer {key}"))),
            };
            let value = value.ok_or_else(|| {
                ModelError::config("the API key holds characters that no key has")
            })?;
            headers.insert(name, value);
        }
        for (name, value) in &self.headers {
            let value = secret_value(value.expose_secret()).ok_or_else(|| {
                ModelError::config(format!("the value of header `{name}` can't be sent"))
            })?;
            let name: HeaderName = name
                .parse()
                .map_err(|_| ModelError::config(format!("`{name}` is no name of a header")))?;
            headers.insert(name, value);
        }
        Ok(headers)
    }

    /// The organisation and the project are masked with the other headers: they are nobody's business either.
    fn mask(&self, key: &str) -> Mask {
        let headers = self.headers.iter().map(|(_, value)| value.clone());
        Mask::new(headers.chain([SecretString::from(key)]))
    }
}

impl<M> fmt::Debug for OpenAiBuilder<M> {
    /// Shows neither keys nor addresses: what is not checked yet may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenAiBuilder")
            .field("model", &self.model)
            .field("params", &self.params)
            .field("settings", &self.settings)
            .field("timers", &self.timers)
            .finish_non_exhaustive()
    }
}

fn secret_value(value: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(value).ok()?;
    value.set_sensitive(true);
    Some(value)
}

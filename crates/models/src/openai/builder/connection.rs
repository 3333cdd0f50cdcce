//! Settings of the connection: the server, the key, the limits of a call, and the HTTP client.

use std::time::Duration;

use bytes::Bytes;
use conversant_core::BoxError;
use http_body::Body;
use secrecy::SecretString;
use tower_service::Service;

use super::{
    OpenAiBuilder,
    connection_settings::{Azure, BASE_URL, KEY},
};
use crate::http::{custom_client::CustomClient, proxy::ProxySetting};

impl<M> OpenAiBuilder<M> {
    /// Sets the API key, without the white space around it. A server on this machine needs none.
    pub fn api_key(mut self, key: impl Into<SecretString>) -> Self {
        self.connection.replace(KEY);
        self.connection.key = Some(key.into());
        self
    }

    /// Sets the server's base URL, up to and including the version. Default:
    /// `https://api.openai.com/v1`. A URL that already names the endpoint, such as
    /// `…/v1/chat/completions`, is accepted too.
    ///
    /// It must be https, except for servers on this machine and with
    /// [`allow_plain_http`](Self::allow_plain_http).
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_models::OpenAiChat;
    ///
    /// let model = OpenAiChat::builder("llama3.2").base_url("http://127.0.0.1:11434/v1").build()?;
    /// let plain = OpenAiChat::builder("m").base_url("http://models.example/v1").api_key("key");
    /// assert!(plain.build().is_err(), "plain HTTP to another machine");
    /// # Ok::<(), conversant_core::ModelError>(())
    /// ```
    pub fn base_url(mut self, url: impl Into<String>) -> Self {
        self.connection.replace(BASE_URL);
        self.connection.base_url = url.into();
        self
    }

    /// Sets whether plain HTTP to another machine is allowed, which sends the key and the
    /// conversation in clear. Default: `false`.
    pub fn allow_plain_http(mut self, allow: bool) -> Self {
        self.connection.allow_plain_http = allow;
        self
    }

    /// Sets a deployment of Azure OpenAI: the resource's address
    /// (`https://NAME.openai.azure.com`), the name of the deployment, and the API version, such as
    /// `2024-10-21`. The address may be the whole "Target URI" of Azure's portal. The key is sent
    /// as `api-key`; for a token of Entra ID set the `authorization` [`header`](Self::header)
    /// instead. An endpoint `…/openai/v1` has no deployments: set it with
    /// [`base_url`](Self::base_url). It is the one that `OpenAiResponses` needs.
    ///
    /// At any address, requests are written as Azure needs them, and observers see the provider
    /// `azure.ai.openai`; [`dialect`](Self::dialect) sets another form.
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_models::OpenAiChat;
    ///
    /// let model = OpenAiChat::builder("gpt-6-luna")
    ///     .azure("https://contoso.openai.azure.com", "my-deployment", "2024-10-21")
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
        self.connection.replace(BASE_URL);
        self.connection.base_url = endpoint.into();
        self.connection.azure =
            Some(Azure { deployment: deployment.into(), version: api_version.into() });
        self
    }

    /// Sets the organization that calls are billed to.
    pub fn organization(mut self, organization: impl Into<String>) -> Self {
        self.connection.set_organization(organization.into());
        self
    }

    /// Sets the project that calls are billed to.
    pub fn project(self, project: impl Into<String>) -> Self {
        self.header("openai-project", project.into())
    }

    /// Sets a header of every request. Its value is treated as a secret, like the key. `build`
    /// refuses those that the HTTP client sets, such as `content-length` and `host`.
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_models::OpenAiChat;
    ///
    /// let model = OpenAiChat::builder("m")
    ///     .base_url("https://gateway.example/v1")
    ///     .api_key("key")
    ///     .header("x-team", "search")
    ///     .build()?;
    /// # Ok::<(), conversant_core::ModelError>(())
    /// ```
    pub fn header(mut self, name: impl Into<String>, value: impl Into<SecretString>) -> Self {
        self.connection.headers.push((name.into(), value.into()));
        self
    }

    /// Sets the time limit of a whole call, retries included. Default: 10 minutes. The
    /// [`deadline`](conversant_core::CallOptions::deadline) of a call holds as well. Embeddings of
    /// more texts than one request takes are a call for each request.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use conversant_models::OpenAiChat;
    ///
    /// let model = OpenAiChat::builder("m")
    ///     .api_key("key")
    ///     .timeout(Duration::from_secs(60))
    ///     .idle_timeout(Duration::from_secs(15))
    ///     .max_retries(3)
    ///     .build()?;
    /// # Ok::<(), conversant_core::ModelError>(())
    /// ```
    pub fn timeout(mut self, total: Duration) -> Self {
        self.connection.timeouts.total = total;
        self
    }

    /// Sets the time limit for making a connection, TLS included. Default: 5 s.
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.connection.client.connect_timeout = limit;
        self
    }

    /// Sets the time limit for the head of a response, from the start of an attempt. Default: the
    /// time of the whole call ([`timeout`](Self::timeout)).
    ///
    /// A server that does not stream sends the head with the answer. An attempt that reaches this
    /// limit is repeated, although the server may be working on it and charge for both.
    pub fn header_timeout(mut self, limit: Duration) -> Self {
        self.connection.timeouts.headers = limit;
        self
    }

    /// Sets the time limit between two pieces of a response. Default: 5 minutes in a stream, and up
    /// to the first piece of an answer the time of the whole call ([`timeout`](Self::timeout)).
    pub fn idle_timeout(mut self, limit: Duration) -> Self {
        self.connection.timeouts.idle = Some(limit);
        self
    }

    /// Sets the maximum number of retries of a call. Default: 2.
    ///
    /// Retried are failed connections, an answer that does not begin or go on in its time
    /// ([`header_timeout`](Self::header_timeout), [`idle_timeout`](Self::idle_timeout)), the
    /// statuses 408, 409, 429 and 5xx, and others with the header `x-should-retry: true`. So are
    /// the errors of such kinds that a server reports in place of an answer with status 200, in the
    /// body or in the first event of a stream. A retry comes after the wait that the server asks
    /// for, or else after the [`backoff`](Self::backoff).
    ///
    /// Not retried are an exhausted quota, a prompt that is too long, what the server forbids by
    /// `x-should-retry: false`, a wait of more than 120 s that it asks for, and a stream whose
    /// first piece was received.
    pub fn max_retries(mut self, retries: u32) -> Self {
        self.connection.retries.set_max(retries);
        self
    }

    /// Caps the retries of an adapter and its clones at `ratio` per call. For example, `0.2` adds
    /// at most 20 % more requests during an outage. The budget starts at 10 retries, and each
    /// adapter that is built has its own. Default: unlimited.
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_models::OpenAiChat;
    ///
    /// let builder = OpenAiChat::from_env("gpt-6-luna").max_retries(4).retry_budget(0.2);
    /// ```
    pub fn retry_budget(mut self, ratio: f64) -> Self {
        self.connection.retry_budget = Some(ratio);
        self
    }

    /// Sets the wait between attempts where the server does not ask for one: the first, which
    /// doubles with each retry, and the longest. Default: 0.5 s and 8 s. Up to a quarter of a wait
    /// is taken off at random.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use conversant_models::OpenAiChat;
    ///
    /// let builder = OpenAiChat::from_env("gpt-6-luna")
    ///     .backoff(Duration::from_millis(100), Duration::from_secs(2));
    /// ```
    pub fn backoff(mut self, first: Duration, longest: Duration) -> Self {
        self.connection.retries.set_backoff(first, longest);
        self
    }

    /// Sets the size limit of a response, in bytes. Default: 32 MiB; of embeddings, at least 128
    /// KiB for each text of a request. Of a streamed answer, all that is kept counts, a value of
    /// JSON at least 32 bytes; an event of the stream may have 4 MiB, and at most 8 times this
    /// limit. Of a compressed one, all bytes count, decompressed.
    ///
    /// An answer keeps at most 262,144 values as JSON: an answer with more is an error, and tool
    /// calls with more in their arguments are invalid.
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_models::OpenAiChat;
    ///
    /// let builder = OpenAiChat::from_env("gpt-6-luna").max_response_bytes(1 << 20);
    /// ```
    pub fn max_response_bytes(mut self, bytes: usize) -> Self {
        self.connection.max_response_bytes = Some(bytes);
        self
    }

    /// Sets the proxy: an `http`, `https`, `socks4` or `socks5` URL, perhaps with a user and a
    /// password. SOCKS needs the feature `socks`.
    ///
    /// By default the proxy of the environment is used (`HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`,
    /// except for the servers of `NO_PROXY`), or that of the system's settings on macOS and
    /// Windows. They are read by `build`. Plain HTTP to this machine is not sent through them.
    ///
    /// A proxy that cannot be used is an error: no request bypasses it. A proxy resolves the
    /// server's name itself. It sees requests in clear only if the base URL is plain HTTP.
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_models::OpenAiChat;
    ///
    /// let builder = OpenAiChat::from_env("gpt-6-luna").proxy("http://proxy.example:3128");
    /// ```
    pub fn proxy(mut self, url: impl Into<SecretString>) -> Self {
        self.connection.client.proxy = ProxySetting::Url(url.into());
        self
    }

    /// Disables proxies, including those of the environment.
    pub fn no_proxy(mut self) -> Self {
        self.connection.client.proxy = ProxySetting::Direct;
        self
    }

    /// Adds root certificates in PEM to those of the system, for a server or a gateway whose
    /// certificates are signed by an authority of your own.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use conversant_models::OpenAiChat;
    ///
    /// let model = OpenAiChat::from_env("gpt-6-luna")
    ///     .base_url("https://gateway.internal/v1")
    ///     .root_certificates(std::fs::read("authority.pem")?)
    ///     .build()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn root_certificates(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.connection.client.root_certificates.push(pem.into());
        self
    }

    /// Sets the HTTP client, in place of the built-in one: any [`Service`] of HTTP requests whose
    /// types convert from and into those of the `http` crate, such as a `reqwest::Client`.
    ///
    /// The adapter's time limits, size limits and retries hold as before; [`proxy`](Self::proxy),
    /// [`root_certificates`](Self::root_certificates) and
    /// [`connect_timeout`](Self::connect_timeout) do not, since they are the client's. The client
    /// must not follow redirects, which would send the conversation and the key elsewhere.
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_models::OpenAiChat;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let tls = rustls::ClientConfig::builder_with_provider(std::sync::Arc::new(
    /// #     rustls::crypto::ring::default_provider(),
    /// # ));
    /// # let tls = tls.with_safe_default_protocol_versions()?;
    /// # let tls = tls.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth();
    /// let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
    /// # let client = client.tls_backend_preconfigured(tls);
    /// let builder = OpenAiChat::from_env("gpt-6-luna").http_client(client.build()?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn http_client<S, Q, P, B>(mut self, client: S) -> Self
    where
        S: Service<Q, Response = P> + Clone + Send + Sync + 'static,
        S::Future: Send,
        S::Error: Into<BoxError>,
        Q: TryFrom<http::Request<Bytes>> + Send + 'static,
        Q::Error: Into<BoxError>,
        P: Into<http::Response<B>>,
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        self.connection.client.custom = Some(CustomClient::new(client));
        self
    }
}

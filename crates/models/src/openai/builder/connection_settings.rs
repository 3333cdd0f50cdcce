//! The settings of a connection without the type of the adapter, so that they are compiled once.

use std::{
    env::{self, VarError},
    sync::Arc,
    time::Duration,
};

use conversant_core::ModelError;
#[cfg(not(feature = "gzip"))]
use http::header::ACCEPT_ENCODING;
use http::header::{
    ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue,
    USER_AGENT as USER_AGENT_HEADER,
};
use secrecy::{ExposeSecret, SecretString};

use crate::{
    http::{
        client::{ClientSettings, HttpClient},
        config::{MAX_RESPONSE_BYTES, MAX_RETRIES, USER_AGENT},
        endpoint::Endpoint,
        masking::Mask,
        retry::Retries,
        send::Connection,
        timeouts::Timeouts,
    },
    openai::faults::Faults,
};

pub(super) const KEY: &str = "OPENAI_API_KEY";
pub(super) const BASE_URL: &str = "OPENAI_BASE_URL";
pub(super) const ORGANIZATION: &str = "OPENAI_ORG_ID";

/// OpenAI's base URL.
const OPENAI: &str = "https://api.openai.com/v1";

/// The headers of the HTTP client, by which servers find the end of a request and its connection.
/// Another value breaks the request, or mixes it up with the next one.
const OF_CLIENT: &[&str] = &[
    "content-length",
    "content-encoding",
    "transfer-encoding",
    "host",
    "connection",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "upgrade",
    "expect",
];

/// The settings of a connection, unchecked.
#[derive(Clone)]
pub(crate) struct ConnectionSettings {
    pub(super) base_url: String,
    pub(super) allow_plain_http: bool,
    pub(super) azure: Option<Azure>,
    pub(super) key: Option<SecretString>,
    /// The variables of the environment that have no readable value, unless another one was set.
    unreadable: Vec<&'static str>,
    pub(super) headers: Vec<(String, SecretString)>,
    pub(super) client: ClientSettings,
    pub(super) timeouts: Timeouts,
    pub(super) retries: Retries,
    /// The cap on retries. Each adapter that is built counts its own.
    pub(super) retry_budget: Option<f64>,
    /// The size limit of a response, unless it is the default.
    pub(super) max_response_bytes: Option<usize>,
}

/// A deployment of Azure OpenAI.
#[derive(Debug, Clone)]
pub(super) struct Azure {
    pub(super) deployment: String,
    pub(super) version: String,
}

impl Default for ConnectionSettings {
    fn default() -> Self {
        Self {
            base_url: OPENAI.to_owned(),
            allow_plain_http: false,
            azure: None,
            key: None,
            unreadable: Vec::new(),
            headers: Vec::new(),
            client: ClientSettings::default(),
            timeouts: Timeouts::default(),
            retries: Retries::new(MAX_RETRIES),
            retry_budget: None,
            max_response_bytes: None,
        }
    }
}

impl ConnectionSettings {
    /// Returns the defaults with the key, the base URL and the organization of the environment.
    pub(super) fn from_env() -> Self {
        let mut settings = Self::default();
        settings.key = settings.variable(KEY).map(SecretString::from);
        if let Some(base_url) = settings.variable(BASE_URL) {
            settings.base_url = base_url;
        }
        if let Some(organization) = settings.variable(ORGANIZATION) {
            settings.set_organization(organization);
        }
        settings
    }

    fn variable(&mut self, name: &'static str) -> Option<String> {
        match env::var(name) {
            Ok(value) => Some(value).filter(|value| !value.trim().is_empty()),
            Err(VarError::NotPresent) => None,
            Err(VarError::NotUnicode(_)) => {
                self.unreadable.push(name);
                None
            }
        }
    }

    /// Forgets that a variable is unreadable, since another value is set.
    pub(super) fn replace(&mut self, variable: &str) {
        self.unreadable.retain(|name| *name != variable);
    }

    pub(super) fn set_organization(&mut self, organization: String) {
        self.replace(ORGANIZATION);
        self.headers.push(("openai-organization".to_owned(), organization.into()));
    }

    /// Returns whether the server is a deployment of Azure OpenAI.
    pub(crate) const fn is_azure(&self) -> bool {
        self.azure.is_some()
    }

    /// Raises the default size limit of a response.
    #[cfg(feature = "embeddings")]
    pub(crate) fn raise_default_limit(&mut self, bytes: usize) {
        self.max_response_bytes.get_or_insert(bytes.max(MAX_RESPONSE_BYTES));
    }

    /// Makes the connection of an adapter, or notes what is invalid.
    pub(crate) fn check(&self, faults: &mut Faults) -> Option<Connection> {
        self.check_limits(faults);
        let mut endpoint = faults.take(Endpoint::new(&self.base_url, self.allow_plain_http))?;
        if let Some(azure) = &self.azure {
            faults.take(endpoint.set_azure(&azure.deployment, &azure.version));
        }
        let key = self.key.as_ref().map(|key| key.expose_secret().trim()).unwrap_or_default();
        if key.is_empty() && !endpoint.is_loopback() && !self.has_header(AUTHORIZATION.as_str()) {
            faults.add(
                "missing API key; set `OPENAI_API_KEY` and use `from_env`, or set it with \
                 `api_key` (only a server on this machine needs none)",
            );
        }
        let client = faults.take(HttpClient::new(&self.client, &endpoint))?;
        let mut headers = faults.take(self.header_map(key, &endpoint, &client))?;
        headers.extend(client.proxy_header(&endpoint));
        let keys: Vec<_> = endpoint.keys().map(SecretString::from).collect();
        Some(Connection {
            client,
            headers,
            endpoint,
            mask: self.mask(key, keys),
            timeouts: self.timeouts,
            retries: self.retries.clone().with_budget(self.retry_budget),
            max_response_bytes: self.max_response_bytes.unwrap_or(MAX_RESPONSE_BYTES),
            last_used: Arc::default(),
            runtimes: Arc::default(),
        })
    }

    /// Notes limits with which no call could succeed, and what the environment lacks.
    fn check_limits(&self, faults: &mut Faults) {
        if !self.unreadable.is_empty() {
            // The call would go to another server, or be billed elsewhere.
            let names = self.unreadable.join("`, `");
            faults
                .add(format!("cannot read `{names}` of the environment: not UTF-8; set it again"));
        }
        if self.retry_budget.is_some_and(|ratio| !ratio.is_finite() || ratio < 0.0) {
            faults.add("`retry_budget` must be finite and not negative");
        }
        let Timeouts { headers, idle, total } = self.timeouts;
        let limits = [Some(headers), idle, Some(total), Some(self.client.connect_timeout)];
        if limits.iter().flatten().any(Duration::is_zero) {
            faults.add("a timeout of zero: no call could succeed");
        }
        if self.max_response_bytes == Some(0) {
            faults.add("`max_response_bytes` must be at least 1: no call could succeed");
        }
    }

    fn has_header(&self, name: &str) -> bool {
        self.headers.iter().any(|(known, _)| known.eq_ignore_ascii_case(name))
    }

    fn header_map(
        &self,
        key: &str,
        endpoint: &Endpoint,
        client: &HttpClient,
    ) -> Result<HeaderMap, ModelError> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        if !client.is_custom() {
            // hyper would make the host anew for each request.
            headers.insert(USER_AGENT_HEADER, HeaderValue::from_static(USER_AGENT));
            headers.extend(endpoint.plain_host().map(|host| (HOST, host)));
            #[cfg(not(feature = "gzip"))]
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        }
        if !key.is_empty() {
            let (name, value) = match &self.azure {
                Some(_) => (HeaderName::from_static("api-key"), secret_value(key)),
                None => (AUTHORIZATION, secret_value(&format!("Bearer {key}"))),
            };
            let value = value.ok_or_else(|| {
                ModelError::config(
                    "invalid API key: it contains characters that a header cannot have",
                )
            })?;
            headers.insert(name, value);
        }
        for (name, value) in &self.headers {
            let value = secret_value(value.expose_secret())
                .ok_or_else(|| ModelError::config(format!("invalid value of header `{name}`")))?;
            let name: HeaderName = name
                .parse()
                .map_err(|_| ModelError::config(format!("invalid header name `{name}`")))?;
            if OF_CLIENT.contains(&name.as_str()) {
                let what = format!("cannot set the header `{name}`; the HTTP client sets it");
                return Err(ModelError::config(what));
            }
            headers.insert(name, value);
        }
        Ok(headers)
    }

    /// Masks the key, those of the URL, and the values of all headers: the organization and the
    /// project are not public either.
    fn mask(&self, key: &str, keys: Vec<SecretString>) -> Mask {
        let headers = self.headers.iter().map(|(_, value)| value.clone());
        Mask::new(headers.chain(keys).chain([SecretString::from(key)]))
    }
}

fn secret_value(value: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(value).ok()?;
    value.set_sensitive(true);
    Some(value)
}

//! The base URL of a server, checked.

use std::{fmt, net::IpAddr, sync::OnceLock};

use conversant_core::ModelError;
use reqwest::{Url, header::HeaderValue};

/// A base URL that requests may be sent to.
#[derive(Clone)]
pub(crate) struct Endpoint {
    base: Url,
    /// What the list of models is below, where it is not the base.
    lists: Option<Url>,
    /// The URL that was made first, and its path: an adapter has one as a rule.
    made: OnceLock<(String, Url)>,
}

impl Endpoint {
    /// Checks a base URL.
    ///
    /// # Errors
    /// [`ModelError::Config`], which does not show the URL: there may be a key in it.
    pub(crate) fn new(base: &str, allow_plain_http: bool) -> Result<Self, ModelError> {
        let config = |what: &str| ModelError::config(format!("the base URL {what}"));
        let base =
            Url::parse(base.trim()).map_err(|error| config(&format!("is no URL: {error}")))?;
        if !base.username().is_empty() || base.password().is_some() {
            return Err(config("has a user name or password in it; give the key with `api_key`"));
        }
        if base.fragment().is_some() {
            return Err(config("has a fragment (`#…`) in it"));
        }
        let endpoint = Self { base, lists: None, made: OnceLock::new() };
        match endpoint.base.scheme() {
            "https" => Ok(endpoint),
            "http" if allow_plain_http || endpoint.is_loopback() => Ok(endpoint),
            "http" => Err(config(
                "is plain HTTP to another machine, where everyone on the way can read the key; \
                 use https, or `allow_plain_http`",
            )),
            _ => Err(config("is neither http nor https")),
        }
    }

    /// Returns whether the server is on this machine.
    pub(crate) fn is_loopback(&self) -> bool {
        let Some(host) = self.base.host_str() else { return false };
        let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        let is_local_name = host == "localhost" || host.ends_with(".localhost");
        address.map_or(is_local_name, |address| address.is_loopback())
    }

    /// Returns whether what is sent goes over TLS.
    pub(crate) fn is_secure(&self) -> bool {
        self.base.scheme() == "https"
    }

    /// Returns the value of the `Host` header, as HTTP/1 wants it; HTTP/2, which is spoken over TLS, has it elsewhere.
    pub(crate) fn plain_host(&self) -> Option<HeaderValue> {
        let host = self.base.host_str().filter(|_| !self.is_secure())?;
        match self.base.port() {
            Some(port) => format!("{host}:{port}").try_into().ok(),
            None => host.try_into().ok(),
        }
    }

    /// Makes it a deployment's of Azure OpenAI.
    pub(crate) fn set_azure(&mut self, deployment: &str, version: &str) {
        self.base = below(&self.base, "openai");
        self.base.query_pairs_mut().append_pair("api-version", version);
        self.lists = Some(self.base.clone());
        // An http URL always has a path.
        if let Ok(mut path) = self.base.path_segments_mut() {
            path.extend(["deployments", deployment]);
        }
    }

    /// Returns the URL of a path below the base. A query of the base stays.
    pub(crate) fn url(&self, path: &str) -> Url {
        let (made, url) = self.made.get_or_init(|| (path.to_owned(), self.make_url(path)));
        if made == path { url.clone() } else { self.make_url(path) }
    }

    fn make_url(&self, path: &str) -> Url {
        match &self.lists {
            Some(lists) if path == "models" => below(lists, path),
            _ => below(&self.base, path),
        }
    }
}

impl fmt::Debug for Endpoint {
    /// Shows the origin alone: a query may hold a key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({})", self.base.origin().ascii_serialization())
    }
}

fn below(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}/{path}", base.path().trim_end_matches('/')));
    url
}

#[cfg(test)]
mod tests;

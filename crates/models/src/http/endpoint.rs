//! The base URL of a server, checked.

use std::{fmt, net::IpAddr, sync::OnceLock};

use conversant_core::ModelError;
use http::{HeaderValue, Uri};
use url::Url;

/// A base URL that requests may be sent to.
#[derive(Clone)]
pub(crate) struct Endpoint {
    base: Url,
    /// What the list of models is below, where it is not the base.
    lists: Option<Url>,
    /// What was made first: an adapter asks for one path as a rule.
    made: OnceLock<Made>,
}

/// A path below the base, in the forms that clients take.
#[derive(Clone)]
struct Made {
    path: String,
    url: Url,
    /// `None` if it is no URI: what a URL allows and a request does not.
    uri: Option<Uri>,
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

    /// Returns the host, or nothing if there is none.
    pub(crate) fn host(&self) -> &str {
        self.base.host_str().unwrap_or_default()
    }

    /// Returns the base URL without its query, which may hold a key.
    pub(crate) fn base_url(&self) -> String {
        let mut url = self.base.clone();
        url.set_query(None);
        url.as_str().trim_end_matches('/').to_owned()
    }

    /// Returns whether what is sent goes over TLS.
    pub(crate) fn is_secure(&self) -> bool {
        self.base.scheme() == "https"
    }

    /// Returns the base, in the form that is sent.
    ///
    /// # Errors
    /// If it can't be.
    pub(super) fn base_uri(&self) -> Result<Uri, http::uri::InvalidUri> {
        self.base.as_str().parse()
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
        self.with(path, |made| made.url.clone())
    }

    /// As [`url`](Self::url), in the form that is sent. `None` if it can't be.
    pub(crate) fn uri(&self, path: &str) -> Option<Uri> {
        self.with(path, |made| made.uri.clone())
    }

    fn with<T>(&self, path: &str, take: impl FnOnce(&Made) -> T) -> T {
        let made = self.made.get_or_init(|| self.make(path));
        if made.path == path { take(made) } else { take(&self.make(path)) }
    }

    fn make(&self, path: &str) -> Made {
        let url = match &self.lists {
            Some(lists) if path == "models" => below(lists, path),
            _ => below(&self.base, path),
        };
        Made { path: path.to_owned(), uri: url.as_str().parse().ok(), url }
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

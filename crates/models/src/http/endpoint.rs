//! The base URL of a server.

use std::{borrow::Cow, fmt, net::IpAddr, sync::OnceLock};

use conversant_core::{ModelError, fnv1a};
use http::{HeaderValue, Uri};
use url::Url;

/// The parameter of a URL that is not a secret.
const API_VERSION: &str = "api-version";
/// The length of the shortest value in a query that may be a key: shorter ones are words.
const MIN_KEY_LENGTH: usize = 8;

/// A base URL that requests may be sent to.
#[derive(Clone)]
pub(crate) struct Endpoint {
    base: Url,
    /// The base of the list of models, where it is another.
    lists: Option<Url>,
    /// The URL of the first path: an adapter usually has one.
    first: OnceLock<Target>,
}

/// A path below the base.
#[derive(Clone)]
struct Target {
    path: String,
    url: Url,
    /// `None` if a request cannot have the URL.
    uri: Option<Uri>,
}

impl Endpoint {
    /// Checks a base URL.
    ///
    /// # Errors
    /// [`ModelError::Config`], which does not show the URL: there may be a key in it.
    pub(crate) fn new(base: &str, allow_plain_http: bool) -> Result<Self, ModelError> {
        let config = |what: &str| ModelError::config(format!("invalid base URL: {what}"));
        let base = Url::parse(base.trim()).map_err(|error| config(&error.to_string()))?;
        if !base.username().is_empty() || base.password().is_some() {
            return Err(config("it has a user name or password; give the key with `api_key`"));
        }
        if base.fragment().is_some() {
            return Err(config("it has a fragment (`#…`)"));
        }
        let base = without_endpoint(base);
        let endpoint = Self { base, lists: None, first: OnceLock::new() };
        match endpoint.base.scheme() {
            "https" => Ok(endpoint),
            "http" if allow_plain_http || endpoint.is_loopback() => Ok(endpoint),
            "http" => Err(config(
                "it is plain HTTP to another machine, which sends the key in clear; use https, or \
                 set `allow_plain_http`",
            )),
            _ => Err(config("it is neither http nor https")),
        }
    }

    /// Returns whether the server is on this machine.
    pub(crate) fn is_loopback(&self) -> bool {
        let Some(host) = self.base.host_str() else { return false };
        let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        let is_local_name = host == "localhost" || host.ends_with(".localhost");
        address.map_or(is_local_name, |address| address.is_loopback())
    }

    /// Returns the host, which is empty if there is none.
    pub(crate) fn host(&self) -> &str {
        self.base.host_str().unwrap_or_default()
    }

    /// Returns the port, which the scheme implies if the URL has none.
    pub(crate) fn port(&self) -> u16 {
        self.base.port_or_known_default().unwrap_or_default()
    }

    /// Returns a name of the base URL that may be stored. It has no query, and hashes in place of
    /// the segments of the path that may be keys.
    pub(crate) fn public_name(&self) -> String {
        let mut name = self.base.origin().ascii_serialization();
        for segment in self.base.path().split('/').filter(|segment| !segment.is_empty()) {
            name.push('/');
            match segment.len() {
                ..MIN_KEY_LENGTH => name.push_str(segment),
                _ => name.push_str(&short_hash(segment)),
            }
        }
        name
    }

    /// Returns the values of the query that may be keys.
    pub(crate) fn keys(&self) -> impl Iterator<Item = String> {
        let may_be_key = |(name, value): &(Cow<'_, str>, Cow<'_, str>)| {
            name != API_VERSION && value.len() >= MIN_KEY_LENGTH
        };
        self.base.query_pairs().filter(may_be_key).map(|(_, value)| value.into_owned())
    }

    /// Returns whether requests go over TLS.
    pub(crate) fn is_secure(&self) -> bool {
        self.base.scheme() == "https"
    }

    /// Returns the base as a URI.
    ///
    /// # Errors
    /// If a request cannot have it.
    pub(super) fn base_uri(&self) -> Result<Uri, http::uri::InvalidUri> {
        self.base.as_str().parse()
    }

    /// Returns the `Host` header of plain HTTP. Over TLS the client sets it, since HTTP/2 has none.
    pub(crate) fn plain_host(&self) -> Option<HeaderValue> {
        let host = self.base.host_str().filter(|_| !self.is_secure())?;
        match self.base.port() {
            Some(port) => format!("{host}:{port}").try_into().ok(),
            None => host.try_into().ok(),
        }
    }

    /// Makes the base that of a deployment of Azure OpenAI. The base may have the deployment's path
    /// and the version already, as the "Target URI" of Azure's portal has them.
    ///
    /// # Errors
    /// [`ModelError::Config`], if the deployment or the version is missing, or the base names
    /// another deployment or interface.
    pub(crate) fn set_azure(&mut self, deployment: &str, version: &str) -> Result<(), ModelError> {
        for (name, value) in [("deployment", deployment), ("API version", version)] {
            if value.trim().is_empty() {
                return Err(ModelError::config(format!("missing {name} of Azure")));
            }
        }
        let path = self.base.path().trim_end_matches('/').to_owned();
        if path.ends_with("/openai/v1") {
            return Err(ModelError::config(
                "invalid endpoint of Azure: `/openai/v1` has no deployments; set it with \
                 `base_url`",
            ));
        }
        let (path, named) = match path.rsplit_once("/openai/deployments/") {
            Some((path, named)) => (path, Some(named)),
            None => (path.strip_suffix("/openai").unwrap_or(&path), None),
        };
        self.base.set_path(path);
        self.base = below(&self.base, "openai");
        self.replace_version(version);
        self.lists = Some(self.base.clone());
        // An http URL always has a path.
        if let Ok(mut path) = self.base.path_segments_mut() {
            path.extend(["deployments", deployment]);
        }
        let is_other =
            named.is_some_and(|named| self.base.path().rsplit('/').next() != Some(named));
        if is_other {
            return Err(ModelError::config(format!(
                "invalid endpoint of Azure: it names another deployment than `{deployment}`"
            )));
        }
        Ok(())
    }

    /// Sets the version in the query, after the other parameters.
    fn replace_version(&mut self, version: &str) {
        if self.base.query_pairs().any(|(name, _)| name == API_VERSION) {
            let others = self.base.query_pairs().filter(|(name, _)| name != API_VERSION);
            let others: Vec<_> =
                others.map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
            self.base.query_pairs_mut().clear().extend_pairs(others);
        }
        self.base.query_pairs_mut().append_pair(API_VERSION, version);
    }

    /// Returns the URL of a path below the base. A query of the base stays.
    pub(crate) fn url(&self, path: &str) -> Url {
        self.with(path, |made| made.url.clone())
    }

    /// Returns the URL of a path below the base as a URI, unless a request cannot have it.
    pub(crate) fn uri(&self, path: &str) -> Option<Uri> {
        self.with(path, |made| made.uri.clone())
    }

    fn with<T>(&self, path: &str, take: impl FnOnce(&Target) -> T) -> T {
        let first = self.first.get_or_init(|| self.target(path));
        if first.path == path { take(first) } else { take(&self.target(path)) }
    }

    fn target(&self, path: &str) -> Target {
        let url = match &self.lists {
            Some(lists) if path == "models" => below(lists, path),
            _ => below(&self.base, path),
        };
        Target { path: path.to_owned(), uri: url.as_str().parse().ok(), url }
    }
}

impl fmt::Debug for Endpoint {
    /// Shows the origin only: a query may hold a key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({})", self.base.origin().ascii_serialization())
    }
}

/// Returns a hash that is the same on all machines, and too short to find the text by it.
fn short_hash(text: &str) -> String {
    let hash = fnv1a(text.bytes());
    format!("~{:08x}", (hash ^ (hash >> 32)) & u64::from(u32::MAX))
}

/// The paths of endpoints, which a base URL may name already.
const ENDPOINTS: [&str; 4] = ["/chat/completions", "/completions", "/embeddings", "/responses"];

/// Returns a path without the list of models at its end, if a version is before it. Elsewhere
/// `/models` is the base itself: of Azure's model inference.
fn without_list(path: &str) -> Option<&str> {
    let before = path.strip_suffix("/models")?;
    let version = before.rsplit('/').next()?.strip_prefix('v')?;
    version.starts_with(|c: char| c.is_ascii_digit()).then_some(before)
}

/// Removes the endpoint from the end of a URL that names one.
fn without_endpoint(mut base: Url) -> Url {
    let path = base.path().trim_end_matches('/');
    let shorter = ENDPOINTS.iter().find_map(|endpoint| path.strip_suffix(endpoint));
    let shorter = shorter.or_else(|| without_list(path));
    if let Some(shorter) = shorter.map(str::to_owned) {
        base.set_path(&shorter);
    }
    base
}

fn below(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}/{path}", base.path().trim_end_matches('/')));
    url
}

#[cfg(test)]
mod tests;

//! The proxy of a connection: the environment's, the system's, or one that is set.

use std::{env, error::Error, fmt};

use conversant_core::{BoxError, ModelError};
use http::{HeaderValue, Uri};
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::endpoint::Endpoint;

/// The place of a proxy that is set on the builder, for errors.
const BUILDER: &str = "`proxy`";

/// The choice of a proxy.
#[derive(Debug, Clone, Default)]
pub(crate) enum ProxySetting {
    /// The proxy of the environment, else of the operating system.
    #[default]
    System,
    /// No proxy.
    Direct,
    /// This proxy; the URL may hold a password.
    Url(SecretString),
}

/// The schemes of proxies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ProxyKind {
    Http,
    #[cfg(feature = "socks")]
    Socks4,
    #[cfg(feature = "socks")]
    Socks5,
}

/// A proxy, checked.
#[derive(Debug, Clone)]
pub(super) struct Proxy {
    pub(super) kind: ProxyKind,
    intercept: Intercept,
}

impl ProxySetting {
    /// Returns the proxy for an endpoint, if there is one.
    ///
    /// Plain HTTP to this machine does not go through a proxy, unless one is set on the builder.
    ///
    /// # Errors
    /// [`ModelError::Config`], if the proxy's URL is invalid or its scheme is not supported.
    pub(super) fn resolve(&self, endpoint: &Endpoint) -> Result<Option<Proxy>, ModelError> {
        match self {
            Self::Direct => Ok(None),
            Self::Url(url) => Proxy::parse(url.expose_secret(), BUILDER).map(Some),
            Self::System if !endpoint.is_secure() && endpoint.is_loopback() => Ok(None),
            Self::System => of_system(endpoint),
        }
    }
}

fn of_system(endpoint: &Endpoint) -> Result<Option<Proxy>, ModelError> {
    // In a CGI program a request's `Proxy` header becomes `HTTP_PROXY`, so that none is trusted.
    if env::var_os("REQUEST_METHOD").is_some() {
        return Ok(None);
    }
    let uri = endpoint
        .base_uri()
        .map_err(|error| ModelError::config(format!("invalid base URL: {error}")))?;
    let names = match endpoint.is_secure() {
        true => ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"],
        false => ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"],
    };
    let set = names.into_iter().find_map(|name| {
        let value = env::var_os(name)?;
        (!value.to_string_lossy().trim().is_empty()).then_some((name, value))
    });
    let Some((name, value)) = set else {
        let intercept = Matcher::from_system().intercept(&uri);
        return intercept.map(|intercept| Proxy::new(intercept, "the system")).transpose();
    };
    if is_excepted(&uri) {
        return Ok(None);
    }
    let value = value.to_str().ok_or_else(|| invalid(&format!("`{name}`"), "it is not UTF-8"))?;
    Proxy::parse(value, &format!("`{name}`")).map(Some)
}

/// Returns whether `NO_PROXY` excepts a server.
fn is_excepted(uri: &Uri) -> bool {
    let first = ["NO_PROXY", "no_proxy"].into_iter().find_map(env::var_os).unwrap_or_default();
    // A name that is not UTF-8 does not hide the others.
    let no = first.to_string_lossy().into_owned();
    let any = Matcher::builder().all("http://proxy.invalid").no(no).build();
    any.intercept(uri).is_none()
}

/// Creates the error of a proxy that cannot be used. It does not show the URL, which may hold a
/// password.
fn invalid(place: &str, reason: &str) -> ModelError {
    let except = match place {
        BUILDER => "",
        _ => ", or except the server by `NO_PROXY`",
    };
    ModelError::config(format!(
        "cannot use the proxy of {place}: {reason}; set it to a URL such as \
         `http://proxy.example:3128`{except}"
    ))
}

impl Proxy {
    /// Reads a proxy's URL. One without a scheme is an HTTP proxy's, as in curl.
    fn parse(url: &str, place: &str) -> Result<Self, ModelError> {
        let url = url.trim();
        let url = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
        let parsed = Url::parse(&url).map_err(|error| invalid(place, &error.to_string()))?;
        let scheme = parsed.scheme();
        if !matches!(scheme, "http" | "https" | "socks4" | "socks4a" | "socks5" | "socks5h") {
            let reason = format!(
                "unsupported scheme `{scheme}`, where `http`, `https`, `socks4`, `socks4a`, \
                 `socks5` and `socks5h` are known"
            );
            return Err(invalid(place, &reason));
        }
        if parsed.host_str().is_none_or(str::is_empty) {
            return Err(invalid(place, "missing host"));
        }
        // The matcher decodes the user and the password.
        let any = Uri::from_static("https://server.invalid");
        match Matcher::builder().all(url).build().intercept(&any) {
            Some(intercept) => Self::new(intercept, place),
            None => Err(invalid(place, "invalid URL")),
        }
    }

    fn new(intercept: Intercept, place: &str) -> Result<Self, ModelError> {
        let kind = match intercept.uri().scheme_str() {
            Some("http" | "https") => ProxyKind::Http,
            #[cfg(not(feature = "socks"))]
            Some("socks4" | "socks4a" | "socks5" | "socks5h") => {
                return Err(invalid(place, "SOCKS needs the Cargo feature `socks`"));
            }
            #[cfg(feature = "socks")]
            Some("socks4" | "socks4a") if intercept.raw_auth().is_some() => {
                return Err(invalid(place, "SOCKS 4 has no passwords"));
            }
            #[cfg(feature = "socks")]
            Some("socks4" | "socks4a") => ProxyKind::Socks4,
            #[cfg(feature = "socks")]
            Some("socks5" | "socks5h") => ProxyKind::Socks5,
            _ => return Err(invalid(place, "unsupported scheme")),
        };
        Ok(Self { kind, intercept })
    }

    /// Returns the proxy's address, without the password.
    pub(super) fn uri(&self) -> Uri {
        let uri = self.intercept.uri();
        let Some(host) = uri.host().filter(|_| uri.port().is_none()) else { return uri.clone() };
        if self.kind == ProxyKind::Http {
            return uri.clone();
        }
        let scheme = uri.scheme_str().unwrap_or("socks5");
        let with_port = format!("{scheme}://{host}:1080/").parse();
        with_port.unwrap_or_else(|_| uri.clone())
    }

    /// Returns the value of `Proxy-Authorization`, if the URL has a user.
    pub(super) fn basic_auth(&self) -> Option<HeaderValue> {
        self.intercept.basic_auth().cloned()
    }

    /// Returns the user and the password of a SOCKS proxy.
    #[cfg(feature = "socks")]
    pub(super) fn raw_auth(&self) -> Option<(String, String)> {
        let (user, password) = self.intercept.raw_auth()?;
        Some((user.to_owned(), password.to_owned()))
    }

    /// Returns the scheme and the host, for errors.
    pub(super) fn origin(&self) -> String {
        let uri = self.uri();
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        format!("{}://{authority}", uri.scheme_str().unwrap_or_default())
    }
}

/// An error of a connection through a proxy.
#[derive(Debug)]
pub(super) struct ProxyError {
    /// The proxy's scheme and host.
    pub(super) proxy: String,
    /// The cause.
    pub(super) source: BoxError,
}

impl fmt::Display for ProxyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot connect through the proxy `{}`", self.proxy)
    }
}

impl Error for ProxyError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.source)
    }
}

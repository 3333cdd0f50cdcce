//! The guard in front of all routes: requests of other sites are refused, and pages get headers
//! that forbid all but their own code.
//!
//! - *Host*: a site whose name is made to lead to this machine (DNS rebinding) sends its own name.
//! - *Origin* and *Sec-Fetch-Site*: a page of another site may send requests here (CSRF), and says
//!   where it is from.

use std::net::SocketAddr;

use axum::{
    extract::{Request, State},
    http::{
        HeaderMap, HeaderName, HeaderValue, StatusCode,
        header::{
            CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, ORIGIN, REFERRER_POLICY,
            X_CONTENT_TYPE_OPTIONS,
        },
    },
    middleware::Next,
    response::{IntoResponse, Response},
};

use crate::failure::Failure;

/// The policy of the page: its own files, and nothing that is written into it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'; require-trusted-types-for 'script'; \
                      trusted-types 'none'";

/// The port that browsers leave out of `Host` and `Origin`.
const DEFAULT_PORT: u16 = 80;

/// The address at which the service listens, and the names of this machine with its port.
#[derive(Debug, Clone)]
pub struct Guard {
    address: SocketAddr,
    hosts: Vec<String>,
}

impl Guard {
    /// Creates the guard of a service at an address.
    pub fn new(address: SocketAddr) -> Self {
        let port = address.port();
        let own = match address {
            SocketAddr::V4(address) => address.ip().to_string(),
            SocketAddr::V6(address) => format!("[{}]", address.ip()),
        };
        let names = [own.as_str(), "127.0.0.1", "localhost", "[::1]"];
        let mut hosts: Vec<_> = names.iter().map(|name| format!("{name}:{port}")).collect();
        if port == DEFAULT_PORT {
            hosts.extend(names.map(str::to_owned));
        }
        Self { address, hosts }
    }

    /// Checks where a request comes from.
    fn check(&self, path: &str, headers: &HeaderMap) -> Result<(), Failure> {
        let host = text(headers, &HOST).filter(|host| self.is_own(host));
        let Some(host) = host else {
            return Err(Failure::new(
                StatusCode::MISDIRECTED_REQUEST,
                format!("cannot answer for this host; open http://{}/", self.address),
            ));
        };
        if headers.get_all(HOST).iter().count() > 1 {
            return Err(Failure::new(StatusCode::BAD_REQUEST, "cannot answer for several hosts"));
        }
        let is_foreign = || Failure::new(StatusCode::FORBIDDEN, "cannot answer another site");
        if headers.get(ORIGIN).is_some_and(|origin| origin != &format!("http://{host}")) {
            return Err(is_foreign());
        }
        // A link of another site may lead to the page, but not to what it shows.
        let site = headers.get("sec-fetch-site");
        let is_own = site.is_none_or(|site| site == "same-origin" || site == "none");
        if path.starts_with("/api/") && !is_own {
            return Err(is_foreign());
        }
        Ok(())
    }

    fn is_own(&self, host: &str) -> bool {
        self.hosts.iter().any(|own| own.eq_ignore_ascii_case(host))
    }
}

fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

/// Refuses requests of other sites, and adds the headers.
pub async fn guard(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    let mut response = match guard.check(request.uri().path(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(failure) => failure.into_response(),
    };
    let headers = response.headers_mut();
    let mut add = |name: HeaderName, value: &'static str| {
        headers.insert(name, HeaderValue::from_static(value));
    };
    add(CONTENT_SECURITY_POLICY, POLICY);
    add(X_CONTENT_TYPE_OPTIONS, "nosniff");
    add(REFERRER_POLICY, "no-referrer");
    add(HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
    add(HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
    add(CACHE_CONTROL, "no-store");
    response
}

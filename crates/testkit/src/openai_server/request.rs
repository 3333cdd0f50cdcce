//! A request as the server received it, for a test's assertions.

use std::fmt;

use bytes::Bytes;
use serde_json::Value;

/// A request that an [`OpenAiServer`](super::OpenAiServer) received.
///
/// `Debug` shows everything except the values of headers with credentials (`authorization`,
/// `proxy-authorization`, `api-key`, `x-api-key`, `cookie`).
#[derive(Clone)]
pub struct RecordedRequest {
    pub(super) connection: usize,
    pub(super) method: String,
    pub(super) path: String,
    pub(super) query: Option<String>,
    pub(super) headers: Vec<(String, String)>,
    pub(super) bytes: Bytes,
    pub(super) json: Value,
}

impl RecordedRequest {
    /// Returns the number of its connection, counted from 1. Requests with the same number shared a
    /// connection.
    #[must_use]
    pub fn connection(&self) -> usize {
        self.connection
    }

    /// Returns the method, usually `POST` or `GET`.
    #[must_use]
    pub fn method(&self) -> &str {
        &self.method
    }

    /// Returns the path without the query, such as `/v1/chat/completions`.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns the query, the part after the `?`, if there is one.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.query.as_deref()
    }

    /// Returns the headers in their order, with names in lower case. Bytes of a value that are not
    /// UTF-8 are replaced by U+FFFD.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Returns the first value of the header `name`, given in any case.
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_testkit::RecordedRequest;
    ///
    /// fn assert_authorised(request: &RecordedRequest) {
    ///     assert_eq!(request.header("authorization"), Some("Bearer sk-test"));
    /// }
    /// ```
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Returns the body as JSON, or `null` if it is not JSON.
    #[must_use]
    pub fn json(&self) -> &Value {
        &self.json
    }

    /// Returns the body as received.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }
}

impl fmt::Debug for RecordedRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordedRequest")
            .field("connection", &self.connection)
            .field("method", &self.method)
            .field("path", &self.path)
            .field("query", &self.query)
            .field("headers", &Redacted(&self.headers))
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}

struct Redacted<'a>(&'a [(String, String)]);

impl fmt::Debug for Redacted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self
            .0
            .iter()
            .map(|(name, value)| (name, if is_secret(name) { "[redacted]" } else { value }));
        f.debug_map().entries(shown).finish()
    }
}

fn is_secret(header: &str) -> bool {
    matches!(header, "authorization" | "proxy-authorization" | "api-key" | "x-api-key" | "cookie")
}

//! Stores of answers: the trait and its key.

use std::{fmt, sync::Arc};

use conversant_core::{CallOptions, Reply, async_trait};
use serde_json::{Value as Json, json};

/// The key of an answer: everything that the answer depends on, as JSON.
///
/// It contains the conversation; `Debug` withholds it. A store outside of the process may prefer to
/// keep a digest.
///
/// # Examples
///
/// A test of a cache:
///
/// ```
/// use conversant_core::{Message, Reply};
/// use conversant_layers::{CacheKey, InMemoryCache, ReplyCache};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let cache = InMemoryCache::new(10);
/// let key = CacheKey::from_text("a question");
/// cache.put(key.clone(), Reply::new(Message::ai("Yes."))).await;
/// assert_eq!(cache.get(&key).await.map(|reply| reply.text().into_owned()), Some("Yes.".into()));
/// assert!(cache.get(&CacheKey::from_text("another")).await.is_none());
/// # }
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct CacheKey(Arc<str>);

impl CacheKey {
    pub(crate) fn new(namespace: &str, request: &Json, options: &CallOptions) -> Self {
        let key = json!({
            "namespace": namespace,
            "request": request,
            "stop": options.stop,
            "tools": options.tools,
            "tool_choice": options.tool_choice,
            "parallel_tool_calls": options.parallel_tool_calls,
            "response_format": options.response_format,
        });
        Self(key.to_string().into())
    }

    /// Creates a key from its text: one that [`as_str`](Self::as_str) has returned, or any text in
    /// a test.
    #[must_use]
    pub fn from_text(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// Returns the key as text. Equal requests have equal texts, also in other processes.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for CacheKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CacheKey(<{} bytes>)", self.0.len())
    }
}

/// A store of answers, called by [`Cached`](crate::Cached).
///
/// Implement it for answers that outlive the process. The methods return no errors, since a cache
/// must not fail a call: after a failure, `get` returns `None` and `put` does nothing. A method
/// that panics or takes too long counts as failed.
///
/// An answer is returned as it was stored, with all of its fields, and for its own key only: a
/// store that keeps digests needs some without collisions. Several calls may use the cache at the
/// same time. Of two answers that are stored under one key, either may stay, but whole.
///
/// # Examples
///
/// A cache in a folder. A [`Reply`] is stored as JSON.
///
/// ```
/// use std::{hash::{DefaultHasher, Hash, Hasher}, path::PathBuf};
/// use conversant_core::{async_trait, Reply};
/// use conversant_layers::{CacheKey, ReplyCache};
///
/// struct FolderCache(PathBuf);
///
/// impl FolderCache {
///     fn file(&self, key: &CacheKey) -> PathBuf {
///         // A real cache uses a digest without collisions.
///         let mut hasher = DefaultHasher::new();
///         key.as_str().hash(&mut hasher);
///         self.0.join(format!("{:016x}.json", hasher.finish()))
///     }
/// }
///
/// #[async_trait]
/// impl ReplyCache for FolderCache {
///     async fn get(&self, key: &CacheKey) -> Option<Reply> {
///         let text = std::fs::read(self.file(key)).ok()?;
///         serde_json::from_slice(&text).ok()
///     }
///
///     async fn put(&self, key: CacheKey, reply: Reply) {
///         if let Ok(text) = serde_json::to_vec(&reply) {
///             let _ = std::fs::write(self.file(&key), text);
///         }
///     }
/// }
/// # let _ = FolderCache(PathBuf::new());
/// ```
#[async_trait]
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a reply cache",
    note = "implement `ReplyCache` for it, with `#[async_trait]` above the `impl`"
)]
pub trait ReplyCache: Send + Sync {
    /// Returns the answer stored under a key.
    async fn get(&self, key: &CacheKey) -> Option<Reply>;

    /// Stores an answer under a key, in place of an earlier one. The store may discard it at any
    /// time.
    async fn put(&self, key: CacheKey, reply: Reply);
}

macro_rules! forward_cache {
    ($($pointer:ty),*) => {$(
        #[deny(clippy::missing_trait_methods)]
        #[async_trait]
        impl<C: ReplyCache + ?Sized> ReplyCache for $pointer {
            async fn get(&self, key: &CacheKey) -> Option<Reply> {
                (**self).get(key).await
            }

            async fn put(&self, key: CacheKey, reply: Reply) {
                (**self).put(key, reply).await;
            }
        }
    )*};
}
forward_cache!(&C, Box<C>, Arc<C>);

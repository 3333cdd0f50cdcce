//! A cache of answers in memory, with limits on their number and their bytes.

use std::{
    fmt, io,
    sync::{Mutex, MutexGuard, PoisonError},
};

use conversant_core::{Reply, async_trait};
use lru::LruCache;

use crate::cache::{CacheKey, ReplyCache};

/// The default limit in bytes.
const MAX_BYTES: usize = 64 * 1024 * 1024;

/// The bytes that an answer takes besides those of its key and its own.
const OVERHEAD: usize = 256;

/// A cache in memory that evicts the least recently used answers when it is full: when it has more
/// answers than its capacity, or more bytes than its limit, by default 64 MiB
/// ([`with_max_bytes`](Self::with_max_bytes)).
///
/// The key of an answer is the whole request, with all messages of its conversation, and counts as
/// well. An answer that is larger than the limit by itself is not kept. To forget what users have
/// said, [`clear`](Self::clear) the cache.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use conversant_core::{ChatModel, ChatRequest, Message, ModelError};
/// use conversant_layers::{Cached, InMemoryCache};
/// use conversant_testkit::ScriptedChat;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), ModelError> {
/// let cache = Arc::new(InMemoryCache::new(1_000).with_max_bytes(16 * 1024 * 1024));
/// let model = Cached::new(ScriptedChat::new(["Hello!"]), "greetings", Arc::clone(&cache));
/// model.generate(&ChatRequest::new(Message::human("Hi there my friend"))).await?;
/// assert_eq!(cache.len(), 1);
/// cache.clear();
/// assert_eq!((cache.len(), cache.bytes()), (0, 0));
/// # Ok(())
/// # }
/// ```
pub struct InMemoryCache {
    capacity: usize,
    max_bytes: usize,
    replies: Mutex<Replies>,
}

/// The answers with their sizes, and the sum of the sizes.
struct Replies {
    by_key: LruCache<CacheKey, (Reply, usize)>,
    bytes: usize,
}

impl InMemoryCache {
    /// Creates a cache of at most `capacity` answers.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        // Bounded by `put`, since a bounded `LruCache` allocates its capacity at once.
        let replies = Mutex::new(Replies { by_key: LruCache::unbounded(), bytes: 0 });
        Self { capacity, max_bytes: MAX_BYTES, replies }
    }

    /// Sets the limit in bytes of all answers with their keys. Default: 64 MiB. An answer counts
    /// with the bytes of its JSON, which are about those that it takes.
    #[must_use]
    pub const fn with_max_bytes(mut self, max_bytes: usize) -> Self {
        self.max_bytes = max_bytes;
        self
    }

    /// Returns the number of stored answers.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().by_key.len()
    }

    /// Returns the bytes of the stored answers and their keys, as they count for the limit.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.lock().bytes
    }

    /// Returns whether the cache is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Removes all answers. A call that is running may store its answer afterwards.
    pub fn clear(&self) {
        let empty = Replies { by_key: LruCache::unbounded(), bytes: 0 };
        // Dropped outside of the lock, as in `put`.
        let removed = std::mem::replace(&mut *self.lock(), empty);
        drop(removed);
    }

    fn lock(&self) -> MutexGuard<'_, Replies> {
        self.replies.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl ReplyCache for InMemoryCache {
    async fn get(&self, key: &CacheKey) -> Option<Reply> {
        self.lock().by_key.get(key).map(|(reply, _)| reply.clone())
    }

    async fn put(&self, key: CacheKey, reply: Reply) {
        let bytes = key.as_str().len().saturating_add(json_len(&reply)).saturating_add(OVERHEAD);
        if bytes > self.max_bytes {
            return;
        }
        let mut replies = self.lock();
        // Dropped outside of the lock, since an answer may be large.
        let replaced = replies.by_key.put(key, (reply, bytes));
        let before = replaced.as_ref().map_or(0, |(_, bytes)| *bytes);
        replies.bytes = replies.bytes.saturating_sub(before).saturating_add(bytes);
        let mut evicted = Vec::new();
        while replies.by_key.len() > self.capacity || replies.bytes > self.max_bytes {
            let Some((key, (reply, bytes))) = replies.by_key.pop_lru() else { break };
            replies.bytes = replies.bytes.saturating_sub(bytes);
            evicted.push((key, reply));
        }
        drop(replies);
        drop((replaced, evicted));
    }
}

/// Returns the number of bytes of an answer as JSON.
fn json_len(reply: &Reply) -> usize {
    let mut counter = Counter(0);
    match serde_json::to_writer(&mut counter, reply) {
        Ok(()) => counter.0,
        // An answer without JSON is not kept: its size is not known.
        Err(_) => usize::MAX,
    }
}

/// Counts what is written.
struct Counter(usize);

impl io::Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.saturating_add(bytes.len());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Debug for InMemoryCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (len, bytes) = (self.len(), self.bytes());
        f.debug_struct("InMemoryCache")
            .field("capacity", &self.capacity)
            .field("max_bytes", &self.max_bytes)
            .field("len", &len)
            .field("bytes", &bytes)
            .finish_non_exhaustive()
    }
}

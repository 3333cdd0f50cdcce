//! The threads that share a product.

use rayon::{ThreadPool, ThreadPoolBuilder};

/// The model's thread alone, or a pool of several threads.
///
/// A pool of the model's own, since candle's is one for the process, with as many threads as the
/// machine has cores: on busy cores they wait for each other, and an answer takes ten times as
/// long.
pub(crate) struct Threads {
    count: usize,
    pool: Option<ThreadPool>,
}

impl Threads {
    pub(crate) fn new(count: usize) -> Result<Self, rayon::ThreadPoolBuildError> {
        let pool = match count {
            0 | 1 => None,
            count => {
                let builder = ThreadPoolBuilder::new().num_threads(count);
                Some(builder.thread_name(|index| format!("conversant-local-{index}")).build()?)
            }
        };
        Ok(Self { count: count.max(1), pool })
    }

    pub(crate) const fn count(&self) -> usize {
        self.count
    }

    /// Calls `work` for each part, on all threads.
    pub(crate) fn each<T: Send>(
        &self,
        parts: impl Iterator<Item = T> + Send,
        work: impl Fn(T) + Send + Sync,
    ) {
        match &self.pool {
            None => parts.for_each(work),
            Some(pool) => pool.scope(|scope| {
                for part in parts {
                    let work = &work;
                    scope.spawn(move |_| work(part));
                }
            }),
        }
    }
}

//! Runs one future on the current thread, without a runtime.

/// Runs `future` to completion on the current thread and returns its output.
///
/// This works for futures that need no runtime: scripted models, histories in memory, the suites,
/// and the waiting functions of this crate's servers. Futures that use tokio's timers or sockets
/// need tokio.
///
/// # Examples
///
/// ```
/// assert_eq!(conversant_testkit::block_on(async { 6 * 7 }), 42);
/// ```
pub fn block_on<F: Future>(future: F) -> F::Output {
    pollster::block_on(future)
}

//! For tests: scripted models that record, failing doubles, and a loopback OpenAI server.
//!
//! Add this crate to `[dev-dependencies]` to test a model, a memory or a history for conversant, or
//! a program made of them. Nothing here reaches beyond the loopback interface. Tests need not
//! sleep: they wait for the event itself ([`Gate`], [`OpenAiServer::received`],
//! [`FaultServer::disconnected`]).
//!
//! | to test | there is |
//! |---|---|
//! | a chain or a memory | [`ScriptedChat`], [`ScriptedCompletion`]: models that answer from a list |
//! | a store that fails | [`FailingHistory`], [`FailingMemory`]: doubles with a [`FailureMode`] |
//! | a model adapter | [`OpenAiServer`]: OpenAI's interface on a port, answering from a list |
//! | an adapter against a faulty server | [`FaultServer`] with [`faults`]: resets, hangs, lies, from a table |
//! | a custom model, memory or history | [`suite`]: the contract of each |
//! | a client's certificate checks | `TlsProxy`, behind the feature `tls` |
//! | a store on a server that is killed | [`servers`]: PostgreSQL and Redis of the test's own |
//! | a program against a real server, once | [`Cassette`]: records calls and replays them |
//! | a chain, its memory and its store together | [`simulation`]: seeded schedules with faults, and invariants |
//! | cancellation | [`poll_then_drop`]: drops a future at each point at which it waits |
//! | without a runtime | [`block_on`] |
//!
//! # Time
//!
//! Tests reach every limit of time without waiting for it:
//!
//! - The deadline of a chain's call ends the first wait after it, and nothing that does not wait. A
//!   call with `CallOptions::with_timeout(Duration::ZERO)` therefore fails at the part of the call
//!   that the test holds: the queue, a load or a save behind a [`Gate`], or a model that
//!   [hangs](ScriptedReply::hang).
//! - The retries of adapters, rate limits and time limits of tools use tokio's clock: a test with
//!   `#[tokio::test(start_paused = true)]` passes their waits at once. Use scripted models in it,
//!   since a paused clock also passes the time limits of connections.
//! - The ids of turns contain a time; `TurnId::at` sets it.
//!
//! # Examples
//!
//! ```
//! use conversant_testkit::{ServerAnswer, OpenAiServer};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let server = OpenAiServer::builder()
//!     .reply("Hi there! How can I help you today?")
//!     .reply(ServerAnswer::error(429, "rate_limit_exceeded", "slow down").with_header("retry-after", "1"))
//!     .start()?;
//! assert!(server.base_url().ends_with("/v1"));
//! // … point the adapter under test at `server.base_url()`, run it, then look at what it sent:
//! assert!(server.requests().is_empty());
//! # Ok(())
//! # }
//! ```

mod block_on;
mod cassette;
mod counter;
mod failing;
mod fault_server;
mod gate;
mod join_all;
mod loopback;
mod openai_server;
mod poll_then_drop;
mod scripted;
pub mod servers;
pub mod simulation;
mod stop_sequences;
pub mod suite;
#[cfg(feature = "tls")]
mod tls_proxy;

pub use block_on::block_on;
pub use cassette::{Cassette, CassetteError};
pub use failing::{FailingHistory, FailingMemory, FailureMode, HistoryCall, MemoryCall};
pub use fault_server::{Fault, FaultServer, Step, faults};
pub use gate::Gate;
pub use openai_server::{
    OpenAiServer, OpenAiServerBuilder, RecordedRequest, ServerAnswer, ServerDialect,
};
pub use poll_then_drop::poll_then_drop;
pub use scripted::{Scripted, ScriptedChat, ScriptedCompletion, ScriptedReply};
#[cfg(feature = "tls")]
pub use tls_proxy::{StartTls, TlsProxy};

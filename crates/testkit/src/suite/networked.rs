//! The suite of histories behind a network.

mod answered;
mod broken;
mod killed;
mod network;
mod patience;
mod proxy;
mod stalled;

use std::{future::Future, net::SocketAddr};

use conversant_core::{ChatHistory, HistoryError};

use self::network::Network;
pub use self::{killed::killed_history, patience::with_patience};
use super::{
    check::{run, run_at_once},
    report::{Running, SuiteError, SuiteReport},
};

/// Checks that a history behind a network loses and doubles nothing while connections break, stall
/// and are cut at any byte.
///
/// `server` is the address of the store, as `host:port`. `open` opens the store at the address of a
/// proxy that the suite controls. It is called once for each check. Give the store a time limit for
/// an operation of about a second, since the suite waits for it. The suite runs on a Tokio runtime.
///
/// # Errors
/// [`SuiteError`], which names all checks that failed.
///
/// # Examples
///
/// ```no_run
/// # use conversant_core::{ChatHistory, HistoryError};
/// # async fn connect(url: String) -> Result<Box<dyn ChatHistory>, HistoryError> { todo!() }
/// # async fn run() -> Result<(), conversant_testkit::suite::SuiteError> {
/// use conversant_testkit::suite;
///
/// suite::networked_history("127.0.0.1:5432", |proxy| connect(format!("postgres://{proxy}/chat")))
///     .await?;
/// # Ok(())
/// # }
/// ```
pub async fn networked_history<H, F, Fut>(server: &str, open: F) -> Result<SuiteReport, SuiteError>
where
    H: ChatHistory,
    F: Fn(SocketAddr) -> Fut,
    Fut: Future<Output = Result<H, HistoryError>>,
{
    let network = Network::new(server, open);
    let mut running = Running::new("networked history");
    run!(running, &network =>
        broken::a_lost_answer_is_settled_by_the_turn,
        broken::broken_connections_are_replaced,
        broken::writers_of_breaking_connections_have_one_order,
    );
    run_at_once!(running, &network =>
        broken::connections_cut_at_any_byte_lose_nothing,
        stalled::every_operation_ends_although_nothing_answers,
        stalled::connections_that_hang_are_replaced,
        stalled::an_append_that_timed_out_takes_no_effect_later,
        stalled::no_write_takes_effect_after_its_timeout,
    );
    running.finish()
}

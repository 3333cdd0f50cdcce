//! Tests that pass, and tests whose need may be missing.

use conversant_harness::{Missing, Need, Tested};

pub(crate) async fn needs_nothing() {
    tokio::task::yield_now().await;
}

pub(crate) fn has_no_runtime() {
    assert!(tokio::runtime::Handle::try_current().is_err());
}

pub(crate) async fn needs_a_server() -> Tested {
    let url = Need::Services.variable("CONVERSANT_HARNESS_URL", "a server")?;
    assert_eq!(url, "there");
    Ok(())
}

pub(crate) fn finds_its_need() -> Result<(), Missing> {
    Some(()).ok_or_else(|| Need::Services.missing("a server"))
}

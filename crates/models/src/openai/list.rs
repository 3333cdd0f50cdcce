//! The list of a server's models.

use std::sync::Arc;

use conversant_core::ModelError;
use http::Method;

use crate::{
    http::Connection,
    wire::{ModelInfo, read_models},
};

/// Asks a server for its models.
pub(super) async fn models(connection: &Connection) -> Result<Vec<ModelInfo>, ModelError> {
    let deadline = connection.deadline(None);
    let received = connection.call(Method::GET, "models", &Arc::default(), deadline).await?;
    read_models(&received.body).map_err(|error| connection.mask.error(error))
}

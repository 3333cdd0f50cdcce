//! Connections to PostgreSQL, for stores on it.
//!
//! A statement whose caller gives it up is cancelled on the server, and its connection is closed.
//!
//! # Examples
//!
//! ```no_run
//! use conversant_history::postgres::PostgresSettings;
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let pool = PostgresSettings::new("postgres://localhost/chat").pool()?;
//! let mut connection = pool.connection().await?;
//! connection.client()?.batch_execute("SELECT 1").await?;
//! connection.keep();
//! # Ok(())
//! # }
//! ```

mod addresses;
mod cancel;
mod direct;
mod error;
mod pool;
mod settings;

pub use self::{
    error::PostgresError,
    pool::{PostgresConnection, PostgresPool},
    settings::PostgresSettings,
};

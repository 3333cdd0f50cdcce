//! The HTTP statuses of errors, and which of them may pass, for services.

use std::time::Duration;

use crate::{
    box_error::BoxError,
    history::HistoryError,
    memory::MemoryError,
    model::{ModelError, StatusKind},
    vector_store::VectorStoreError,
};

impl ModelError {
    /// Returns the HTTP status for a service whose request calls the model:
    ///
    /// | status | errors |
    /// |---|---|
    /// | 400 | the prompt is too long for the model |
    /// | 429 | the model's server limits the rate |
    /// | 500 | the adapter's settings are invalid |
    /// | 502 | the model failed, or answered what cannot be used |
    /// | 503 | the model's server is overloaded or cannot be reached |
    /// | 504 | a deadline or a timeout |
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_core::ModelError;
    ///
    /// assert_eq!(ModelError::custom("overloaded", true, None).http_status(), 503);
    /// ```
    #[must_use]
    pub fn http_status(&self) -> u16 {
        match self.without_exchange() {
            error if error.is_context_length() => 400,
            Self::Config { .. } => 500,
            Self::Timeout { .. } => 504,
            error => match error.api_error().map(|error| error.kind) {
                Some(StatusKind::RateLimit) => 429,
                _ if error.is_retryable() => 503,
                _ => 502,
            },
        }
    }

    /// Returns the wait that the model's server asks for, for the header `Retry-After`.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.api_error()?.retry_after
    }
}

impl HistoryError {
    /// Returns whether the same operation may succeed later. An append is repeated with the same
    /// turn, so that it is stored once.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        matches!(
            self,
            Self::Busy | Self::Full { .. } | Self::TimedOut { .. } | Self::Backend { .. }
        )
    }

    /// Returns the class of the error, for metrics: a name such as `busy` or `corrupt`.
    #[must_use]
    pub const fn class(&self) -> &'static str {
        match self {
            Self::Stale { .. } => "stale",
            Self::Busy => "busy",
            Self::TooLarge { .. } => "too_large",
            Self::Full { .. } => "full",
            Self::ReadOnly { .. } => "read_only",
            Self::Corrupt { .. } => "corrupt",
            Self::Decryption { .. } => "decryption",
            Self::SchemaTooNew { .. } => "schema",
            Self::UnknownTurn { .. } => "unknown_turn",
            Self::TurnIdInUse { .. } => "turn_id",
            Self::InvalidText { .. } => "invalid_text",
            Self::TooManyLabels { .. } => "too_many_labels",
            Self::EmptyFilter => "empty_filter",
            Self::Unsupported { .. } => "unsupported",
            Self::TimedOut { .. } => "timeout",
            Self::Backend { .. } => "backend",
        }
    }

    /// Returns the HTTP status for a service whose request uses the history:
    ///
    /// | status | errors |
    /// |---|---|
    /// | 400 | a title, a label or a filter that is invalid |
    /// | 404 | a turn that the session does not have |
    /// | 409 | the session is busy, or was changed by another writer; the turn's id is in use |
    /// | 413 | a message above the store's limit |
    /// | 500 | a fault of the service: its store is damaged, or does not support the operation |
    /// | 503 | the store cannot be reached |
    /// | 504 | the store took too long |
    /// | 507 | the store is full |
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_core::HistoryError;
    ///
    /// assert_eq!(HistoryError::Busy.http_status(), 409);
    /// assert!(HistoryError::Busy.is_retryable());
    /// ```
    #[must_use]
    pub const fn http_status(&self) -> u16 {
        match self {
            Self::InvalidText { .. } | Self::TooManyLabels { .. } | Self::EmptyFilter => 400,
            Self::UnknownTurn { .. } => 404,
            Self::Stale { .. } | Self::Busy | Self::TurnIdInUse { .. } => 409,
            Self::TooLarge { .. } => 413,
            Self::ReadOnly { .. }
            | Self::Corrupt { .. }
            | Self::Decryption { .. }
            | Self::SchemaTooNew { .. }
            | Self::Unsupported { .. } => 500,
            Self::Backend { .. } => 503,
            Self::TimedOut { .. } => 504,
            Self::Full { .. } => 507,
        }
    }
}

impl VectorStoreError {
    /// Returns whether the same operation may succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Embeddings(error) => error.is_retryable(),
            Self::Busy | Self::Full { .. } | Self::TimedOut { .. } | Self::Backend { .. } => true,
            Self::InvalidVectors { .. }
            | Self::Dimension { .. }
            | Self::Unsupported { .. }
            | Self::ReadOnly { .. }
            | Self::Corrupt { .. } => false,
        }
    }

    /// Returns the class of the error, for metrics: that of the [model](ModelError::class) that
    /// failed, or a name such as `busy` or `corrupt`.
    #[must_use]
    pub fn class(&self) -> &'static str {
        match self {
            Self::Embeddings(error) => error.class(),
            Self::InvalidVectors { .. } => "invalid_vectors",
            Self::Dimension { .. } => "dimension",
            Self::Unsupported { .. } => "unsupported",
            Self::Busy => "busy",
            Self::Full { .. } => "full",
            Self::ReadOnly { .. } => "read_only",
            Self::Corrupt { .. } => "corrupt",
            Self::TimedOut { .. } => "timeout",
            Self::Backend { .. } => "backend",
        }
    }

    /// Returns the HTTP status for a service whose request uses the store: that of the
    /// [model](ModelError::http_status) that failed, and otherwise that of the same error of a
    /// [history](HistoryError::http_status); 502 for vectors that cannot be used.
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_core::VectorStoreError;
    ///
    /// assert_eq!(VectorStoreError::Busy.http_status(), 409);
    /// assert!(VectorStoreError::Busy.is_retryable());
    /// ```
    #[must_use]
    pub fn http_status(&self) -> u16 {
        match self {
            Self::Embeddings(error) => error.http_status(),
            Self::Busy => 409,
            Self::Dimension { .. }
            | Self::Unsupported { .. }
            | Self::ReadOnly { .. }
            | Self::Corrupt { .. } => 500,
            Self::InvalidVectors { .. } => 502,
            Self::Backend { .. } => 503,
            Self::TimedOut { .. } => 504,
            Self::Full { .. } => 507,
        }
    }
}

/// Returns the error of a vector store that a memory failed with.
fn of_vector_store(error: &BoxError) -> Option<&VectorStoreError> {
    error.downcast_ref()
}

impl MemoryError {
    /// Returns the class of the error, for metrics: that of the [history](HistoryError::class), of
    /// the [model](ModelError::class) or of the [vector store](VectorStoreError::class) that
    /// failed, or a name such as `over_budget`.
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_core::{HistoryError, MemoryError};
    ///
    /// assert_eq!(MemoryError::from(HistoryError::Busy).class(), "busy");
    /// ```
    #[must_use]
    pub fn class(&self) -> &'static str {
        match self {
            Self::History(error) => error.class(),
            Self::Model(error) => error.class(),
            Self::Key(_) => "keys",
            Self::OverBudget { .. } => "over_budget",
            Self::Interrupted { .. } => "interrupted",
            Self::Unsupported { .. } => "unsupported",
            Self::Custom(error) => of_vector_store(error).map_or("custom", VectorStoreError::class),
        }
    }

    /// Returns whether the same operation may succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::History(error) => error.is_retryable(),
            Self::Model(error) => error.is_retryable(),
            Self::Interrupted { .. } => true,
            Self::Custom(error) => {
                of_vector_store(error).is_some_and(VectorStoreError::is_retryable)
            }
            Self::Key(_) | Self::OverBudget { .. } | Self::Unsupported { .. } => false,
        }
    }

    /// Returns the HTTP status for a service whose request uses the memory: that of the
    /// [history](HistoryError::http_status), of the [model](ModelError::http_status) or of the
    /// [vector store](VectorStoreError::http_status) that failed, 413 for a turn above the memory's
    /// budget, 504 for an operation that was interrupted, and otherwise 500.
    #[must_use]
    pub fn http_status(&self) -> u16 {
        match self {
            Self::History(error) => error.http_status(),
            Self::Model(error) => error.http_status(),
            Self::OverBudget { .. } => 413,
            Self::Interrupted { .. } => 504,
            Self::Custom(error) => {
                of_vector_store(error).map_or(500, VectorStoreError::http_status)
            }
            Self::Key(_) | Self::Unsupported { .. } => 500,
        }
    }
}

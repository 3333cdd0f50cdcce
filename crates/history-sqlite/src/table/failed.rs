//! The errors of sessions that are damaged.

use conversant_core::HistoryError;

/// The effect of a damaged session on an operation on several.
pub(super) enum Failed {
    /// It ends the operation: a list would lack the session.
    Ends,
    /// Its error is kept, and the session is passed over: what is deleted for one user does not
    /// wait for the repair of another one's session.
    Kept(Option<HistoryError>),
}

impl Failed {
    /// Returns the outcome of one session, or `None` if its error is kept.
    pub(super) fn session<T>(
        &mut self,
        outcome: Result<T, HistoryError>,
    ) -> Result<Option<T>, HistoryError> {
        match (outcome, self) {
            (Err(error @ HistoryError::Corrupt { .. }), Self::Kept(first)) => {
                first.get_or_insert(error);
                Ok(None)
            }
            (outcome, _) => outcome.map(Some),
        }
    }

    /// Returns the error that was kept.
    pub(super) fn kept(self) -> Option<HistoryError> {
        match self {
            Self::Ends => None,
            Self::Kept(error) => error,
        }
    }
}

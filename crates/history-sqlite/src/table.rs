//! What each table holds, and the statements on it.

pub(crate) mod lease;
pub(crate) mod message;
pub(crate) mod note;
pub(crate) mod session;
pub(crate) mod turn;

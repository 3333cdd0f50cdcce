//! A mark of histories that no other program reads.

use crate::history::ChatHistory;

/// A history whose stored form is read by programs of conversant alone, so that the content of its
/// messages may be anything.
///
/// `conversant-history-encrypted` wraps such histories. Implement it for a store of your own.
/// Stores in LangChain's form do not implement it: Python would show encrypted records to its
/// users.
///
/// # Examples
///
/// ```
/// use conversant_core::{ChatHistory, OwnFormat};
///
/// fn encrypt<H: OwnFormat>(history: H) {
///     # let _: &dyn ChatHistory = &history;
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "the stored form of `{Self}` is not known to be conversant's own",
    note = "other programs, such as LangChain, may read its messages; implement `OwnFormat` for a store of your own"
)]
pub trait OwnFormat: ChatHistory {}

impl<H: OwnFormat + ?Sized> OwnFormat for &H {}
impl<H: OwnFormat + ?Sized> OwnFormat for Box<H> {}
impl<H: OwnFormat + ?Sized> OwnFormat for std::sync::Arc<H> {}

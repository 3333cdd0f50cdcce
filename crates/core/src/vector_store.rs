//! The vector store trait, with its collections, documents and errors.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{
    box_error::BoxError,
    embeddings::Embeddings,
    model::ModelError,
    scope::{GroupId, Scope, UserId},
    session::SessionId,
    variables::Variables,
    withheld::Bytes,
};

/// The set of documents that an operation of a vector store reads or writes. A search never finds
/// a document of another collection.
///
/// Collections of different kinds are different ones, also under the same name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Collection {
    /// The documents of one session.
    Session(SessionId),
    /// The documents of one user, in any session.
    User(UserId),
    /// The documents of a group of users, in any session.
    Group(GroupId),
    /// Documents that all callers with the name read and write, in any session, such as the
    /// examples of a prompt.
    Shared(Arc<str>),
}

impl Collection {
    /// Returns the collection that is shared under a name.
    #[must_use]
    pub fn shared(name: impl Into<Arc<str>>) -> Self {
        Self::Shared(name.into())
    }

    /// Returns the collection of a scope, for a session.
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_core::{Collection, GroupId, Scope, SessionId};
    ///
    /// let session = SessionId::new("chat-1")?;
    /// let own = Collection::of(&Scope::Session, &session);
    /// assert_eq!(own, Collection::Session(session.clone()));
    /// let team = Collection::of(&GroupId::new("team")?.into(), &session);
    /// assert_eq!(team, Collection::Group(GroupId::new("team")?));
    /// assert_ne!(team, Collection::shared("team"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn of(scope: &Scope, session: &SessionId) -> Self {
        match scope {
            Scope::Session => Self::Session(session.clone()),
            Scope::User(user) => Self::User(user.clone()),
            Scope::Group(group) => Self::Group(group.clone()),
        }
    }
}

impl From<UserId> for Collection {
    fn from(user: UserId) -> Self {
        Self::User(user)
    }
}

impl From<GroupId> for Collection {
    fn from(group: GroupId) -> Self {
        Self::Group(group)
    }
}

impl From<SessionId> for Collection {
    fn from(session: SessionId) -> Self {
        Self::Session(session)
    }
}

/// A text that can be found by a search, with its metadata.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Document {
    /// The id. Adding a document with an existing id replaces the document.
    pub id: String,
    /// The text.
    pub text: String,
    /// The metadata. Numbers and data come back from a store as such.
    #[serde(default)]
    pub metadata: Variables,
}

impl Document {
    /// Creates a document without metadata.
    #[must_use]
    pub fn new(id: impl Into<String>, text: impl Into<String>) -> Self {
        Self { id: id.into(), text: text.into(), metadata: Variables::new() }
    }

    /// Sets the metadata.
    #[must_use]
    pub fn with_metadata(mut self, metadata: Variables) -> Self {
        self.metadata = metadata;
        self
    }
}

/// Withholds the text, and the id, which may be one.
impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, text, metadata } = self;
        f.debug_struct("Document")
            .field("id", &Bytes(id))
            .field("text", &Bytes(text))
            .field("metadata", metadata)
            .finish()
    }
}

/// A search result.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Match {
    /// The document.
    pub document: Document,
    /// The similarity: 1 is identical, 0 is unrelated.
    pub score: f32,
}

impl Match {
    /// Creates a match.
    #[must_use]
    pub const fn new(document: Document, score: f32) -> Self {
        Self { document, score }
    }
}

/// A store of documents, in collections, that finds the ones nearest in meaning to a text.
///
/// Implemented by store crates; called by memories that search. `conversant-memory` has a store in
/// memory, `conversant-vector-sqlite` and `conversant-vector-postgres` have stores that outlive the
/// process. Write `#[async_trait]` above the `impl`; [`unit_vectors`] embeds texts for it, and
/// `suite::vector_store` of `conversant-testkit` checks the contract:
///
/// - All vectors of a collection have the same length. A collection that was cleared takes another
///   one.
/// - Once polled, an `add`, a `clear` or a `remove` may take effect although its future is dropped:
///   whole or not at all. It can be repeated.
/// - A document comes back as it was added, and its id is any text. So do the values of its
///   metadata: an integer is not a float or a text afterwards, and data stay data (messages may
///   become data). A store whose own metadata has other types keeps them as JSON.
/// - Names of collections differ if one of their characters does, in case or at their ends too.
/// - Operations may overlap: what is added at once is all there. No error quotes a text.
///
/// # Errors
/// Every operation may fail with [`Backend`](VectorStoreError::Backend). The methods say which
/// others they return.
///
/// # Examples
///
/// ```
/// use conversant_core::{Collection, Document, VectorStore, VectorStoreError};
///
/// async fn nearest(store: &dyn VectorStore) -> Result<Option<String>, VectorStoreError> {
///     let stones = [Document::new("1", "Granite is hard."), Document::new("2", "Chalk is soft.")];
///     let collection = Collection::shared("stones");
///     store.add(&collection, &stones).await?;
///     let found = store.search(&collection, "a soft stone", 1).await?;
///     Ok(found.into_iter().next().map(|found| found.document.text))
/// }
/// ```
#[async_trait]
pub trait VectorStore: Send + Sync {
    /// Adds all documents to a collection, or none. A document replaces the one with its id; of
    /// several with one id in a call, the last one stays.
    ///
    /// # Errors
    /// Nothing is changed then.
    /// - [`VectorStoreError::Embeddings`] if the embedding model fails.
    /// - [`VectorStoreError::InvalidVectors`] if its vectors cannot be compared, as
    ///   [`unit_vectors`] finds.
    /// - [`VectorStoreError::Dimension`] if the collection has vectors of another length.
    /// - Those of [every operation](Self#errors).
    async fn add(
        &self,
        collection: &Collection,
        documents: &[Document],
    ) -> Result<(), VectorStoreError>;

    /// Returns the documents of a collection that are nearest to a text, nearest first: `k`, or all
    /// if there are fewer. Documents that are not similar are among them then, with a similarity of
    /// 0; those that are equally similar have any order. A collection without documents has none to
    /// find.
    ///
    /// # Errors
    /// - [`VectorStoreError::Embeddings`] if the embedding model fails.
    /// - [`VectorStoreError::InvalidVectors`] if its vector cannot be compared.
    /// - [`VectorStoreError::Dimension`] if the collection has vectors of another length. It is not
    ///   a search that finds nothing.
    /// - Those of [every operation](Self#errors).
    async fn search(
        &self,
        collection: &Collection,
        text: &str,
        k: usize,
    ) -> Result<Vec<Match>, VectorStoreError>;

    /// Removes all documents of a collection. To name one that has none is not an error.
    ///
    /// # Errors
    /// Those of [every operation](Self#errors).
    async fn clear(&self, collection: &Collection) -> Result<(), VectorStoreError>;

    /// Lists at most `limit` documents of a collection, in byte order of their ids, after an id if
    /// one is given, which need not be in the collection. To correct a document, add one with the
    /// same id. Unsupported by default.
    ///
    /// # Errors
    /// - [`VectorStoreError::Unsupported`] if the store lists no documents.
    /// - Those of [every operation](Self#errors).
    async fn list(
        &self,
        collection: &Collection,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Document>, VectorStoreError> {
        let _ = (collection, after, limit);
        Err(VectorStoreError::Unsupported { what: "a list of documents" })
    }

    /// Removes the documents of a collection with these ids, all or none, and returns how many
    /// there were. Ids that are not in the collection are passed over. Unsupported by default.
    ///
    /// # Errors
    /// - [`VectorStoreError::Unsupported`] if the store removes no documents.
    /// - Those of [every operation](Self#errors).
    async fn remove(
        &self,
        collection: &Collection,
        ids: &[&str],
    ) -> Result<usize, VectorStoreError> {
        let _ = (collection, ids);
        Err(VectorStoreError::Unsupported { what: "removal of documents" })
    }
}

macro_rules! forward_store {
    ($($pointer:ty),*) => {$(
        #[deny(clippy::missing_trait_methods)]
        #[async_trait]
        impl<S: VectorStore + ?Sized> VectorStore for $pointer {
            async fn add(
                &self,
                collection: &Collection,
                documents: &[Document],
            ) -> Result<(), VectorStoreError> {
                (**self).add(collection, documents).await
            }
            async fn search(
                &self,
                collection: &Collection,
                text: &str,
                k: usize,
            ) -> Result<Vec<Match>, VectorStoreError> {
                (**self).search(collection, text, k).await
            }
            async fn clear(&self, collection: &Collection) -> Result<(), VectorStoreError> {
                (**self).clear(collection).await
            }
            async fn list(
                &self,
                collection: &Collection,
                after: Option<&str>,
                limit: usize,
            ) -> Result<Vec<Document>, VectorStoreError> {
                (**self).list(collection, after, limit).await
            }
            async fn remove(
                &self,
                collection: &Collection,
                ids: &[&str],
            ) -> Result<usize, VectorStoreError> {
                (**self).remove(collection, ids).await
            }
        }
    )*};
}
forward_store!(&S, Box<S>, Arc<S>);

/// Returns the vectors of texts, each scaled to length 1 unless it is all zeros, for a store to
/// keep or to compare.
///
/// # Errors
/// - [`VectorStoreError::Embeddings`], if the model fails.
/// - [`VectorStoreError::InvalidVectors`], if the model returns more or fewer vectors than texts,
///   an empty vector, vectors of different lengths, or a number that is not finite.
pub async fn unit_vectors(
    embeddings: &(impl Embeddings + ?Sized),
    texts: &[String],
) -> Result<Vec<Vec<f32>>, VectorStoreError> {
    let vectors = embeddings.embed(texts).await?;
    let invalid = |reason: String| Err(VectorStoreError::InvalidVectors { reason });
    let (given, wanted) = (vectors.len(), texts.len());
    if given != wanted {
        return invalid(format!("{given} vectors for {wanted} texts"));
    }
    let length = vectors.first().map_or(0, Vec::len);
    for (vector, index) in vectors.iter().zip(0..) {
        let found = vector.len();
        if found == 0 {
            return invalid(format!("vector {index} is empty"));
        }
        if found != length {
            return invalid(format!("vector {index} has {found} numbers, vector 0 has {length}"));
        }
        if let Some(place) = vector.iter().position(|number| !number.is_finite()) {
            return invalid(format!("number {place} of vector {index} is not finite"));
        }
    }
    Ok(vectors.into_iter().map(unit_vector).collect())
}

fn unit_vector(mut vector: Vec<f32>) -> Vec<f32> {
    // In 64 bits the square of a 32-bit number neither overflows nor vanishes.
    let square: f64 = vector.iter().map(|&number| f64::from(number).powi(2)).sum();
    if square > 0.0 {
        let length = square.sqrt();
        for number in &mut vector {
            *number = (f64::from(*number) / length) as f32;
        }
    }
    vector
}

/// An error of a vector store.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum VectorStoreError {
    /// The embedding model failed.
    #[error("cannot embed the text")]
    Embeddings(#[from] ModelError),
    /// The embedding model returned vectors that cannot be compared.
    #[error("cannot use the embedding model's vectors: {reason}")]
    InvalidVectors {
        /// The fault and its place.
        reason: String,
    },
    /// A vector does not have the length of the collection's others.
    #[error("cannot use a vector of {found} numbers; the collection holds vectors of {expected}")]
    Dimension {
        /// The collection's length.
        expected: usize,
        /// The vector's length.
        found: usize,
    },
    /// The store does not support the operation.
    #[error("cannot use {what}: the vector store does not support it")]
    Unsupported {
        /// The operation.
        what: &'static str,
    },
    /// Another caller holds the store.
    #[error("cannot use the vector store: it is busy")]
    Busy,
    /// The disk or the store's quota is full. Nothing was written.
    #[error("cannot write to the vector store: it is full")]
    Full {
        /// The store's own error.
        source: BoxError,
    },
    /// The store is read-only.
    #[error("cannot write to the vector store: it is read-only")]
    ReadOnly {
        /// The store's own error.
        source: Option<BoxError>,
    },
    /// The stored data cannot be read. It was not changed.
    #[error("cannot use the vector store: {what}")]
    Corrupt {
        /// The fault and its place.
        what: String,
        /// The store's own error.
        source: Option<BoxError>,
    },
    /// The store did not complete the operation in time. What it was to add or to remove may be
    /// added or removed: repeat the operation.
    #[error("cannot complete the operation within {limit:?}")]
    TimedOut {
        /// The store's limit for an operation.
        limit: Duration,
    },
    /// The store failed, or could not be reached.
    #[error("cannot reach the vector store")]
    Backend {
        /// The store's own error.
        source: BoxError,
    },
}

crate::debug_as_report!(VectorStoreError);

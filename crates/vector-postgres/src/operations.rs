//! The operations on the tables, each of one statement or transaction.

use std::sync::Arc;

use conversant_core::{Collection, VectorStoreError};
use conversant_history::postgres::PostgresError;
use tokio_postgres::{
    Client, Row,
    types::{ToSql, Type},
};

use crate::{
    database::{Access, Operation},
    index::VectorIndex,
    statements::{Statements, prepare},
};

/// A length as the server has it. Longer vectors are refused by the server.
pub(crate) fn length(vector: usize) -> i32 {
    i32::try_from(vector).unwrap_or(i32::MAX)
}

/// The key of a collection.
#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) kind: i16,
    pub(crate) name: Vec<u8>,
}

impl Place {
    pub(crate) fn of(collection: &Collection) -> Result<Self, VectorStoreError> {
        let (kind, name) = match collection {
            Collection::Session(session) => (0, session.as_str()),
            Collection::Group(group) => (1, group.as_str()),
            Collection::User(user) => (2, user.as_str()),
            Collection::Shared(name) => (3, &**name),
            _ => {
                return Err(VectorStoreError::Unsupported { what: "a collection of this kind" });
            }
        };
        Ok(Self { kind, name: name.as_bytes().to_vec() })
    }
}

/// Creates what is missing.
pub(crate) struct Prepare {
    pub(crate) index: VectorIndex,
}

impl Operation for Prepare {
    type Output = Statements;

    const IS_REPEATED: bool = true;
    const ACCESS: Access = Access::Prepares;

    async fn run(&self, client: &Client) -> Result<Statements, PostgresError> {
        prepare(client, self.index).await
    }
}

/// Adds documents, and returns the length of the collection's vectors. If it differs, nothing was
/// added. A collection whose documents were all removed has none.
pub(crate) struct Add {
    pub(crate) statements: Arc<Statements>,
    pub(crate) place: Place,
    pub(crate) dimensions: i32,
    pub(crate) ids: Vec<Vec<u8>>,
    pub(crate) documents: Vec<String>,
    /// One after the other.
    pub(crate) vectors: Vec<f32>,
}

impl Operation for Add {
    type Output = i32;

    const IS_REPEATED: bool = true;
    const ACCESS: Access = Access::Writes;

    async fn run(&self, client: &Client) -> Result<i32, PostgresError> {
        let expected = self.add(client).await?;
        if expected == self.dimensions || !self.remove_empty_collection(client).await? {
            return Ok(expected);
        }
        self.add(client).await
    }
}

impl Add {
    async fn add(&self, client: &Client) -> Result<i32, PostgresError> {
        let row = client
            .query_typed_one(
                &self.statements.add,
                &[
                    (&self.place.kind, Type::INT2),
                    (&self.place.name, Type::BYTEA),
                    (&self.dimensions, Type::INT4),
                    (&self.ids, Type::BYTEA_ARRAY),
                    (&self.documents, Type::TEXT_ARRAY),
                    (&self.vectors, Type::FLOAT4_ARRAY),
                ],
            )
            .await?;
        Ok(row.try_get(0)?)
    }

    /// Removes a collection that has no documents, and returns whether it had none. Others who add
    /// to it wait meanwhile, and what they added before is seen.
    async fn remove_empty_collection(&self, client: &Client) -> Result<bool, PostgresError> {
        let Place { kind, name } = &self.place;
        let of_place = [(kind as _, Type::INT2), (name as _, Type::BYTEA)];
        let (begun, locked, removed, ended) = tokio::join!(
            client.batch_execute("BEGIN"),
            client.query_typed(self.statements.lock, &of_place),
            client.execute_typed(self.statements.clear_empty, &of_place),
            client.batch_execute("COMMIT"),
        );
        begun?;
        locked?;
        let removed = removed?;
        ended?;
        Ok(removed > 0)
    }
}

/// Searches a collection. Returns the length of its vectors and the documents found, each as JSON
/// with its similarity, or `None` if there is no such collection.
pub(crate) struct Search {
    pub(crate) statements: Arc<Statements>,
    pub(crate) place: Place,
    pub(crate) vector: Vec<f32>,
    pub(crate) k: usize,
    pub(crate) index: VectorIndex,
}

pub(crate) type Found = (i32, Vec<(String, f32)>);

impl Operation for Search {
    type Output = Option<Found>;

    const IS_REPEATED: bool = true;
    const ACCESS: Access = Access::Reads;

    async fn run(&self, client: &Client) -> Result<Option<Found>, PostgresError> {
        if let Some(statement) = &self.statements.search_index
            && self.index.dimensions() == Some(self.vector.len())
        {
            let settings =
                self.index.search_settings(self.candidates(), self.statements.can_iterate);
            let begin = format!("BEGIN READ ONLY; {settings}");
            // They are sent together, and one of the two finds nothing.
            let (begun, few, rows, ended) = tokio::join!(
                client.batch_execute(&begin),
                self.select(&self.statements.search_small, client),
                self.select_near(statement, client),
                client.batch_execute("COMMIT"),
            );
            begun?;
            let (few, rows) = (found(&few?)?, found(&rows?)?);
            ended?;
            if few.is_some() {
                return Ok(few);
            }
            // What the index does not find may be there.
            if rows.as_ref().is_some_and(|(_, documents)| documents.len() >= self.k) {
                return Ok(rows);
            }
        }
        found(&self.select(&self.statements.search, client).await?)
    }
}

impl Search {
    async fn select(&self, statement: &str, client: &Client) -> Result<Vec<Row>, PostgresError> {
        let (k, length) = (number(self.k), length(self.vector.len()));
        Ok(client.query_typed(statement, &self.parameters(&k, &length)).await?)
    }

    /// Searches with the index, among twice as many candidates.
    async fn select_near(
        &self,
        statement: &str,
        client: &Client,
    ) -> Result<Vec<Row>, PostgresError> {
        let (k, length) = (number(self.k), length(self.vector.len()));
        let candidates = number(self.candidates());
        let mut parameters = self.parameters(&k, &length).to_vec();
        parameters.push((&candidates, Type::INT8));
        Ok(client.query_typed(statement, &parameters).await?)
    }

    /// Returns the number of documents for which the index is asked.
    const fn candidates(&self) -> usize {
        self.k.saturating_mul(2)
    }

    fn parameters<'a>(&'a self, k: &'a i64, length: &'a i32) -> [Parameter<'a>; 5] {
        [
            (&self.place.kind, Type::INT2),
            (&self.place.name, Type::BYTEA),
            (&self.vector, Type::FLOAT4_ARRAY),
            (length, Type::INT4),
            (k, Type::INT8),
        ]
    }
}

type Parameter<'a> = (&'a (dyn ToSql + Sync), Type);

/// A number of documents as the server has it.
pub(crate) fn number(documents: usize) -> i64 {
    i64::try_from(documents).unwrap_or(i64::MAX)
}

/// Reads rows. A collection whose vectors have another length has one row without a document.
fn found(rows: &[Row]) -> Result<Option<Found>, PostgresError> {
    let Some(first) = rows.first() else { return Ok(None) };
    let mut documents = Vec::with_capacity(rows.len());
    for row in rows {
        if let Some(document) = row.try_get::<_, Option<String>>(1)? {
            let distance: f64 = row.try_get(2)?;
            documents.push((document, -distance as f32));
        }
    }
    Ok(Some((first.try_get(0)?, documents)))
}

/// Removes a collection.
pub(crate) struct Clear {
    pub(crate) statements: Arc<Statements>,
    pub(crate) place: Place,
}

impl Operation for Clear {
    type Output = ();

    const IS_REPEATED: bool = false;
    const ACCESS: Access = Access::Writes;

    async fn run(&self, client: &Client) -> Result<(), PostgresError> {
        let Place { kind, name } = &self.place;
        client
            .execute_typed(self.statements.clear, &[(kind, Type::INT2), (name, Type::BYTEA)])
            .await?;
        Ok(())
    }
}

/// Lists the documents of a collection after an id, each as JSON.
pub(crate) struct List {
    pub(crate) statements: Arc<Statements>,
    pub(crate) place: Place,
    pub(crate) after: Option<Vec<u8>>,
    pub(crate) limit: i64,
}

impl Operation for List {
    type Output = Vec<String>;

    const IS_REPEATED: bool = true;
    const ACCESS: Access = Access::Reads;

    async fn run(&self, client: &Client) -> Result<Vec<String>, PostgresError> {
        let Place { kind, name } = &self.place;
        let rows = client
            .query_typed(
                self.statements.list,
                &[
                    (kind, Type::INT2),
                    (name, Type::BYTEA),
                    (&self.after, Type::BYTEA),
                    (&self.limit, Type::INT8),
                ],
            )
            .await?;
        rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
    }
}

/// Removes documents, and returns how many there were.
pub(crate) struct Remove {
    pub(crate) statements: Arc<Statements>,
    pub(crate) place: Place,
    pub(crate) ids: Vec<Vec<u8>>,
}

impl Operation for Remove {
    type Output = usize;

    const IS_REPEATED: bool = false;
    const ACCESS: Access = Access::Writes;

    async fn run(&self, client: &Client) -> Result<usize, PostgresError> {
        let Place { kind, name } = &self.place;
        let removed = client
            .execute_typed(
                self.statements.remove,
                &[(kind, Type::INT2), (name, Type::BYTEA), (&self.ids, Type::BYTEA_ARRAY)],
            )
            .await?;
        Ok(usize::try_from(removed).unwrap_or(usize::MAX))
    }
}

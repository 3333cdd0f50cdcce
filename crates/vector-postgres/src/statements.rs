//! The tables and the statements on them.

use tokio_postgres::Client;

use conversant_history::postgres::PostgresError;

use crate::index::VectorIndex;

/// The advisory lock of creation: "vectors\0" in ASCII.
const LOCK: i64 = 0x7665_6374_6f72_7300;

/// The largest number of documents of a collection that are compared although there is an index.
pub(crate) const MAX_COMPARED: usize = 1000;

/// The statements of a store, with the names of its database.
#[derive(Debug)]
pub(crate) struct Statements {
    pub(crate) add: String,
    /// Compares all vectors of a collection.
    pub(crate) search: String,
    /// The same, if they are few.
    pub(crate) search_small: String,
    /// Searches a larger collection with the index, if there is one.
    pub(crate) search_index: Option<String>,
    pub(crate) clear: &'static str,
    /// Locks the row of a collection, for which those who add wait.
    pub(crate) lock: &'static str,
    /// Removes a collection that is locked, if it has no documents.
    pub(crate) clear_empty: &'static str,
    pub(crate) list: &'static str,
    pub(crate) remove: &'static str,
    /// Whether an index search goes on while a filter leaves too few.
    pub(crate) can_iterate: bool,
}

/// Creates what is missing: the extension, the tables and the index. Their names have a version: a
/// later one gives its tables other names, so no version reads what it does not know.
pub(crate) async fn prepare(
    client: &Client,
    index: VectorIndex,
) -> Result<Statements, PostgresError> {
    let Extension { schema, can_iterate } = extension(client).await?;
    let index_name = index.name();
    let wanted = [
        Some("conversant_vector_collections_1".to_owned()),
        Some("conversant_vectors_1".to_owned()),
        Some("conversant_vector_migrations_1".to_owned()),
        index_name.clone(),
    ];
    let mut is_complete = true;
    for name in wanted.iter().flatten() {
        let found = "SELECT pg_catalog.to_regclass($1) IS NOT NULL";
        let parameters: [(&(dyn tokio_postgres::types::ToSql + Sync), _); 1] =
            [(name, tokio_postgres::types::Type::TEXT)];
        is_complete &= client.query_typed_one(found, &parameters).await?.try_get::<_, bool>(0)?;
    }
    if !is_complete {
        let tables = include_str!("tables.sql").replace("{schema}", &schema);
        let mut create = format!("SELECT pg_advisory_xact_lock({LOCK}); {tables}");
        if let (Some(name), Some((method, options)), Some(dimensions)) =
            (index_name, index.method(), index.dimensions())
        {
            create.push_str(&format!(
                "CREATE INDEX IF NOT EXISTS {name} ON conversant_vectors_1 \
                 USING {method} ((vector::{schema}.vector({dimensions})) {schema}.vector_ip_ops) \
                 WITH ({options}) WHERE dimensions = {dimensions};"
            ));
        }
        // Statements that are sent together are one transaction.
        client.batch_execute(&create).await?;
    }
    Ok(Statements::new(&schema, index, can_iterate))
}

/// The extension, in the schema in which it was created.
struct Extension {
    /// Quoted.
    schema: String,
    can_iterate: bool,
}

async fn extension(client: &Client) -> Result<Extension, PostgresError> {
    let find = "SELECT pg_catalog.quote_ident(n.nspname), e.extversion FROM pg_catalog.pg_extension e \
        JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'vector'";
    let mut found = client.query_typed_opt(find, &[]).await?;
    if found.is_none() {
        let create = format!(
            "SELECT pg_advisory_xact_lock({LOCK}); CREATE EXTENSION IF NOT EXISTS vector SCHEMA public"
        );
        if let Err(error) = client.batch_execute(&create).await {
            let reason = PostgresError::from(error);
            return Err(PostgresError::new(format!(
                "cannot create the extension `vector`: {reason}; install pgvector on the server, \
                 and run `CREATE EXTENSION vector` in the database as a user who may"
            )));
        }
        found = client.query_typed_opt(find, &[]).await?;
    }
    let Some(row) = found else {
        return Err(PostgresError::new("cannot find the extension `vector`"));
    };
    let version: String = row.try_get(1)?;
    let mut parts = version.split('.').map(|part| part.parse().unwrap_or(0));
    let version: (u32, u32) = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    Ok(Extension { schema: row.try_get(0)?, can_iterate: version >= (0, 8) })
}

impl Statements {
    fn new(schema: &str, index: VectorIndex, can_iterate: bool) -> Self {
        Self {
            add: format!(
                "WITH held AS ( \
                    INSERT INTO conversant_vector_collections_1 AS c (kind, name, dimensions) VALUES ($1, $2, $3) \
                    ON CONFLICT (kind, name) DO UPDATE SET dimensions = c.dimensions \
                    RETURNING c.key, c.dimensions \
                ), added AS ( \
                    INSERT INTO conversant_vectors_1 (collection, id, document, dimensions, vector) \
                    SELECT held.key, d.id, d.document, $3, \
                        $6[(d.number::integer - 1) * $3 + 1 : d.number::integer * $3]::{schema}.vector \
                    FROM held, unnest($4, $5) WITH ORDINALITY AS d (id, document, number) \
                    WHERE held.dimensions = $3 ORDER BY d.number \
                    ON CONFLICT (collection, id) DO UPDATE \
                    SET document = excluded.document, vector = excluded.vector \
                ) SELECT dimensions FROM held"
            ),
            search: search(schema, ""),
            search_small: search(schema, &format!("AND NOT {}", is_large())),
            search_index: index.dimensions().map(|dimensions| search_index(schema, dimensions)),
            clear: "DELETE FROM conversant_vector_collections_1 WHERE kind = $1 AND name = $2",
            lock: "SELECT 1 FROM conversant_vector_collections_1 WHERE kind = $1 AND name = $2 FOR UPDATE",
            clear_empty: "DELETE FROM conversant_vector_collections_1 held \
                WHERE kind = $1 AND name = $2 \
                AND NOT EXISTS (SELECT 1 FROM conversant_vectors_1 v WHERE v.collection = held.key)",
            list: "SELECT v.document FROM conversant_vectors_1 v \
                JOIN conversant_vector_collections_1 held ON held.key = v.collection \
                WHERE held.kind = $1 AND held.name = $2 AND ($3::bytea IS NULL OR v.id > $3) \
                ORDER BY v.id LIMIT $4",
            remove: "DELETE FROM conversant_vectors_1 v USING conversant_vector_collections_1 held \
                WHERE held.key = v.collection AND held.kind = $1 AND held.name = $2 \
                AND v.id = ANY ($3)",
            can_iterate,
        }
    }
}

/// Returns a search that compares all vectors of a collection, which fulfils a condition. Vectors
/// have length 1, so the product of two is their similarity. Of two documents that are equally
/// similar, the one that was added first wins.
fn search(schema: &str, condition: &str) -> String {
    let distance = format!("v.vector OPERATOR({schema}.<#>) $3::{schema}.vector");
    of_collection(
        &format!(
            "SELECT v.document, v.number, {distance} AS distance FROM conversant_vectors_1 v \
            WHERE v.collection = held.key AND held.dimensions = $4 \
            ORDER BY {distance}, v.number LIMIT $5"
        ),
        condition,
    )
}

/// Returns a search with an index. Of the documents that it finds, twice as many as are wanted, the
/// nearest are taken: it finds them in an order that is about right.
fn search_index(schema: &str, dimensions: usize) -> String {
    let distance = format!(
        "v.vector::{schema}.vector({dimensions}) OPERATOR({schema}.<#>) $3::{schema}.vector"
    );
    // PostgreSQL does not use an index for further terms of the order.
    of_collection(
        &format!(
            "SELECT * FROM ( \
                SELECT v.document, v.number, {distance} AS distance FROM conversant_vectors_1 v \
                WHERE v.collection = held.key AND held.dimensions = $4 \
                AND v.dimensions = {dimensions} ORDER BY {distance} LIMIT $6 \
            ) near ORDER BY near.distance, near.number LIMIT $5"
        ),
        &format!("AND {}", is_large()),
    )
}

/// Returns a search by another one, of the documents of one collection.
fn of_collection(documents: &str, condition: &str) -> String {
    format!(
        "SELECT held.dimensions, m.document, m.distance FROM conversant_vector_collections_1 held \
        LEFT JOIN LATERAL ({documents}) m ON true \
        WHERE held.kind = $1 AND held.name = $2 {condition} ORDER BY m.distance, m.number"
    )
}

/// Returns the condition of a collection of more than [`MAX_COMPARED`] documents.
fn is_large() -> String {
    format!(
        "EXISTS (SELECT 1 FROM conversant_vectors_1 v WHERE v.collection = held.key \
        OFFSET {MAX_COMPARED})"
    )
}

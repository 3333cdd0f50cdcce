//! Creates the tables, and migrates those of earlier versions, when a history connects.

use conversant_core::HistoryError;
use deadpool_postgres::Client;
use tokio_postgres::{GenericClient, IsolationLevel, types::Type};

use crate::{
    error::{Failure, PostgresError, backend},
    pool::{Limit, Operation},
    statements::{count, signed},
};

/// The migrations from each version to the next. They run in one transaction.
const MIGRATIONS: &[&str] =
    &[include_str!("schema/1.sql"), include_str!("schema/2.sql"), include_str!("schema/3.sql")];

/// The advisory lock of migrations: "conversa" in ASCII.
const LOCK: i64 = 0x636f_6e76_6572_7361;

/// Migrates the tables to the latest version.
pub(crate) struct Migrate;

impl Operation for Migrate {
    type Output = ();

    async fn run(&self, client: &mut Client, _: Limit) -> Result<(), Failure> {
        let row = client
            .query_typed_one(
                "SELECT current_setting('server_encoding'), current_setting('transaction_read_only')",
                &[],
            )
            .await?;
        let encoding: String = row.try_get(0)?;
        if encoding != "UTF8" {
            let what =
                format!("cannot use a database with encoding `{encoding}`; use one with `UTF8`");
            return Err(backend(PostgresError::new(what)).into());
        }
        if row.try_get::<_, String>(1)? == "on" {
            return Err(HistoryError::ReadOnly { source: None }.into());
        }
        if is_current(version(&***client).await?)? {
            return Ok(());
        }
        // Each statement has to see what was committed while it waited for the lock.
        let level = IsolationLevel::ReadCommitted;
        let transaction = client.build_transaction().isolation_level(level).start().await?;
        transaction
            .execute_typed("SELECT pg_advisory_xact_lock($1)", &[(&LOCK, Type::INT8)])
            .await?;
        // Another program may have migrated the tables meanwhile.
        let found = version(&*transaction).await?;
        if !is_current(found)? {
            let done = usize::try_from(found).unwrap_or(usize::MAX);
            for migration in MIGRATIONS.iter().skip(done) {
                transaction.batch_execute(migration).await?;
            }
            transaction
                .execute_typed(
                    "UPDATE conversant_schema SET version = $1",
                    &[(&signed(known()), Type::INT8)],
                )
                .await?;
        }
        transaction.commit().await?;
        Ok(())
    }
}

/// Returns the version of the tables, 0 if there are none.
async fn version(client: &impl GenericClient) -> Result<u64, Failure> {
    // Reading the catalogue makes the server see tables that other programs have just created.
    let table = "SELECT EXISTS (SELECT FROM pg_catalog.pg_class \
        WHERE oid = pg_catalog.to_regclass('conversant_schema'))";
    if !client.query_typed_one(table, &[]).await?.try_get::<_, bool>(0)? {
        return Ok(0);
    }
    let row = client.query_typed_one("SELECT version FROM conversant_schema", &[]).await?;
    count(&row, 0)
}

fn known() -> u64 {
    MIGRATIONS.len() as u64
}

fn is_current(found: u64) -> Result<bool, HistoryError> {
    if found > known() {
        return Err(HistoryError::SchemaTooNew { found, known: known() });
    }
    Ok(found == known())
}

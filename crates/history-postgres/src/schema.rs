//! Creates the tables and functions, and migrates those of earlier versions, when a history
//! connects.

use std::{
    fmt::Write as _,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use conversant_core::HistoryError;
use conversant_history::postgres::PostgresError;
use deadpool_postgres::Client;
use tokio_postgres::{GenericClient, IsolationLevel, Transaction, types::Type};

use crate::{
    error::{Failure, backend},
    pool::{Database, Limit, Operation},
    statements::{column, count, signed},
};

/// The migrations of the tables from each version to the next. They run in one transaction.
const MIGRATIONS: &[&str] = &[
    include_str!("schema/1.sql"),
    include_str!("schema/2.sql"),
    include_str!("schema/3.sql"),
    include_str!("schema/4.sql"),
    include_str!("schema/5.sql"),
    include_str!("schema/6.sql"),
    include_str!("schema/7.sql"),
];

/// Functions that change no table, each version with those that it adds or replaces. Programs that
/// know the tables can connect whether they know these functions or not.
const FUNCTIONS: &[&str] = &[
    include_str!("schema/functions_1.sql"),
    concat!(
        include_str!("schema/functions_2/tree.sql"),
        include_str!("schema/functions_2/load.sql"),
        include_str!("schema/functions_2/branch.sql"),
        include_str!("schema/functions_2/list.sql"),
    ),
    include_str!("schema/functions_3/append.sql"),
    concat!(
        include_str!("schema/functions_4/sessions.sql"),
        include_str!("schema/functions_4/append.sql"),
        include_str!("schema/functions_4/next.sql"),
    ),
    include_str!("schema/functions_5.sql"),
    include_str!("schema/functions_6.sql"),
    include_str!("schema/functions_7.sql"),
    include_str!("schema/functions_8.sql"),
    include_str!("schema/functions_9.sql"),
    include_str!("schema/functions_10.sql"),
];

/// The advisory lock of migrations: "conversa" in ASCII.
const LOCK: i64 = 0x636f_6e76_6572_7361;

/// The settings of a history that connects.
pub(crate) struct Wanted {
    /// The number of partitions that new tables get, or that tables have to have.
    pub(crate) partitions: Option<u16>,
    /// The text search configuration of the search to create, or that the search has to have.
    pub(crate) search: Option<String>,
}

/// The state of the tables of a history that has connected.
pub(crate) struct Migrated {
    /// The text search configuration of the search, if there is one.
    pub(crate) search: Option<String>,
    /// Whether this history has created the search, so that the titles are not in its index.
    pub(crate) is_search_new: bool,
}

impl Wanted {
    /// Migrates the tables and functions to the latest version, in one transaction without a time
    /// limit, if they are not. If the connection breaks, they begin again for this time alone.
    pub(crate) async fn migrate(
        self,
        database: &Database,
        time: Duration,
    ) -> Result<Migrated, HistoryError> {
        let found = database.change(Look).await?;
        if found.is_current()? {
            self.check(&found)?;
            if self.search.is_none() || self.search == found.search {
                return Ok(Migrated { search: found.search, is_search_new: false });
            }
        }
        let is_search_new = Arc::<AtomicBool>::default();
        let migrate = Migrate { wanted: self, is_search_new: Arc::clone(&is_search_new) };
        let search = database.without_limit(time).change(migrate).await?;
        Ok(Migrated { search, is_search_new: is_search_new.load(Ordering::Relaxed) })
    }
}

/// Looks at the state of a database.
struct Look;

impl Operation for Look {
    type Output = Found;

    async fn run(&self, client: &mut Client, _: Limit) -> Result<Found, Failure> {
        check_database(client).await?;
        find(&***client).await
    }
}

/// Migrates the tables and functions.
struct Migrate {
    wanted: Wanted,
    /// Set once the search is created, also if it is not known whether the transaction ended.
    is_search_new: Arc<AtomicBool>,
}

/// The state of a database.
#[derive(Default)]
struct Found {
    /// The version of the tables, 0 if there are none.
    version: u64,
    functions: u64,
    partitions: u64,
    /// The text search configuration of the search, if there is one.
    search: Option<String>,
}

impl Operation for Migrate {
    /// The text search configuration of the search, if there is one.
    type Output = Option<String>;

    async fn run(&self, client: &mut Client, _: Limit) -> Result<Self::Output, Failure> {
        // Each statement has to see what was committed while it waited for the lock.
        let level = IsolationLevel::ReadCommitted;
        let transaction = client.build_transaction().isolation_level(level).start().await?;
        transaction
            .execute_typed("SELECT pg_advisory_xact_lock($1)", &[(&LOCK, Type::INT8)])
            .await?;
        // Another program may have migrated the tables meanwhile.
        let found = find(&*transaction).await?;
        if found.version > 0 {
            self.wanted.check(&found)?;
        }
        if !found.is_current()? {
            for migration in missing(MIGRATIONS, found.version) {
                transaction.batch_execute(migration).await?;
            }
            if let (0, Some(partitions)) = (found.version, self.wanted.partitions) {
                transaction.batch_execute(&partition(partitions)).await?;
            }
            for functions in missing(FUNCTIONS, found.functions) {
                transaction.batch_execute(functions).await?;
            }
            let done = "ALTER TABLE conversant_schema \
                ADD COLUMN IF NOT EXISTS functions bigint NOT NULL DEFAULT 0";
            transaction.batch_execute(done).await?;
            let (version, functions) = (known(MIGRATIONS), known(FUNCTIONS));
            transaction
                .execute_typed(
                    "UPDATE conversant_schema SET version = $1, functions = $2",
                    &[(&signed(version), Type::INT8), (&signed(functions), Type::INT8)],
                )
                .await?;
        }
        let search = self.create_search(&transaction, found.search).await?;
        transaction.commit().await?;
        Ok(search)
    }
}

impl Migrate {
    /// Creates the search if it is wanted and there is none. Returns its configuration.
    async fn create_search(
        &self,
        transaction: &Transaction<'_>,
        found: Option<String>,
    ) -> Result<Option<String>, Failure> {
        let Some(wanted) = &self.wanted.search else { return Ok(found) };
        if let Some(found) = found {
            if found != *wanted {
                return Err(backend(PostgresError::new(format!(
                    "cannot search with the configuration `{wanted}`: the index has `{found}`; \
                     use that one, or leave `search` out"
                )))
                .into());
            }
            return Ok(Some(found));
        }
        let known = "SELECT EXISTS (SELECT FROM pg_catalog.pg_ts_config WHERE cfgname = $1)";
        let row = transaction.query_typed_one(known, &[(wanted, Type::TEXT)]).await?;
        if !column::<bool>(&row, 0)? {
            return Err(backend(PostgresError::new(format!(
                "cannot search with the configuration `{wanted}`: the database does not have it; \
                 use `simple`"
            )))
            .into());
        }
        transaction.batch_execute(include_str!("schema/search.sql")).await?;
        let enable = "UPDATE conversant_schema SET search = $1";
        transaction.execute_typed(enable, &[(wanted, Type::TEXT)]).await?;
        self.is_search_new.store(true, Ordering::Relaxed);
        Ok(Some(wanted.clone()))
    }
}

impl Wanted {
    /// Checks that the tables have the partitions that are wanted.
    fn check(&self, found: &Found) -> Result<(), HistoryError> {
        match self.partitions {
            Some(wanted) if u64::from(wanted) != found.partitions => {
                let has = found.partitions;
                Err(backend(PostgresError::new(format!(
                    "cannot use {wanted} partitions: the tables were created with {has}; leave \
                     `partitions` out, or move the conversations to new tables in another schema"
                ))))
            }
            _ => Ok(()),
        }
    }
}

impl Found {
    fn is_current(&self) -> Result<bool, HistoryError> {
        let (found, known_version) = (self.version, known(MIGRATIONS));
        if found > known_version {
            return Err(HistoryError::SchemaTooNew { found, known: known_version });
        }
        Ok(found == known_version && self.functions >= known(FUNCTIONS))
    }
}

/// Checks that a database can hold conversations.
async fn check_database(client: &Client) -> Result<(), Failure> {
    let settings =
        "SELECT current_setting('server_encoding'), current_setting('transaction_read_only')";
    let row = client.query_typed_one(settings, &[]).await?;
    let encoding: String = column(&row, 0)?;
    if encoding != "UTF8" {
        let what = format!("cannot use a database with encoding `{encoding}`; use one with `UTF8`");
        return Err(backend(PostgresError::new(what)).into());
    }
    if column::<String>(&row, 1)? == "on" {
        return Err(HistoryError::ReadOnly { source: None }.into());
    }
    Ok(())
}

async fn find(client: &impl GenericClient) -> Result<Found, Failure> {
    // Reading the catalogue makes the server see tables that other programs have just created.
    let table = "SELECT EXISTS (SELECT FROM pg_catalog.pg_class \
        WHERE oid = pg_catalog.to_regclass('conversant_schema'))";
    if !client.query_typed_one(table, &[]).await?.try_get::<_, bool>(0)? {
        return Ok(Found::default());
    }
    // Tables of an earlier version do not have the columns `functions` and `search`.
    let state = "SELECT s.version, coalesce((to_jsonb(s) ->> 'functions')::bigint, 0), \
        (SELECT count(*) FROM pg_catalog.pg_inherits \
            WHERE inhparent = pg_catalog.to_regclass('conversant_turns')), to_jsonb(s) ->> 'search' \
        FROM conversant_schema s";
    let row = client.query_typed_one(state, &[]).await?;
    Ok(Found {
        version: count(&row, 0)?,
        functions: count(&row, 1)?,
        partitions: count(&row, 2)?,
        search: column(&row, 3)?,
    })
}

fn known(versions: &[&str]) -> u64 {
    versions.len() as u64
}

/// Returns the versions after the one that was found.
fn missing(versions: &'static [&str], found: u64) -> impl Iterator<Item = &'static str> {
    versions.iter().copied().skip(usize::try_from(found).unwrap_or(usize::MAX))
}

/// Returns the statements that replace the empty tables of turns and notes by partitioned ones.
/// Sessions have one small row each, and names that have to be unique, so they stay in one table.
fn partition(partitions: u16) -> String {
    let mut statements = include_str!("schema/partition.sql").to_owned();
    for table in ["conversant_turns", "conversant_notes"] {
        for remainder in 0..partitions {
            // Writing to a string does not fail.
            let _ = writeln!(
                statements,
                "CREATE TABLE {table}_{remainder} PARTITION OF {table} \
                 FOR VALUES WITH (MODULUS {partitions}, REMAINDER {remainder});"
            );
        }
    }
    statements
}

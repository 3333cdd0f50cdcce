//! The index of words, which follows the turns and titles.
//!
//! Triggers of the writers' connections add to the index what is inserted, and remove what is
//! deleted, whichever operation does it. Other triggers, and those in a file, are not executed.

use conversant_core::{HistoryError, Message};
use rusqlite::{
    Connection,
    functions::{Context, FunctionFlags},
};

use crate::error::sqlite_error;

const TRIGGERS: &str = "
    CREATE TEMP TRIGGER turn_added AFTER INSERT ON main.turns
        WHEN (SELECT up_to FROM main.search) >= new.place
    BEGIN
        INSERT INTO texts (rowid, text) VALUES (new.place, texts_of(new.body));
    END;
    CREATE TEMP TRIGGER turn_removed AFTER DELETE ON main.turns
        WHEN (SELECT up_to FROM main.search) >= old.place
    BEGIN
        INSERT INTO texts (texts, rowid, text)
        VALUES ('delete', old.place, stored_texts_of(old.body));
    END;
    CREATE TEMP TRIGGER title_added AFTER INSERT ON main.labels
        WHEN new.name = '' AND (SELECT up_to FROM main.search) IS NOT NULL
    BEGIN
        INSERT INTO texts (rowid, text) VALUES (-new.session, new.value);
    END;
    CREATE TEMP TRIGGER title_removed AFTER DELETE ON main.labels
        WHEN old.name = '' AND (SELECT up_to FROM main.search) IS NOT NULL
    BEGIN
        INSERT INTO texts (texts, rowid, text) VALUES ('delete', -old.session, old.value);
    END;
";

/// Adds the functions to a connection that the triggers call.
pub(crate) fn register(connection: &Connection) -> Result<(), HistoryError> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    let of_body = |context: &Context<'_>| {
        let body = context.get_raw(0).as_str()?;
        texts(body).map_err(|error| rusqlite::Error::UserFunctionError(error.into()))
    };
    connection
        .create_scalar_function("texts_of", 1, flags, move |context| of_body(context))
        .and_then(|()| {
            // A damaged turn can be removed. Its words stay in the index.
            connection.create_scalar_function("stored_texts_of", 1, flags, move |context| {
                Ok(of_body(context).unwrap_or_default())
            })
        })
        .map_err(sqlite_error)
}

/// Makes the index follow what a connection writes, if the file has one. Another store may have
/// begun it since the connection was opened. A file without one pays nothing for it.
pub(super) fn follow(connection: &Connection, has_search: bool) -> Result<(), HistoryError> {
    if !has_search {
        return Ok(());
    }
    let follows = connection
        .prepare_cached("SELECT count(*) FROM temp.sqlite_schema WHERE name = 'turn_added'")
        .and_then(|mut select| select.query_row([], |row| row.get::<_, bool>(0)))
        .map_err(sqlite_error)?;
    if follows { Ok(()) } else { connection.execute_batch(TRIGGERS).map_err(sqlite_error) }
}

/// Returns whether the file has an index.
pub(super) fn is_begun(connection: &Connection) -> Result<bool, HistoryError> {
    Ok(up_to(connection)?.is_some())
}

/// Returns the texts of a turn. Words are removed from the index by the same texts, so that it
/// never changes for a stored turn.
fn texts(body: &str) -> Result<String, HistoryError> {
    let messages = Message::list_from_stored_json(body, "a turn")?;
    let mut texts = String::with_capacity(body.len());
    for message in messages {
        texts.push_str(&message.text());
        texts.push('\n');
    }
    Ok(texts)
}

/// Returns the last place whose turn is in the index. `None`: the file has none.
pub(super) fn up_to(connection: &Connection) -> Result<Option<i64>, HistoryError> {
    connection.query_row("SELECT up_to FROM search", [], |row| row.get(0)).map_err(sqlite_error)
}

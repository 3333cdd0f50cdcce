//! The class of an error of SQLite, by its result code.

/// The class of an error of SQLite, for stores whose statements are known to be correct: one that
/// SQLite rejects, and a row that breaks a constraint, are then faults of the file.
///
/// ```
/// use conversant_history::SqliteErrorClass;
///
/// // `SQLITE_BUSY_SNAPSHOT`
/// assert_eq!(SqliteErrorClass::of_code(517), SqliteErrorClass::Busy);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SqliteErrorClass {
    /// Another connection has locked the database.
    Busy,
    /// The disk, or the database, is full.
    Full,
    /// The file, or its folder, cannot be written.
    ReadOnly,
    /// The file is damaged, as the words say.
    Corrupt(&'static str),
    /// The tables are not those of the statements.
    UnexpectedTables,
    /// Any other error.
    Other,
}

impl SqliteErrorClass {
    /// Returns the class of an extended result code (`sqlite3_extended_errcode`). The codes are
    /// those of SQLite's page "Result and Error Codes".
    #[must_use]
    pub const fn of_code(extended: i32) -> Self {
        const SHORT_READ: i32 = 522;
        match (extended & 0xff, extended) {
            (5 | 6, _) => Self::Busy,
            (13, _) => Self::Full,
            (3 | 8, _) => Self::ReadOnly,
            (26, _) => Self::Corrupt("the file is not a SQLite database"),
            (11, _) => Self::Corrupt("the database is malformed"),
            (19, _) => Self::Corrupt("rows contradict each other"),
            (_, SHORT_READ) => Self::Corrupt("the file is truncated"),
            (1 | 20, _) => Self::UnexpectedTables,
            _ => Self::Other,
        }
    }
}

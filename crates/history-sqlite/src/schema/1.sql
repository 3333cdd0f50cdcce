-- Version 1. `sum` is a checksum of the row (checksum.rs): SQLite does not notice every damaged page.

PRAGMA application_id = 0x636f6e76;

CREATE TABLE sessions (
    key INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    -- A 64-bit hash of the id. A second index, to distinguish a lost session from a new one.
    hash INTEGER NOT NULL,
    -- The number of times the session was cleared.
    epoch INTEGER NOT NULL,
    -- The numbers of messages and turns since then, which are the next ones' sequence numbers.
    messages INTEGER NOT NULL,
    turns INTEGER NOT NULL,
    -- The time of the last append, in milliseconds since 1970, for the time to live.
    written INTEGER NOT NULL,
    sum INTEGER NOT NULL
) STRICT;

CREATE INDEX sessions_by_hash ON sessions (hash);

CREATE TABLE turns (
    session INTEGER NOT NULL,
    -- From 0, without gaps.
    number INTEGER NOT NULL,
    id BLOB NOT NULL,
    -- The sequence number of the first message, and the number of messages.
    first INTEGER NOT NULL,
    count INTEGER NOT NULL,
    incomplete INTEGER NOT NULL,
    -- The version that the turn's prompt contained.
    base_epoch INTEGER,
    base_messages INTEGER,
    sum INTEGER NOT NULL,
    PRIMARY KEY (session, number),
    UNIQUE (session, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE messages (
    session INTEGER NOT NULL,
    -- From 0, without gaps.
    seq INTEGER NOT NULL,
    -- LangChain's stored form, as JSON.
    body TEXT NOT NULL,
    sum INTEGER NOT NULL,
    PRIMARY KEY (session, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE notes (
    session INTEGER NOT NULL,
    name TEXT NOT NULL,
    body TEXT NOT NULL,
    -- Whether the body is a list of stored messages instead of plain JSON.
    is_messages INTEGER NOT NULL,
    -- The version that the note covers.
    epoch INTEGER NOT NULL,
    messages INTEGER NOT NULL,
    sum INTEGER NOT NULL,
    PRIMARY KEY (session, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE leases (
    session TEXT PRIMARY KEY,
    holder BLOB NOT NULL,
    -- The time at which it expires, in milliseconds since 1970.
    until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The epoch in which a deleted session starts again, by the hash of its id.
CREATE TABLE deleted (
    hash INTEGER PRIMARY KEY,
    epoch INTEGER NOT NULL
) STRICT;

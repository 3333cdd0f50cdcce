-- Version 1. `sum` is a checksum of its row (sum.rs): SQLite tells a damaged page from a good one only by chance.

PRAGMA application_id = 0x636f6e76;

CREATE TABLE sessions (
    key INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    -- A 64-bit hash of the id: a second way to a session, by which a lost one is told from one that never was.
    hash INTEGER NOT NULL,
    -- How often the session was cleared, and what it has had since: the next sequence numbers.
    epoch INTEGER NOT NULL,
    messages INTEGER NOT NULL,
    turns INTEGER NOT NULL,
    -- When it was last appended to, in milliseconds since 1970. For a time to live; nothing is ordered by it.
    written INTEGER NOT NULL,
    sum INTEGER NOT NULL
) STRICT;

CREATE INDEX sessions_by_hash ON sessions (hash);

CREATE TABLE turns (
    session INTEGER NOT NULL,
    -- From 0, without gaps.
    number INTEGER NOT NULL,
    id BLOB NOT NULL,
    -- The sequence number of its first message, and how many there are.
    first INTEGER NOT NULL,
    count INTEGER NOT NULL,
    incomplete INTEGER NOT NULL,
    -- The version that its prompt saw.
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
    -- Whether the body is a list of stored messages, or else plain JSON.
    is_messages INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    messages INTEGER NOT NULL,
    sum INTEGER NOT NULL,
    PRIMARY KEY (session, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE leases (
    session TEXT PRIMARY KEY,
    holder BLOB NOT NULL,
    -- In milliseconds since 1970.
    until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The epoch at which a session begins that was deleted before, by the hash of its id.
CREATE TABLE deleted (
    hash INTEGER PRIMARY KEY,
    epoch INTEGER NOT NULL
) STRICT;

-- Version 6, of a new file. `sum` is a checksum of the row (checksum.rs): SQLite does not notice
-- every damaged page.

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
    sum INTEGER NOT NULL,
    -- The number of turns that are in the tables of version 2 (2_to_3.sql). They come first.
    earlier INTEGER NOT NULL DEFAULT 0,
    -- The branch of the last turn; null without other branches than the first.
    branch INTEGER,
    -- The times at which it began and was last used, in milliseconds since 1970, and the bytes of
    -- its turns: null if they are not counted yet (3_to_4.sql).
    created INTEGER NOT NULL DEFAULT 0,
    used INTEGER NOT NULL DEFAULT 0,
    bytes INTEGER,
    -- The milliseconds from `used`, which has an index, to the last use: a minute at most.
    used_lag INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE INDEX sessions_by_hash ON sessions (hash);
CREATE INDEX sessions_by_use ON sessions (used, id);

CREATE TABLE turns (
    -- The branch's key times 2^32, plus the turn's number: from 0, without gaps. A branch's turns
    -- are next to each other, without another index. A session's first branch has its key.
    place INTEGER PRIMARY KEY,
    id BLOB NOT NULL,
    -- The sequence number of the first message, and the number of messages.
    first INTEGER NOT NULL,
    count INTEGER NOT NULL,
    incomplete INTEGER NOT NULL,
    -- The version that the turn's prompt contained.
    base_epoch INTEGER,
    base_messages INTEGER,
    base_tip INTEGER,
    sum INTEGER NOT NULL,
    -- The messages: an array of LangChain's stored form, without fields that have their default.
    body TEXT NOT NULL
) STRICT;

CREATE INDEX turns_by_id ON turns (id);

-- Branches of sessions that have several, and forks. The turns of a session's first branch have the
-- session's key, those of the others the branch's. Sessions and branches never have the same key.
CREATE TABLE branches (
    key INTEGER PRIMARY KEY,
    -- The session's key; 0 if it was cleared or deleted and forks share these turns.
    session INTEGER NOT NULL,
    -- The branch that this one leaves, and the numbers of turns and messages before.
    parent INTEGER,
    turns INTEGER NOT NULL,
    messages INTEGER NOT NULL,
    -- The order in which the session's branches began and got their last turns.
    created INTEGER NOT NULL,
    touched INTEGER NOT NULL,
    sum INTEGER NOT NULL
) STRICT;

CREATE INDEX branches_by_touch ON branches (session, touched);
CREATE INDEX branches_by_parent ON branches (parent);

CREATE TABLE notes (
    session INTEGER NOT NULL,
    name TEXT NOT NULL,
    body TEXT NOT NULL,
    -- Whether the body is a list of stored messages instead of plain JSON.
    is_messages INTEGER NOT NULL,
    -- The version that the note covers. If its writer knew no tip, the body ends with a blank, and
    -- the tip is that of the turn which has its last message.
    epoch INTEGER NOT NULL,
    messages INTEGER NOT NULL,
    sum INTEGER NOT NULL,
    tip INTEGER NOT NULL DEFAULT 0,
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

-- Labels of sessions, and titles: a title has the empty name.
CREATE TABLE labels (
    session INTEGER NOT NULL,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    sum INTEGER NOT NULL,
    PRIMARY KEY (session, name)
) STRICT, WITHOUT ROWID;

CREATE INDEX labels_by_value ON labels (name, value) WHERE name <> '';

-- The sums of what is recorded with the turns of a session, as JSON, if something is.
CREATE TABLE totals (
    session INTEGER PRIMARY KEY,
    body TEXT NOT NULL,
    sum INTEGER NOT NULL
) STRICT;

-- The words of turns, by their places, and of titles, by the negative keys of their sessions.
-- Deleted words are overwritten.
CREATE VIRTUAL TABLE texts USING fts5(
    text,
    content = '',
    columnsize = 0,
    tokenize = 'unicode61 remove_diacritics 2'
);
INSERT INTO texts (texts, rank) VALUES ('secure-delete', 1);

-- The last place whose turn is in texts, with all before it: null without search, and the largest
-- number if turns are added as they are stored.
CREATE TABLE search (up_to INTEGER) STRICT;
INSERT INTO search VALUES (NULL);

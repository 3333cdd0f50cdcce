-- Version 4: what a list shows of a session, and a search of texts. The times and the sums of
-- earlier sessions are computed when a list first shows them.

ALTER TABLE sessions ADD COLUMN created INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN used INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN bytes INTEGER;
UPDATE sessions SET used = written;

CREATE INDEX sessions_by_use ON sessions (used, id);

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

-- Version 3: a turn is one row. The rows of earlier turns stay where they are, and are read there.

ALTER TABLE turns RENAME TO turns_2;
ALTER TABLE messages RENAME TO messages_2;

ALTER TABLE sessions ADD COLUMN earlier INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN branch INTEGER;
UPDATE sessions SET earlier = turns;

CREATE TABLE turns (
    place INTEGER PRIMARY KEY,
    id BLOB NOT NULL,
    first INTEGER NOT NULL,
    count INTEGER NOT NULL,
    incomplete INTEGER NOT NULL,
    base_epoch INTEGER,
    base_messages INTEGER,
    base_tip INTEGER,
    sum INTEGER NOT NULL,
    body TEXT NOT NULL
) STRICT;

CREATE INDEX turns_by_id ON turns (id);

CREATE TABLE branches (
    key INTEGER PRIMARY KEY,
    session INTEGER NOT NULL,
    parent INTEGER,
    turns INTEGER NOT NULL,
    messages INTEGER NOT NULL,
    created INTEGER NOT NULL,
    touched INTEGER NOT NULL,
    sum INTEGER NOT NULL
) STRICT;

CREATE INDEX branches_by_session ON branches (session);
CREATE INDEX branches_by_parent ON branches (parent);

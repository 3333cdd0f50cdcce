-- A file of version 3.

PRAGMA application_id = 0x636f6e76;
PRAGMA user_version = 3;
BEGIN TRANSACTION;
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
CREATE TABLE deleted (
    hash INTEGER PRIMARY KEY,
    epoch INTEGER NOT NULL
) STRICT;
INSERT INTO "deleted" VALUES(2244448350166952426,1);
CREATE TABLE leases (
    session TEXT PRIMARY KEY,
    holder BLOB NOT NULL,
    -- In milliseconds since 1970.
    until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE "messages_2" (
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
    sum INTEGER NOT NULL, tip INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (session, name)
) STRICT, WITHOUT ROWID;
INSERT INTO "notes" VALUES(1,'summary','"They met."',0,1,2,1890942397,0);
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
, earlier INTEGER NOT NULL DEFAULT 0, branch INTEGER) STRICT;
INSERT INTO "sessions" VALUES(1,'it''s a 😀',4131115865930990846,1,6,2,1795391447501,988734503,0,NULL);
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
INSERT INTO "turns" VALUES(4294967296,X'00000000000000000000000000000002',0,2,0,NULL,NULL,NULL,-1023955779,'[{"type":"human","data":{"content":"Hi there my friend","additional_kwargs":{},"response_metadata":{},"type":"human","name":null,"id":null,"example":false}},{"type":"ai","data":{"content":"Hello!\n\u0000café","additional_kwargs":{},"response_metadata":{},"type":"ai","name":null,"id":null,"example":false,"tool_calls":[],"invalid_tool_calls":[]}}]');
INSERT INTO "turns" VALUES(4294967297,X'00000000000000000000000000000003',2,4,1,1,2,2,1027362496,'[{"type":"human","data":{"content":[{"type":"text","text":"What is this?"},{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}}],"additional_kwargs":{},"response_metadata":{},"type":"human","name":null,"id":null,"example":false}},{"type":"ai","data":{"content":"","additional_kwargs":{},"response_metadata":{},"type":"ai","name":null,"id":null,"example":false,"tool_calls":[{"name":"look","args":{"at":[1,2.5,null]},"id":"c1"}],"invalid_tool_calls":[]}},{"type":"tool","data":{"content":"a cat","additional_kwargs":{},"response_metadata":{},"type":"tool","name":null,"id":null,"tool_call_id":"c1","unknown":{"kept":true}}},{"type":"ai","data":{"content":"A c","additional_kwargs":{},"response_metadata":{},"type":"ai","name":null,"id":null,"example":false,"tool_calls":[],"invalid_tool_calls":[]}}]');
CREATE TABLE "turns_2" (
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
    sum INTEGER NOT NULL, base_tip INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (session, number),
    UNIQUE (session, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_by_hash ON sessions (hash);
CREATE INDEX turns_by_id ON turns (id);
CREATE INDEX branches_by_session ON branches (session);
CREATE INDEX branches_by_parent ON branches (parent);
COMMIT;

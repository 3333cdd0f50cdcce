CREATE TABLE conversant_vectors_1 (
    number INTEGER PRIMARY KEY,
    collection TEXT NOT NULL,
    id TEXT NOT NULL,
    text TEXT NOT NULL,
    metadata TEXT NOT NULL,
    vector BLOB NOT NULL,
    UNIQUE (collection, id)
) STRICT;
INSERT INTO conversant_vectors_1 VALUES
    (1, 'user-7', '1', 'pizza', '{}', X'0000803f0000000000000000'),
    (2, 'user-7', '2', 'chess', '{"n":1}', X'000000000000803f00000000'),
    (3, 'user-8', '3', 'chess', '{}', X'000000000000803f00000000');

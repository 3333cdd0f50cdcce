-- `kind`: 0 a session's collection, 1 a shared one, 2 a user's. Names are bytes, because text cannot have NUL.
CREATE TABLE IF NOT EXISTS conversant_vector_collections_1 (
    key bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind smallint NOT NULL,
    name bytea NOT NULL,
    dimensions integer NOT NULL,
    UNIQUE (kind, name)
);

-- `document` is JSON, as text: it keeps the order of keys, and NUL.
CREATE TABLE IF NOT EXISTS conversant_vectors_1 (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    collection bigint NOT NULL REFERENCES conversant_vector_collections_1 ON DELETE CASCADE,
    id bytea NOT NULL,
    document text NOT NULL,
    dimensions integer NOT NULL,
    vector {schema}.vector NOT NULL,
    UNIQUE (collection, id)
);

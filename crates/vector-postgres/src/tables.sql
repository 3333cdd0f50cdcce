-- `kind`: 0 a session's collection, 1 a group's, 2 a user's, 3 a shared one. Names are bytes, because text cannot have NUL.
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

-- What was done once to data of earlier versions.
CREATE TABLE IF NOT EXISTS conversant_vector_migrations_1 (name text PRIMARY KEY);

-- Shared collections had the kind of groups, 1. Their documents are those that are not turns, as memories store them. They are copied once, because what is removed must not come again.
WITH found AS (
    SELECT c.key, c.name, c.dimensions FROM conversant_vector_collections_1 c
    WHERE c.kind = 1
    AND NOT EXISTS (SELECT 1 FROM conversant_vector_migrations_1 WHERE name = 'shared')
    AND EXISTS (
        SELECT 1 FROM conversant_vectors_1 v WHERE v.collection = c.key
        AND v.document NOT LIKE '%"metadata":{"epoch":%,"first":%,"messages":[%'
    )
), made AS (
    INSERT INTO conversant_vector_collections_1 (kind, name, dimensions)
    SELECT 3, name, dimensions FROM found
    ON CONFLICT (kind, name) DO NOTHING RETURNING key, name
)
INSERT INTO conversant_vectors_1 (collection, id, document, dimensions, vector)
SELECT made.key, v.id, v.document, v.dimensions, v.vector
FROM made JOIN found USING (name) JOIN conversant_vectors_1 v ON v.collection = found.key
WHERE v.document NOT LIKE '%"metadata":{"epoch":%,"first":%,"messages":[%'
ORDER BY v.number;

INSERT INTO conversant_vector_migrations_1 (name) VALUES ('shared') ON CONFLICT DO NOTHING;

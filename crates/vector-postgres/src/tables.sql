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

-- Shared collections had the kind of groups, 1. Their documents are those that are not turns, as memories store them. A turn that
-- was corrected has other metadata, and the id of a turn. They are copied once, because what is removed must not come again.
WITH earlier AS (
    SELECT v.*, v.document LIKE '%"metadata":{"epoch":%,"first":%,"messages":[%' AS is_turn,
        encode(v.id, 'escape') ~ '^[0-9]+[.][0-9]+ .' AS has_id_of_turn
    FROM conversant_vectors_1 v JOIN conversant_vector_collections_1 c ON c.key = v.collection
    WHERE c.kind = 1 AND NOT EXISTS (SELECT 1 FROM conversant_vector_migrations_1 WHERE name = 'shared')
), shared AS (
    SELECT e.* FROM earlier e WHERE NOT e.is_turn AND NOT (
        e.has_id_of_turn AND EXISTS (SELECT 1 FROM earlier t WHERE t.collection = e.collection AND t.is_turn)
    )
), found AS (
    SELECT c.key, c.name, c.dimensions FROM conversant_vector_collections_1 c
    WHERE EXISTS (SELECT 1 FROM shared s WHERE s.collection = c.key)
), made AS (
    INSERT INTO conversant_vector_collections_1 (kind, name, dimensions)
    SELECT 3, name, dimensions FROM found
    ON CONFLICT (kind, name) DO NOTHING RETURNING key, name
)
INSERT INTO conversant_vectors_1 (collection, id, document, dimensions, vector)
SELECT made.key, s.id, s.document, s.dimensions, s.vector
FROM made JOIN found USING (name) JOIN shared s ON s.collection = found.key
ORDER BY s.number;

INSERT INTO conversant_vector_migrations_1 (name) VALUES ('shared') ON CONFLICT DO NOTHING;

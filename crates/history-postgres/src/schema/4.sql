-- Version 4 of the schema: the turns of a session are a tree, and sessions can be listed.
--
-- Turns are stored by branch. A session's first branch has the session's key; another branch has the
-- turns that follow a point of its parent, with the numbers that they have in the path. A fork is a
-- session whose first branch leaves a branch of another session. A session without other branches has
-- no rows of branches, and is stored as before.

ALTER TABLE conversant_sessions
    -- The branch of the last turn; null without other branches than the first.
    ADD COLUMN branch bigint,
    ADD COLUMN title text,
    ADD COLUMN labels jsonb NOT NULL DEFAULT '{}',
    -- The times at which it began, null if not known, and was last used, 0 if it has not begun: in
    -- milliseconds since 1970.
    ADD COLUMN created_ms bigint,
    ADD COLUMN used_ms bigint NOT NULL DEFAULT 0,
    -- For lists. An index of the milliseconds would change with each turn; this one does once an hour.
    ADD COLUMN used_hour bigint GENERATED ALWAYS AS (used_ms / 3600000) STORED,
    -- The number of turns on the path to the tip, and the sums of all turns that were stored in it.
    ADD COLUMN turns bigint NOT NULL DEFAULT 0,
    ADD COLUMN bytes bigint NOT NULL DEFAULT 0,
    ADD COLUMN totals bigint[],
    -- The words of the title, if there is a search.
    ADD COLUMN title_words tsvector;
CREATE INDEX ON conversant_sessions (used_hour);
CREATE INDEX ON conversant_sessions USING gin (labels jsonb_path_ops);

-- The text search configuration of the search; null without a search.
ALTER TABLE conversant_schema ADD COLUMN search text;

-- The number of turns before it on the path; null in turns of earlier versions.
ALTER TABLE conversant_turns ADD COLUMN number bigint;

-- Sessions of earlier versions: their times are those in the ids of their turns, if they have one, or
-- those of the appends. Their usage is not known.
UPDATE conversant_sessions s SET turns = t.turns, bytes = t.bytes, created_ms = t.created, used_ms = t.used
    FROM (
        SELECT session, count(*) AS turns, sum(bytes)::bigint AS bytes, max(least(coalesce(made, stored), stored)) AS used,
            (array_agg(made ORDER BY first))[1] AS created
        FROM (
            SELECT session, first, bytes, (date_part('epoch', appended) * 1000)::bigint AS stored,
                CASE WHEN substr(id::text, 15, 1) = '7'
                    THEN ('x' || left(replace(id::text, '-', ''), 12))::bit(48)::bigint END AS made
            FROM conversant_turns
        ) made GROUP BY session
    ) t WHERE t.session = s.key;

CREATE TABLE conversant_branches (
    -- From the sequence of the sessions' keys, so that no session has it.
    key bigint PRIMARY KEY,
    -- The session's key; null if it was cleared or deleted and forks share these turns.
    session bigint,
    -- The branch that this one leaves, and the number of messages before.
    parent bigint,
    messages bigint NOT NULL,
    -- When the last turn was stored, by the same sequence. Only the order matters.
    touched bigint NOT NULL
);
CREATE INDEX ON conversant_branches (session);
CREATE INDEX ON conversant_branches (parent);

-- The turns of a session that is deleted stay as long as forks share them, which no foreign key can
-- say. Without one, an append checks no second table.
DO $$
DECLARE
    name text;
BEGIN
    FOR name IN SELECT conname FROM pg_catalog.pg_constraint
        WHERE conrelid = 'conversant_turns'::regclass AND contype = 'f'
    LOOP
        EXECUTE format('ALTER TABLE conversant_turns DROP CONSTRAINT %I', name);
    END LOOP;
END
$$;

CREATE FUNCTION conversant_session_deleted() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM conversant_remove_turns(OLD.key);
    RETURN NULL;
END
$$;

CREATE TRIGGER conversant_session_deleted AFTER DELETE ON conversant_sessions
    FOR EACH ROW EXECUTE FUNCTION conversant_session_deleted();

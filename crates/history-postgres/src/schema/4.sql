-- Version 4 of the schema: the turns of a session are a tree.
--
-- Turns are stored by branch. A session's first branch has the session's key; another branch has the
-- turns that follow a point of its parent, with the numbers that they have in the path. A fork is a
-- session whose first branch leaves a branch of another session. A session without other branches has
-- no rows of branches, and is stored as before.

-- The branch of the last turn; null without other branches than the first.
ALTER TABLE conversant_sessions ADD COLUMN branch bigint;

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

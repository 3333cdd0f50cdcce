-- Version 7 of the schema: a turn of any branch is found by one look-up, and what follows a point by an
-- index.

-- A writer of version 6 holds its session's row until it has stored its turn. Those that come later begin
-- again (`conversant_branch_for`).
LOCK TABLE conversant_sessions IN EXCLUSIVE MODE;

-- The turns of a session that are not in its first branch.
CREATE TABLE conversant_branch_turns (
    -- The session's key.
    session bigint NOT NULL,
    -- The turn's fingerprint, with which a version names its last turn.
    tip bigint NOT NULL,
    id uuid NOT NULL,
    branch bigint NOT NULL,
    PRIMARY KEY (session, tip, id)
);
INSERT INTO conversant_branch_turns (session, tip, id, branch)
    SELECT b.session, conversant_fingerprint(t.id), t.id, b.key FROM conversant_branches b
        JOIN conversant_turns t ON t.session = b.key
        WHERE b.session <> b.key
    ON CONFLICT DO NOTHING;

DROP INDEX IF EXISTS conversant_branches_session_idx;
CREATE INDEX ON conversant_branches (session, parent, messages);

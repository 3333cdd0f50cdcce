-- Version 6 of the schema: an append finds the turn before it by a whole key of an index, and prepares no
-- expression of a column.

ALTER TABLE conversant_sessions
    -- The first message of the last turn. Null if it is not known; it is checked before it is used.
    ADD COLUMN last_first bigint,
    -- The functions set it together with `used_ms`: the server would prepare the expression of a generated
    -- column for each turn.
    ALTER COLUMN used_hour DROP EXPRESSION,
    ALTER COLUMN used_hour SET DEFAULT 0;

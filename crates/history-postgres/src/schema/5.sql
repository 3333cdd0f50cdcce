-- Version 5 of the schema: what an append checks of the turn before it is in columns.

ALTER TABLE conversant_turns
    -- The fingerprint of the id, with which a version names its last turn (`TurnId::fingerprint`); null in
    -- turns of earlier versions, whose fingerprint is computed.
    ADD COLUMN tip bigint;

-- The functions append no turn without messages. A check of the table would be parsed for each turn.
DO $$
DECLARE
    name text;
BEGIN
    FOR name IN SELECT conname FROM pg_catalog.pg_constraint
        WHERE conrelid = 'conversant_turns'::regclass AND contype = 'c'
    LOOP
        EXECUTE format('ALTER TABLE conversant_turns DROP CONSTRAINT %I', name);
    END LOOP;
END
$$;

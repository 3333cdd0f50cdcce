-- Replaces the empty tables of turns and notes by tables that are partitioned by a hash of the session.

ALTER TABLE conversant_turns RENAME TO conversant_unpartitioned;
CREATE TABLE conversant_turns (LIKE conversant_unpartitioned INCLUDING DEFAULTS INCLUDING CONSTRAINTS)
    PARTITION BY HASH (session);
DROP TABLE conversant_unpartitioned;
ALTER TABLE conversant_turns
    ADD PRIMARY KEY (session, first),
    ADD UNIQUE (session, id);

ALTER TABLE conversant_notes RENAME TO conversant_unpartitioned;
CREATE TABLE conversant_notes (LIKE conversant_unpartitioned INCLUDING DEFAULTS INCLUDING CONSTRAINTS)
    PARTITION BY HASH (session);
DROP TABLE conversant_unpartitioned;
ALTER TABLE conversant_notes
    ADD PRIMARY KEY (session, name),
    ADD FOREIGN KEY (session) REFERENCES conversant_sessions ON DELETE CASCADE;


-- Version 2: the tips of the versions that a turn's prompt contained and that a note covers, or 0.
-- A tip of 0 is not part of the row's checksum.

ALTER TABLE turns ADD COLUMN base_tip INTEGER NOT NULL DEFAULT 0;
ALTER TABLE notes ADD COLUMN tip INTEGER NOT NULL DEFAULT 0;

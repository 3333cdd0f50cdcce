-- Version 5: the index of sessions by last use is written less often.

ALTER TABLE sessions ADD COLUMN used_lag INTEGER NOT NULL DEFAULT 0;

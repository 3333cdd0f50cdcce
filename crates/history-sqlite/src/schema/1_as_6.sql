-- Views of one connection, for a file of version 1 that is opened for reading only.

CREATE TEMP VIEW turns_2 AS SELECT *, 0 AS base_tip FROM main.turns;
CREATE TEMP VIEW notes AS SELECT *, 0 AS tip FROM main.notes;

-- Views of one connection, for a file of version 2 that is opened for reading only.

CREATE TEMP VIEW turns_2 AS SELECT * FROM main.turns;

-- Views of one connection, for a file of version 4 that is opened for reading only.

CREATE TEMP VIEW sessions AS SELECT *, 0 AS used_lag FROM main.sessions;

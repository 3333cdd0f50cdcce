-- Views of one connection, for a file of version 3 that is opened for reading only.

CREATE TEMP VIEW sessions AS
    SELECT *, 0 AS created, written AS used, NULL AS bytes, 0 AS used_lag
    FROM main.sessions;

-- Views of one connection, for a file of versions 1 to 3 that is opened for reading only.

CREATE TEMP VIEW labels AS
    SELECT 0 AS session, '' AS name, '' AS value, 0 AS sum WHERE FALSE;
CREATE TEMP VIEW totals AS SELECT 0 AS session, '' AS body, 0 AS sum WHERE FALSE;
CREATE TEMP VIEW search AS SELECT NULL AS up_to;

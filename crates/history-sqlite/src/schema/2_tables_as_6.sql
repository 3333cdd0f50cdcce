-- Views of one connection, for a file of version 1 or 2 that is opened for reading only.

CREATE TEMP VIEW messages_2 AS SELECT * FROM main.messages;
CREATE TEMP VIEW sessions AS SELECT *, turns AS earlier, NULL AS branch, 0 AS created,
    written AS used, NULL AS bytes, 0 AS used_lag FROM main.sessions;
CREATE TEMP VIEW turns AS
    SELECT 0 AS place, NULL AS id, 0 AS first, 0 AS count, 0 AS incomplete,
           NULL AS base_epoch, NULL AS base_messages, NULL AS base_tip, 0 AS sum, '' AS body
    WHERE FALSE;
CREATE TEMP VIEW branches AS
    SELECT 0 AS key, 0 AS session, NULL AS parent, 0 AS turns, 0 AS messages, 0 AS created,
           0 AS touched, 0 AS sum
    WHERE FALSE;

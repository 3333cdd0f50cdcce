-- Version 10 of the functions: the parts of a word that is searched are next to each other, and no session is
-- deleted by a word that the search passes over.

-- Fails if the search passes over a word or a part of one: a stop word of its language, or what has no entry
-- in its dictionaries. The parts of a word with hyphens are also searched as a whole.
CREATE OR REPLACE FUNCTION conversant_check_words(words text[]) RETURNS void LANGUAGE plpgsql STABLE AS $$
DECLARE
    configuration regconfig := (SELECT f.search FROM conversant_schema f)::regconfig;
    word text;
BEGIN
    FOREACH word IN ARRAY words LOOP
        IF numnode(phraseto_tsquery(configuration, word)) = 0 OR EXISTS (
            SELECT FROM ts_debug(configuration, word) d WHERE coalesce(d.lexemes, '{}') = '{}'
                AND d.alias NOT IN ('blank', 'protocol', 'hword_part', 'hword_asciipart', 'hword_numpart')
        ) THEN
            RAISE EXCEPTION USING ERRCODE = 'CV005', MESSAGE = 'the search passes over a word';
        END IF;
    END LOOP;
END
$$;

-- Returns the keys of the sessions that have all words, in their title or in their turns. A word of several
-- parts is found where these follow each other. A word without letters or digits is not searched, nor is a
-- stop word.
CREATE OR REPLACE FUNCTION conversant_search_sessions(words text[]) RETURNS bigint[] LANGUAGE plpgsql STABLE AS $$
DECLARE
    configuration regconfig := (SELECT f.search FROM conversant_schema f)::regconfig;
    word text;
    query tsquery;
    keys bigint[];
    found bigint[];
BEGIN
    FOREACH word IN ARRAY words LOOP
        query := phraseto_tsquery(configuration, word);
        CONTINUE WHEN numnode(query) = 0;
        keys := ARRAY(
            WITH RECURSIVE hit AS (
                SELECT x.session AS branch, min(x.first) AS first FROM conversant_search x
                    WHERE x.words @@ query GROUP BY x.session
                UNION
                -- A branch that leaves another one after a hit has it on its path.
                SELECT b.key, h.first FROM hit h JOIN conversant_branches b ON b.parent = h.branch AND b.messages > h.first
            )
            SELECT coalesce(b.session, h.branch) FROM hit h LEFT JOIN conversant_branches b ON b.key = h.branch
            UNION
            SELECT s.key FROM conversant_sessions s WHERE s.title_words @@ query
        );
        found := CASE WHEN found IS NULL THEN keys ELSE ARRAY(SELECT unnest(found) INTERSECT SELECT unnest(keys)) END;
    END LOOP;
    RETURN coalesce(found, '{}');
END
$$;

-- Removes sessions that a filter selects, at most so many, those first that were not used for the longest
-- time. Returns the number of them.
CREATE OR REPLACE FUNCTION conversant_delete_sessions(
    wanted_labels jsonb, since_ms bigint, before_ms bigint, words text[], most bigint, limit_ms bigint
) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    found bigint[];
    keys bigint[];
    names text[];
    latest bigint;
BEGIN
    PERFORM conversant_check_limit(limit_ms);
    IF words IS NOT NULL THEN
        PERFORM conversant_check_words(words);
        found := conversant_search_sessions(words);
    END IF;
    SELECT array_agg(d.key), array_agg(d.id), max(d.epoch) INTO keys, names, latest FROM (
        SELECT s.key, s.id, s.epoch FROM conversant_sessions s
            WHERE (s.messages > 0 OR s.branch IS NOT NULL OR s.title IS NOT NULL OR s.labels <> '{}')
                AND coalesce(s.expires > clock_timestamp(), true)
                AND s.labels @> wanted_labels
                AND s.used_hour >= since_ms / 3600000 AND s.used_ms >= since_ms
                AND s.used_hour <= before_ms / 3600000 AND s.used_ms < before_ms
                AND (found IS NULL OR s.key = ANY (found))
            ORDER BY s.used_hour, s.used_ms, s.id LIMIT most FOR UPDATE
    ) d;
    IF keys IS NULL THEN
        RETURN 0;
    END IF;
    UPDATE conversant_schema SET epoch = greatest(epoch, latest + 1);
    DELETE FROM conversant_leases WHERE session = ANY (names);
    DELETE FROM conversant_sessions WHERE key = ANY (keys);
    RETURN cardinality(keys);
END
$$;

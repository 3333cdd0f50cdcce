-- Returns the sessions that a filter selects, most recently used first, after a place. Sessions that were
-- last used at the same time are in the reverse order of their names. The words are those of a search;
-- null for none.
CREATE OR REPLACE FUNCTION conversant_list(
    wanted_labels jsonb, since_ms bigint, before_ms bigint, words text[], after_ms bigint, after_id text, most bigint
) RETURNS SETOF conversant_sessions LANGUAGE plpgsql STABLE AS $$
DECLARE
    found bigint[] := CASE WHEN words IS NOT NULL THEN conversant_search_sessions(words) END;
BEGIN
    RETURN QUERY SELECT * FROM conversant_sessions s
        WHERE (s.messages > 0 OR s.branch IS NOT NULL OR s.title IS NOT NULL OR s.labels <> '{}')
            AND coalesce(s.expires > clock_timestamp(), true)
            AND s.labels @> wanted_labels
            AND s.used_hour >= since_ms / 3600000 AND s.used_ms >= since_ms
            AND s.used_hour <= before_ms / 3600000 AND s.used_ms < before_ms
            AND s.used_hour <= after_ms / 3600000 AND (s.used_ms, s.id) < (after_ms, after_id)
            AND (found IS NULL OR s.key = ANY (found))
        ORDER BY s.used_hour DESC, s.used_ms DESC, s.id DESC LIMIT most;
END
$$;

-- Removes sessions that a filter selects, at most so many, those first that were not used for the longest
-- time. Returns the number of them.
CREATE OR REPLACE FUNCTION conversant_delete_sessions(
    wanted_labels jsonb, since_ms bigint, before_ms bigint, words text[], most bigint, limit_ms bigint
) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    found bigint[] := CASE WHEN words IS NOT NULL THEN conversant_search_sessions(words) END;
    keys bigint[];
    names text[];
    latest bigint;
BEGIN
    PERFORM conversant_check_limit(limit_ms);
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

-- Sets the title of a session, or removes it. `words` is the title as it is searched, null without a
-- search.
CREATE OR REPLACE FUNCTION conversant_set_title(
    wanted text, new_title text, words text, lifetime_ms bigint, limit_ms bigint
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    s conversant_sessions := conversant_hold_listed(wanted, new_title IS NULL, lifetime_ms, limit_ms);
BEGIN
    UPDATE conversant_sessions u SET title = new_title, title_words = CASE WHEN words IS NOT NULL THEN
        to_tsvector((SELECT f.search FROM conversant_schema f)::regconfig, words) END WHERE u.key = s.key;
END
$$;

-- Sets a label of a session, or removes it. Returns whether the session has too many others.
CREATE OR REPLACE FUNCTION conversant_set_label(
    wanted text, name text, new_value text, max_labels bigint, lifetime_ms bigint, limit_ms bigint
) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    s conversant_sessions := conversant_hold_listed(wanted, new_value IS NULL, lifetime_ms, limit_ms);
BEGIN
    IF new_value IS NOT NULL AND (SELECT count(*) FROM jsonb_object_keys(s.labels - name)) >= max_labels THEN
        RETURN true;
    END IF;
    UPDATE conversant_sessions u SET labels = CASE WHEN new_value IS NULL THEN u.labels - name
        ELSE u.labels || jsonb_build_object(name, new_value) END WHERE u.key = s.key;
    RETURN false;
END
$$;

-- Adds the words of a turn to the index of the search, unless the turn is gone.
CREATE OR REPLACE FUNCTION conversant_index_turn(branch bigint, first_message bigint, texts text[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    configuration regconfig := (SELECT f.search FROM conversant_schema f)::regconfig;
BEGIN
    PERFORM FROM conversant_turns t WHERE t.session = branch AND t.first = first_message FOR KEY SHARE;
    IF FOUND AND configuration IS NOT NULL THEN
        INSERT INTO conversant_search (session, first, part, words)
            SELECT branch, first_message, u.part, to_tsvector(configuration, u.text)
                FROM unnest(texts) WITH ORDINALITY u (text, part)
            ON CONFLICT DO NOTHING;
    END IF;
END
$$;

-- Returns the keys of the sessions that have all words, in their title or in their turns. A word without
-- letters or digits is not searched.
CREATE OR REPLACE FUNCTION conversant_search_sessions(words text[]) RETURNS bigint[] LANGUAGE plpgsql STABLE AS $$
DECLARE
    configuration regconfig := (SELECT f.search FROM conversant_schema f)::regconfig;
    word text;
    query tsquery;
    keys bigint[];
    found bigint[];
BEGIN
    FOREACH word IN ARRAY words LOOP
        query := plainto_tsquery(configuration, word);
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

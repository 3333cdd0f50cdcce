-- The functions that version 5 had in the place of those of version 6.

-- Finds a session, or begins it, and holds its row until the transaction ends. One whose time is over is
-- empty, without labels and times.
CREATE OR REPLACE FUNCTION conversant_hold(wanted text, OUT held conversant_sessions, OUT is_new boolean)
LANGUAGE plpgsql AS $$
DECLARE
    least_epoch bigint;
BEGIN
    LOOP
        SELECT * INTO held FROM conversant_sessions WHERE id = wanted FOR UPDATE;
        IF FOUND THEN
            is_new := false;
            IF held.expires <= clock_timestamp() THEN
                held := conversant_empty(held.key);
                UPDATE conversant_sessions SET labels = '{}', created_ms = NULL, used_ms = 0
                    WHERE key = held.key RETURNING * INTO held;
            END IF;
            RETURN;
        END IF;
        -- A session of this name may be in deletion. The deletion holds this row first.
        SELECT epoch INTO least_epoch FROM conversant_schema FOR SHARE;
        INSERT INTO conversant_sessions (id, epoch) VALUES (wanted, least_epoch)
            ON CONFLICT (id) DO NOTHING RETURNING * INTO held;
        IF FOUND THEN
            is_new := true;
            RETURN;
        END IF;
    END LOOP;
END
$$;

-- Begins a session with the turns of another one up to a point, which are stored once for both. Returns
-- as `conversant_write_turn`, with the version of the new session, and 1 if it is not empty.
CREATE OR REPLACE FUNCTION conversant_fork(
    wanted text, at_point smallint, turn uuid, into_session text, max_labels bigint, lifetime_ms bigint,
    limit_ms bigint
) RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
    source record;
    target record;
    s conversant_sessions;
    t conversant_sessions;
    place record;
    parent_key bigint;
    now_ms bigint := date_part('epoch', clock_timestamp()) * 1000;
BEGIN
    -- In one order, so that two forks do not wait for each other.
    IF wanted < into_session COLLATE "C" THEN
        SELECT * INTO source FROM conversant_hold(wanted);
        SELECT * INTO target FROM conversant_hold(into_session);
    ELSE
        SELECT * INTO target FROM conversant_hold(into_session);
        SELECT * INTO source FROM conversant_hold(wanted);
    END IF;
    PERFORM conversant_check_limit(limit_ms);
    s := source.held;
    t := target.held;
    SELECT * INTO place FROM conversant_place(s, at_point, turn);
    IF source.is_new AND wanted <> into_session THEN
        DELETE FROM conversant_sessions d WHERE d.key = s.key;
    END IF;
    IF t.messages > 0 OR t.branch IS NOT NULL OR place.finish = 0 THEN
        IF target.is_new THEN
            DELETE FROM conversant_sessions d WHERE d.key = t.key;
        END IF;
        RETURN ARRAY[(t.messages > 0 OR t.branch IS NOT NULL)::integer, t.epoch, t.messages,
            conversant_tip(t.key, t.messages)];
    END IF;
    PERFORM conversant_first_branch(s.key);
    parent_key := conversant_branch_with(place.head, place.finish - 1);
    -- So that a removal of the session at the same time sees the fork, or fails where it cannot.
    UPDATE conversant_sessions u SET messages = u.messages WHERE u.key = s.key;
    INSERT INTO conversant_branches (key, session, parent, messages, touched)
        VALUES (t.key, t.key, parent_key, place.finish, t.key)
        ON CONFLICT (key) DO UPDATE SET parent = excluded.parent, messages = excluded.messages;
    -- It has the labels of its source, as far as there is room and it has no others of these names.
    SELECT jsonb_object_agg(l.name, l.value) INTO t.labels FROM (
        SELECT a.name, a.value FROM (
            SELECT key AS name, value, 1 AS place FROM jsonb_each(t.labels)
            UNION ALL
            SELECT key, value, 2 FROM jsonb_each(s.labels) WHERE NOT t.labels ? key
        ) a ORDER BY a.place, a.name LIMIT max_labels
    ) l;
    UPDATE conversant_sessions u SET branch = t.key, messages = place.finish,
        turns = conversant_turns_before(place.head, place.finish), labels = coalesce(t.labels, '{}'),
        created_ms = CASE WHEN u.used_ms = 0 THEN now_ms ELSE u.created_ms END,
        used_ms = CASE WHEN u.used_ms = 0 THEN now_ms ELSE u.used_ms END,
        expires = clock_timestamp() + lifetime_ms * interval '1 millisecond' WHERE u.key = t.key;
    RETURN ARRAY[0, t.epoch, place.finish, conversant_tip_of(parent_key, place.finish)];
END
$$;

-- Holds the row of a session whose title or label is set, and begins it, unless nothing is set in it.
CREATE OR REPLACE FUNCTION conversant_hold_listed(wanted text, is_removal boolean, lifetime_ms bigint, limit_ms bigint)
RETURNS conversant_sessions LANGUAGE plpgsql AS $$
DECLARE
    h record;
    s conversant_sessions;
    now_ms bigint := date_part('epoch', clock_timestamp()) * 1000;
BEGIN
    SELECT * INTO h FROM conversant_hold(wanted);
    PERFORM conversant_check_limit(limit_ms);
    s := h.held;
    IF is_removal AND h.is_new THEN
        DELETE FROM conversant_sessions d WHERE d.key = s.key;
    ELSIF s.used_ms = 0 AND NOT is_removal THEN
        UPDATE conversant_sessions u SET created_ms = now_ms, used_ms = now_ms,
            expires = coalesce(u.expires, clock_timestamp() + lifetime_ms * interval '1 millisecond')
            WHERE u.key = s.key;
    END IF;
    RETURN s;
END
$$;

-- Appends a turn at a point (`conversant_place`), unless it is stored already. `expect`: 0 any state,
-- 1 the same epoch, 2 exactly the version that was seen. Returns 1 if the session is not in that state,
-- and its version: the epoch, the number of messages and the tip.
--
-- `made_ms` is the time in the turn's id, `sums` its usage and cost, `texts` what is searched; null if
-- there is none.
CREATE OR REPLACE FUNCTION conversant_write_turn(
    wanted text, at_point smallint, after_turn uuid, turn uuid, turn_tip bigint, expect smallint, seen_epoch bigint,
    seen_messages bigint, seen_tip bigint, parts text[], size bigint, cut_off boolean, base_epoch bigint,
    base_messages bigint, base_tip bigint, lifetime_ms bigint, limit_ms bigint, made_ms bigint, sums bigint[],
    texts text[]
) RETURNS bigint[] LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    s conversant_sessions;
    h record;
    last record;
    place record;
    added integer := cardinality(parts);
    is_new boolean := false;
    is_stale boolean := false;
    is_tip boolean := true;
    finish bigint;
    head bigint;
    number bigint;
    now_ms bigint;
BEGIN
    SELECT * INTO s FROM conversant_sessions c WHERE c.id = wanted FOR UPDATE;
    IF s.key IS NULL OR s.expires <= clock_timestamp() THEN
        SELECT * INTO h FROM conversant_hold(wanted);
        s := h.held;
        is_new := h.is_new;
    END IF;
    now_ms := date_part('epoch', clock_timestamp()) * 1000;
    IF now_ms > limit_ms THEN
        PERFORM conversant_check_limit(limit_ms);
    END IF;
    IF s.branch IS NULL AND at_point = 0 THEN
        head := s.key;
        finish := s.messages;
        SELECT t.first + t.count AS finish, t.id INTO last FROM conversant_turns t
            WHERE t.session = s.key ORDER BY t.first DESC LIMIT 1;
    ELSE
        SELECT f.finish INTO finish FROM conversant_find_turn(s, turn) f;
        IF finish IS NOT NULL THEN
            RETURN ARRAY[0, s.epoch, finish, turn_tip];
        END IF;
        SELECT p.head, p.finish INTO head, finish FROM conversant_place(s, at_point, after_turn) p;
        SELECT b.finish, b.id INTO last FROM conversant_turn_before(head, finish) b;
    END IF;
    IF expect > 0 THEN
        IF seen_messages = 0 THEN
            -- A caller that saw an empty session accepts one that began since, unless it was cleared.
            is_stale := seen_epoch <> s.epoch AND (s.cleared OR seen_epoch > s.epoch);
        ELSE
            is_stale := seen_epoch <> s.epoch OR seen_messages > finish
                -- A session that was replaced has another turn there.
                OR seen_tip <> 0 AND seen_tip <> CASE WHEN seen_messages = last.finish
                    THEN conversant_fingerprint(last.id) ELSE conversant_tip_of(head, seen_messages) END;
        END IF;
        is_stale := is_stale OR expect = 2 AND seen_messages <> finish;
        IF is_stale AND expect = 1 AND s.branch IS NOT NULL AND seen_epoch = s.epoch AND seen_tip <> 0 THEN
            -- The tip was moved since: the turn follows the version that its caller saw.
            SELECT b.key, t.finish, t.id INTO place FROM conversant_tree(s.key) b CROSS JOIN LATERAL (
                SELECT c.first + c.count AS finish, c.id FROM conversant_turns c
                WHERE c.session = b.key AND c.first >= b.messages AND c.first < least(seen_messages, b.until)
                ORDER BY c.first DESC LIMIT 1
            ) t WHERE t.finish = seen_messages AND conversant_fingerprint(t.id) = seen_tip LIMIT 1;
            IF FOUND THEN
                head := place.key;
                finish := place.finish;
                SELECT place.finish, place.id INTO last;
                is_tip := false;
                is_stale := false;
            END IF;
        END IF;
    END IF;
    IF NOT is_stale AND added > 0 AND (last.finish = finish OR finish = 0) THEN
        number := s.turns;
        IF at_point > 0 OR NOT is_tip THEN
            number := conversant_turns_before(head, finish);
        END IF;
        IF s.branch IS NOT NULL OR at_point > 0 THEN
            head := conversant_branch_for(s, head, finish);
        END IF;
        INSERT INTO conversant_turns
            (session, first, count, id, bytes, incomplete, base_epoch, base_messages, base_tip, messages, number, tip)
            VALUES (head, finish, added, turn, size, cut_off, base_epoch, base_messages, base_tip, parts, number, turn_tip)
            ON CONFLICT (session, id) DO NOTHING;
        IF FOUND THEN
            made_ms := least(coalesce(made_ms, now_ms), now_ms);
            UPDATE conversant_sessions u SET
                messages = CASE WHEN is_tip THEN finish + added ELSE u.messages END,
                turns = CASE WHEN is_tip THEN number + 1 ELSE u.turns END,
                branch = CASE WHEN is_tip THEN nullif(head, CASE WHEN s.branch IS NULL THEN s.key END) ELSE u.branch END,
                created_ms = CASE WHEN u.used_ms = 0 THEN made_ms ELSE u.created_ms END,
                used_ms = greatest(u.used_ms, made_ms),
                bytes = u.bytes + size,
                totals = CASE WHEN sums IS NULL THEN u.totals ELSE conversant_sums(u.totals, sums) END,
                expires = clock_timestamp() + lifetime_ms * interval '1 millisecond' WHERE u.key = s.key;
            IF texts IS NOT NULL THEN
                PERFORM conversant_index_turn(head, finish, texts);
            END IF;
            RETURN ARRAY[0, s.epoch, finish + added, turn_tip];
        END IF;
    END IF;
    SELECT f.finish INTO finish FROM conversant_find_turn(s, turn) f;
    IF finish IS NOT NULL THEN
        RETURN ARRAY[0, s.epoch, finish, turn_tip];
    END IF;
    IF is_stale OR added = 0 THEN
        IF is_new THEN
            DELETE FROM conversant_sessions d WHERE d.key = s.key;
        END IF;
        SELECT p.head, p.finish INTO head, finish FROM conversant_place(s, at_point, after_turn) p;
        RETURN ARRAY[is_stale::integer, s.epoch, finish, conversant_tip_of(head, finish)];
    END IF;
    PERFORM conversant_check_end(s);
    RAISE EXCEPTION USING ERRCODE = 'CV002', MESSAGE = format('message %s is missing', finish - 1);
END
$$;

-- Adds up usage and costs, number by number; what neither has is null. Large sums stay at the maximum.
CREATE OR REPLACE FUNCTION conversant_sums(a bigint[], b bigint[]) RETURNS bigint[] LANGUAGE sql IMMUTABLE AS $$
    SELECT array_agg(
        CASE WHEN u.a > 9223372036854775807 - u.b THEN 9223372036854775807 ELSE coalesce(u.a + u.b, u.a, u.b) END
        ORDER BY u.place
    ) FROM unnest(a, b) WITH ORDINALITY u (a, b, place)
$$;

-- Appends a turn to a session that is exactly at the version that was seen. Returns as
-- `conversant_write_turn`. `added` is the number of messages, and `finish` that of the session with them;
-- `limit_at` and `made_at` are the times of `limit_ms` and `made_ms`.
-- A turn that is stored already, before that version, violates a unique constraint.
CREATE OR REPLACE FUNCTION conversant_write_next(
    wanted text, turn uuid, turn_tip bigint, expect smallint, seen_epoch bigint, seen_messages bigint,
    seen_tip bigint, parts text[], size bigint, cut_off boolean, base_epoch bigint, base_messages bigint,
    base_tip bigint, lifetime_ms bigint, limit_ms bigint, made_ms bigint, sums bigint[], texts text[],
    added integer, finish bigint, limit_at timestamptz, made_at timestamptz
) RETURNS bigint[] LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    now_at timestamptz := clock_timestamp();
    used bigint := made_ms;
    until timestamptz;
    held bigint;
BEGIN
    IF made_at IS NULL OR made_at > now_at THEN
        used := date_part('epoch', now_at) * 1000;
    END IF;
    IF lifetime_ms IS NOT NULL THEN
        until := now_at + lifetime_ms * interval '1 millisecond';
    END IF;
    -- A writer that waited for another one checks the conditions on the session's row again.
    WITH session AS (
        UPDATE conversant_sessions u SET
            messages = finish,
            turns = u.turns + 1,
            used_ms = greatest(u.used_ms, used),
            bytes = u.bytes + size,
            totals = CASE WHEN sums IS NULL THEN u.totals ELSE conversant_sums(u.totals, sums) END,
            expires = until
        WHERE u.id = wanted AND u.epoch = seen_epoch AND u.messages = seen_messages AND u.branch IS NULL
            AND (u.expires IS NULL OR u.expires > now_at)
            -- The last turn is there, and is the one that was seen.
            AND (SELECT t.first + t.count = seen_messages AND t.tip = seen_tip FROM conversant_turns t
                WHERE t.session = u.key AND t.first < seen_messages ORDER BY t.first DESC LIMIT 1)
        RETURNING u.key, u.turns
    )
    INSERT INTO conversant_turns
        (session, first, count, id, bytes, incomplete, base_epoch, base_messages, base_tip, messages, number, tip)
        SELECT s.key, seen_messages, added, turn, size, cut_off, base_epoch, base_messages, base_tip, parts, s.turns - 1,
            turn_tip FROM session s
        RETURNING session INTO held;
    IF held IS NULL THEN
        RETURN conversant_write_turn(wanted, 0::smallint, NULL, turn, turn_tip, expect, seen_epoch, seen_messages,
            seen_tip, parts, size, cut_off, base_epoch, base_messages, base_tip, lifetime_ms, limit_ms, made_ms, sums,
            texts);
    END IF;
    -- After the wait for other writers. An error undoes the statement.
    IF clock_timestamp() > limit_at THEN
        PERFORM conversant_check_limit(limit_ms);
    END IF;
    IF texts IS NOT NULL THEN
        PERFORM conversant_index_turn(held, seen_messages, texts);
    END IF;
    RETURN ARRAY[0, seen_epoch, finish, turn_tip];
END
$$;

-- Loads what follows a version of a session, as `conversant_read` does: here, nothing follows.
CREATE OR REPLACE FUNCTION conversant_read_after(
    wanted text, seen_epoch bigint, seen_messages bigint, seen_tip bigint
) RETURNS TABLE (
    first bigint, id uuid, incomplete boolean, base_epoch bigint, base_messages bigint, base_tip bigint,
    messages text[]
) LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
BEGIN
    SELECT t.id INTO id FROM conversant_sessions s CROSS JOIN LATERAL (
            SELECT c.id, c.tip, c.first + c.count AS finish FROM conversant_turns c
            WHERE c.session = s.key AND c.first < seen_messages ORDER BY c.first DESC LIMIT 1
        ) t
        WHERE s.id = wanted AND s.epoch = seen_epoch AND s.messages = seen_messages AND s.branch IS NULL
            AND (s.expires IS NULL OR s.expires > clock_timestamp())
            AND t.finish = seen_messages AND t.tip = seen_tip;
    IF id IS NOT NULL THEN
        base_epoch := seen_epoch;
        base_messages := seen_messages;
        incomplete := false;
        RETURN NEXT;
    ELSE
        RETURN QUERY SELECT * FROM conversant_read(
            wanted, 0::smallint, NULL, 5::smallint, 0, seen_epoch, seen_messages, seen_tip);
    END IF;
END
$$;

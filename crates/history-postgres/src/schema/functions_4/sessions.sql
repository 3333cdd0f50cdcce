-- The functions that set the hour of the last use of a session, apart from those that append.

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
                UPDATE conversant_sessions SET labels = '{}', created_ms = NULL, used_ms = 0, used_hour = 0
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
        UPDATE conversant_sessions u SET created_ms = now_ms, used_ms = now_ms, used_hour = now_ms / 3600000,
            expires = coalesce(u.expires, clock_timestamp() + lifetime_ms * interval '1 millisecond')
            WHERE u.key = s.key;
    END IF;
    RETURN s;
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
        used_hour = CASE WHEN u.used_ms = 0 THEN now_ms ELSE u.used_ms END / 3600000,
        expires = clock_timestamp() + lifetime_ms * interval '1 millisecond' WHERE u.key = t.key;
    RETURN ARRAY[0, t.epoch, place.finish, conversant_tip_of(parent_key, place.finish)];
END
$$;

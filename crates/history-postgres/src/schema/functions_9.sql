-- Version 9 of the functions: a fork at the start has the labels of its source.

-- Begins a session with the turns of another one up to a point, which are stored once for both, and with
-- its labels. Returns as `conversant_write_turn`, with the version of the new session, and 1 if it is not
-- empty. One that would have neither turns nor labels is not begun.
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
    all_labels jsonb;
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
    IF t.messages > 0 OR t.branch IS NOT NULL THEN
        RETURN ARRAY[1, t.epoch, t.messages, conversant_tip(t.key, t.messages)];
    END IF;
    -- It has the labels of its source, as far as there is room and it has no others of these names.
    SELECT jsonb_object_agg(l.name, l.value) INTO all_labels FROM (
        SELECT a.name, a.value FROM (
            SELECT key AS name, value, 1 AS place FROM jsonb_each(t.labels)
            UNION ALL
            SELECT key, value, 2 FROM jsonb_each(s.labels) WHERE NOT t.labels ? key
        ) a ORDER BY a.place, a.name LIMIT max_labels
    ) l;
    all_labels := coalesce(all_labels, '{}');
    IF place.finish = 0 AND all_labels = t.labels THEN
        IF target.is_new THEN
            DELETE FROM conversant_sessions d WHERE d.key = t.key;
        END IF;
        RETURN ARRAY[0, t.epoch, 0, 0];
    END IF;
    IF t.used_ms = 0 THEN
        t.created_ms := now_ms;
        t.used_ms := now_ms;
    END IF;
    IF place.finish = 0 THEN
        UPDATE conversant_sessions u SET labels = all_labels,
            created_ms = t.created_ms, used_ms = t.used_ms, used_hour = t.used_ms / 3600000,
            expires = coalesce(u.expires, clock_timestamp() + lifetime_ms * interval '1 millisecond')
            WHERE u.key = t.key;
        RETURN ARRAY[0, t.epoch, 0, 0];
    END IF;
    PERFORM conversant_first_branch(s.key);
    parent_key := conversant_branch_with(place.head, place.finish - 1);
    -- So that a removal of the session at the same time sees the fork, or fails where it cannot.
    UPDATE conversant_sessions u SET messages = u.messages WHERE u.key = s.key;
    INSERT INTO conversant_branches (key, session, parent, messages, touched)
        VALUES (t.key, t.key, parent_key, place.finish, t.key)
        ON CONFLICT (key) DO UPDATE SET parent = excluded.parent, messages = excluded.messages;
    UPDATE conversant_sessions u SET branch = t.key, messages = place.finish,
        turns = conversant_turns_before(place.head, place.finish), labels = all_labels,
        created_ms = t.created_ms, used_ms = t.used_ms, used_hour = t.used_ms / 3600000,
        expires = clock_timestamp() + lifetime_ms * interval '1 millisecond' WHERE u.key = t.key;
    RETURN ARRAY[0, t.epoch, place.finish, conversant_tip_of(parent_key, place.finish)];
END
$$;

-- Moves the tip of a session to a point. Returns as `conversant_write_turn`.
CREATE OR REPLACE FUNCTION conversant_set_tip(
    wanted text, at_point smallint, turn uuid, expect smallint, seen_epoch bigint, seen_messages bigint,
    seen_tip bigint, lifetime_ms bigint, limit_ms bigint
) RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
    h record;
    s conversant_sessions;
    place record;
BEGIN
    SELECT * INTO h FROM conversant_hold(wanted);
    PERFORM conversant_check_limit(limit_ms);
    s := h.held;
    IF conversant_is_stale(s, expect, seen_epoch, seen_messages, seen_tip) THEN
        IF h.is_new THEN
            DELETE FROM conversant_sessions d WHERE d.key = s.key;
        END IF;
        RETURN ARRAY[1, s.epoch, s.messages, conversant_tip(s.key, s.messages)];
    END IF;
    SELECT * INTO place FROM conversant_place(s, at_point, turn);
    IF h.is_new THEN
        DELETE FROM conversant_sessions d WHERE d.key = s.key;
        RETURN ARRAY[0, s.epoch, 0, 0];
    END IF;
    IF (place.head, place.finish) <> (coalesce(s.branch, s.key), s.messages) THEN
        PERFORM conversant_first_branch(s.key);
        UPDATE conversant_sessions u SET branch = place.head, messages = place.finish,
            turns = conversant_turns_before(place.head, place.finish),
            expires = clock_timestamp() + lifetime_ms * interval '1 millisecond' WHERE u.key = s.key;
    END IF;
    RETURN ARRAY[0, s.epoch, place.finish, conversant_tip_of(place.head, place.finish)];
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

-- Loads a note at a point of a session (`conversant_place`), unless it covers turns that are not on the
-- path there.
CREATE OR REPLACE FUNCTION conversant_read_note(wanted text, at_point smallint, turn uuid, note_name bytea)
RETURNS TABLE (body text, epoch bigint, messages bigint, tip bigint) LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
DECLARE
    s conversant_sessions;
    n conversant_notes;
    place record;
BEGIN
    SELECT * INTO s FROM conversant_sessions c WHERE c.id = wanted;
    IF s.key IS NULL OR s.expires <= clock_timestamp() THEN
        IF at_point = 2 THEN
            PERFORM conversant_unknown_turn(turn);
        END IF;
        RETURN;
    END IF;
    SELECT * INTO n FROM conversant_notes c WHERE c.session = s.key AND c.name = note_name;
    -- A session without branches is where it was, or further.
    IF s.branch IS NOT NULL OR at_point > 0 THEN
        SELECT * INTO place FROM conversant_place(s, at_point, turn);
        IF n.covers_epoch <> s.epoch OR n.covers_messages > place.finish
            OR n.covers_tip <> 0 AND n.covers_tip <> conversant_tip_of(place.head, n.covers_messages) THEN
            RETURN;
        END IF;
    END IF;
    IF n.session IS NOT NULL THEN
        RETURN QUERY SELECT n.body, n.covers_epoch, n.covers_messages, n.covers_tip;
    END IF;
END
$$;

-- Stores a note at a point of a session, unless it covers a version that is not of this conversation.
-- Does nothing if the point is not the tip.
CREATE OR REPLACE FUNCTION conversant_write_note(
    wanted text, at_point smallint, turn uuid, note_name bytea, seen_epoch bigint, seen_messages bigint,
    seen_tip bigint, note_body text, limit_ms bigint,
    OUT is_stale boolean, OUT epoch bigint, OUT messages bigint, OUT tip bigint
) LANGUAGE plpgsql AS $$
DECLARE
    h record;
    s conversant_sessions;
    place record;
    is_tip boolean := true;
BEGIN
    SELECT * INTO h FROM conversant_hold(wanted);
    PERFORM conversant_check_limit(limit_ms);
    s := h.held;
    IF at_point > 0 THEN
        SELECT * INTO place FROM conversant_place(s, at_point, turn);
        is_tip := place.finish = s.messages AND (place.finish <= 0
            OR conversant_branch_with(place.head, place.finish - 1)
                = conversant_branch_with(coalesce(s.branch, s.key), place.finish - 1));
    END IF;
    PERFORM conversant_check_end(s);
    epoch := s.epoch;
    messages := s.messages;
    tip := conversant_tip(s.key, s.messages);
    is_stale := is_tip AND (seen_epoch <> s.epoch
        OR conversant_is_stale(s, 1::smallint, seen_epoch, seen_messages, seen_tip));
    IF is_tip AND NOT is_stale THEN
        INSERT INTO conversant_notes (session, name, covers_epoch, covers_messages, covers_tip, body)
            VALUES (s.key, note_name, seen_epoch, seen_messages, seen_tip, note_body)
            ON CONFLICT (session, name) DO UPDATE SET covers_epoch = excluded.covers_epoch,
                covers_messages = excluded.covers_messages, covers_tip = excluded.covers_tip, body = excluded.body;
    ELSIF h.is_new THEN
        DELETE FROM conversant_sessions d WHERE d.key = s.key;
    END IF;
END
$$;

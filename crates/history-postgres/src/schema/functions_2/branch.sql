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

-- Version 8 of the functions: notes that are stored in place of the one that was read, notes of sessions that
-- are new, and notes of versions without a tip, which are of the branch on which they were stored.

-- Returns the fingerprint of the turn that has the last of a number of messages on the path to a head, or 0.
CREATE OR REPLACE FUNCTION conversant_tip_with(head bigint, messages bigint) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT coalesce((SELECT conversant_fingerprint(t.id) FROM conversant_turn_before(head, messages) t), 0)
$$;

-- Loads a note at a point of a session (`conversant_place`), unless it covers turns that are not on the
-- path there. The body of a note of a version without a tip ends with a blank, and its tip is that of the
-- turn which has the version's last message.
CREATE OR REPLACE FUNCTION conversant_read_note(wanted text, at_point smallint, turn uuid, note_name bytea)
RETURNS TABLE (body text, epoch bigint, messages bigint, tip bigint) LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
DECLARE
    s conversant_sessions;
    n conversant_notes;
    place record;
    of_turn boolean;
BEGIN
    SELECT * INTO s FROM conversant_sessions c WHERE c.id = wanted;
    IF s.key IS NULL OR s.expires <= clock_timestamp() THEN
        IF at_point = 2 THEN
            PERFORM conversant_unknown_turn(turn);
        END IF;
        RETURN;
    END IF;
    SELECT * INTO n FROM conversant_notes c WHERE c.session = s.key AND c.name = note_name;
    of_turn := n.covers_tip <> 0 AND right(n.body, 1) = ' ';
    -- A session without branches is where it was, or further.
    IF s.branch IS NOT NULL OR at_point > 0 THEN
        SELECT * INTO place FROM conversant_place(s, at_point, turn);
        IF n.session IS NULL THEN
            RETURN;
        END IF;
        IF n.covers_epoch <> s.epoch OR n.covers_messages > place.finish
            OR n.covers_tip <> 0 AND n.covers_tip <> (CASE WHEN of_turn
                THEN conversant_tip_with(place.head, n.covers_messages)
                ELSE conversant_tip_of(place.head, n.covers_messages) END) THEN
            RETURN;
        END IF;
    END IF;
    IF of_turn THEN
        RETURN QUERY SELECT left(n.body, -1), n.covers_epoch, n.covers_messages, 0::bigint;
    ELSIF n.session IS NOT NULL THEN
        RETURN QUERY SELECT n.body, n.covers_epoch, n.covers_messages, n.covers_tip;
    END IF;
END
$$;

-- Stores a note at a point of a session, unless it covers a version that is not of this conversation.
-- Does nothing if the point is not the tip. A note without turns is one of the session's first epoch if its
-- writer saw the session before that, when it did not exist.
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
    is_stale := is_tip AND conversant_is_stale(s, 1::smallint, seen_epoch, seen_messages, seen_tip);
    IF is_tip AND NOT is_stale THEN
        IF seen_tip = 0 AND seen_messages > 0 THEN
            seen_tip := conversant_tip_with(coalesce(s.branch, s.key), seen_messages);
            note_body := note_body || ' ';
        END IF;
        INSERT INTO conversant_notes (session, name, covers_epoch, covers_messages, covers_tip, body)
            VALUES (s.key, note_name, s.epoch, seen_messages, seen_tip, note_body)
            ON CONFLICT (session, name) DO UPDATE SET covers_epoch = excluded.covers_epoch,
                covers_messages = excluded.covers_messages, covers_tip = excluded.covers_tip, body = excluded.body;
    ELSIF h.is_new THEN
        DELETE FROM conversant_sessions d WHERE d.key = s.key;
    END IF;
END
$$;

-- Stores a note as `conversant_write_note` does. The lifetime of a session without turns begins again.
CREATE OR REPLACE FUNCTION conversant_keep_note(
    wanted text, at_point smallint, turn uuid, note_name bytea, seen_epoch bigint, seen_messages bigint,
    seen_tip bigint, note_body text, limit_ms bigint, lifetime_ms bigint,
    OUT is_stale boolean, OUT epoch bigint, OUT messages bigint, OUT tip bigint
) LANGUAGE plpgsql AS $$
BEGIN
    SELECT w.is_stale, w.epoch, w.messages, w.tip INTO is_stale, epoch, messages, tip
        FROM conversant_write_note(wanted, at_point, turn, note_name, seen_epoch, seen_messages, seen_tip,
            note_body, limit_ms) w;
    IF messages = 0 AND NOT is_stale THEN
        UPDATE conversant_sessions u SET expires = clock_timestamp() + lifetime_ms * interval '1 millisecond'
            WHERE u.id = wanted AND u.messages = 0 AND u.branch IS NULL
                AND (u.expires IS NOT NULL OR lifetime_ms IS NOT NULL);
    END IF;
END
$$;

-- Stores a note as `conversant_keep_note` does, if the note at the point is still the one that was read,
-- by its text and the version that it covers; without a text, if there is none. Returns whether it is.
CREATE OR REPLACE FUNCTION conversant_replace_note(
    wanted text, at_point smallint, turn uuid, note_name bytea, seen_epoch bigint, seen_messages bigint,
    seen_tip bigint, note_body text, limit_ms bigint, read_body text, read_epoch bigint, read_messages bigint,
    read_tip bigint, lifetime_ms bigint,
    OUT is_stale boolean, OUT epoch bigint, OUT messages bigint, OUT tip bigint, OUT is_as_read boolean
) LANGUAGE plpgsql AS $$
DECLARE
    h record;
    s conversant_sessions;
    n record;
BEGIN
    SELECT * INTO h FROM conversant_hold(wanted);
    s := h.held;
    SELECT r.body, r.epoch, r.messages, r.tip INTO n FROM conversant_read_note(wanted, at_point, turn, note_name) r;
    is_as_read := CASE
        WHEN read_body IS NULL THEN n.body IS NULL
        ELSE coalesce(n.body = read_body AND n.epoch = read_epoch AND n.messages = read_messages
            AND n.tip = read_tip, false)
    END;
    is_stale := false;
    IF is_as_read THEN
        SELECT w.is_stale, w.epoch, w.messages, w.tip INTO is_stale, epoch, messages, tip
            FROM conversant_keep_note(wanted, at_point, turn, note_name, seen_epoch, seen_messages, seen_tip,
                note_body, limit_ms, lifetime_ms) w;
    END IF;
    IF h.is_new AND (is_stale OR NOT is_as_read) THEN
        DELETE FROM conversant_sessions d WHERE d.key = s.key;
    END IF;
END
$$;

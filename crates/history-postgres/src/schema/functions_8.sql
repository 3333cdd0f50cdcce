-- Version 8 of the functions: notes that are stored in place of the one that was read, and notes of sessions
-- that are new.

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
        INSERT INTO conversant_notes (session, name, covers_epoch, covers_messages, covers_tip, body)
            VALUES (s.key, note_name, s.epoch, seen_messages, seen_tip, note_body)
            ON CONFLICT (session, name) DO UPDATE SET covers_epoch = excluded.covers_epoch,
                covers_messages = excluded.covers_messages, covers_tip = excluded.covers_tip, body = excluded.body;
    ELSIF h.is_new THEN
        DELETE FROM conversant_sessions d WHERE d.key = s.key;
    END IF;
END
$$;

-- Stores a note as `conversant_write_note` does, if the note at the point is still the one that was read,
-- by its text and the version that it covers; without a text, if there is none. Returns whether it is.
CREATE OR REPLACE FUNCTION conversant_replace_note(
    wanted text, at_point smallint, turn uuid, note_name bytea, seen_epoch bigint, seen_messages bigint,
    seen_tip bigint, note_body text, limit_ms bigint, read_body text, read_epoch bigint, read_messages bigint,
    read_tip bigint,
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
            FROM conversant_write_note(wanted, at_point, turn, note_name, seen_epoch, seen_messages, seen_tip,
                note_body, limit_ms) w;
    END IF;
    IF h.is_new AND (is_stale OR NOT is_as_read) THEN
        DELETE FROM conversant_sessions d WHERE d.key = s.key;
    END IF;
END
$$;

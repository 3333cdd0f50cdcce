-- Version 3 of the schema: a write to a session that has lost its last turn is refused, and every write
-- has a deadline. The functions of version 2 keep their parameters, for programs that still run.

-- Raises an error unless the session ends with a turn that is stored, or is empty.
CREATE FUNCTION conversant_check_end(s conversant_sessions) RETURNS void LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF s.messages > 0 AND conversant_tip(s.key, s.messages) = 0 THEN
        RAISE EXCEPTION USING ERRCODE = 'CV002', MESSAGE = format('message %s is missing', s.messages - 1);
    END IF;
END
$$;

-- Appends a turn, unless it is stored already. Returns the version after it.
CREATE OR REPLACE FUNCTION conversant_append_turn(
    wanted text, turn uuid, expect smallint, seen_epoch bigint, seen_messages bigint, seen_tip bigint,
    parts text[], size bigint, cut_off boolean, base_epoch bigint, base_messages bigint, base_tip bigint,
    lifetime_ms bigint, limit_ms bigint,
    OUT is_stale boolean, OUT epoch bigint, OUT messages bigint, OUT tip bigint
) LANGUAGE plpgsql AS $$
DECLARE
    h record;
    s conversant_sessions;
BEGIN
    SELECT * INTO h FROM conversant_hold(wanted);
    PERFORM conversant_check_limit(limit_ms);
    s := h.held;
    is_stale := false;
    epoch := s.epoch;
    SELECT t.first + t.count INTO messages FROM conversant_turns t WHERE t.session = s.key AND t.id = turn;
    IF FOUND THEN
        tip := conversant_fingerprint(turn);
        RETURN;
    END IF;
    is_stale := conversant_is_stale(s, expect, seen_epoch, seen_messages, seen_tip);
    IF is_stale OR cardinality(parts) = 0 THEN
        messages := s.messages;
        tip := conversant_tip(s.key, s.messages);
        IF h.is_new THEN
            DELETE FROM conversant_sessions WHERE key = s.key;
        END IF;
        RETURN;
    END IF;
    PERFORM conversant_check_end(s);
    INSERT INTO conversant_turns
        (session, first, count, id, bytes, incomplete, base_epoch, base_messages, base_tip, messages)
        VALUES (s.key, s.messages, cardinality(parts), turn, size, cut_off, conversant_append_turn.base_epoch,
            conversant_append_turn.base_messages, conversant_append_turn.base_tip, parts);
    messages := s.messages + cardinality(parts);
    tip := conversant_fingerprint(turn);
    UPDATE conversant_sessions u SET messages = conversant_append_turn.messages,
        expires = clock_timestamp() + lifetime_ms * interval '1 millisecond' WHERE u.key = s.key;
END
$$;

-- Stores a note, unless it covers a version that is not of this conversation.
CREATE OR REPLACE FUNCTION conversant_store_note(
    wanted text, note_name bytea, seen_epoch bigint, seen_messages bigint, seen_tip bigint, note_body text,
    limit_ms bigint, OUT is_stale boolean, OUT epoch bigint, OUT messages bigint, OUT tip bigint
) LANGUAGE plpgsql AS $$
DECLARE
    h record;
    s conversant_sessions;
BEGIN
    SELECT * INTO h FROM conversant_hold(wanted);
    PERFORM conversant_check_limit(limit_ms);
    s := h.held;
    PERFORM conversant_check_end(s);
    epoch := s.epoch;
    messages := s.messages;
    tip := conversant_tip(s.key, s.messages);
    is_stale := seen_epoch <> s.epoch OR conversant_is_stale(s, 1::smallint, seen_epoch, seen_messages, seen_tip);
    IF NOT is_stale THEN
        INSERT INTO conversant_notes (session, name, covers_epoch, covers_messages, covers_tip, body)
            VALUES (s.key, note_name, seen_epoch, seen_messages, seen_tip, note_body)
            ON CONFLICT (session, name) DO UPDATE SET covers_epoch = excluded.covers_epoch,
                covers_messages = excluded.covers_messages, covers_tip = excluded.covers_tip, body = excluded.body;
    ELSIF h.is_new THEN
        DELETE FROM conversant_sessions WHERE key = s.key;
    END IF;
END
$$;

-- Clears a session, unless it was cleared since it was seen in this epoch.
CREATE FUNCTION conversant_clear(wanted text, seen_epoch bigint, limit_ms bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    s conversant_sessions;
BEGIN
    SELECT (h.held).* INTO s FROM conversant_hold(wanted) h;
    PERFORM conversant_check_limit(limit_ms);
    IF s.epoch = seen_epoch THEN
        PERFORM conversant_empty(s.key);
    END IF;
END
$$;

-- Removes a session. Returns whether it is gone: not if it was cleared since it was seen in this epoch.
CREATE FUNCTION conversant_delete(wanted text, seen_epoch bigint, limit_ms bigint) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    s conversant_sessions;
BEGIN
    SELECT * INTO s FROM conversant_sessions WHERE id = wanted FOR UPDATE;
    PERFORM conversant_check_limit(limit_ms);
    DELETE FROM conversant_leases WHERE session = wanted;
    IF s.key IS NULL THEN
        RETURN true;
    END IF;
    IF s.epoch <> seen_epoch THEN
        RETURN false;
    END IF;
    UPDATE conversant_schema SET epoch = greatest(epoch, s.epoch + 1);
    DELETE FROM conversant_sessions WHERE key = s.key;
    RETURN true;
END
$$;

-- Acquires the lease of a session. Returns whether the holder has it. A holder whose connection broke
-- before the answer gets its own lease again.
CREATE FUNCTION conversant_lease(wanted text, new_holder uuid, microseconds bigint, limit_ms bigint)
RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    is_taken boolean;
BEGIN
    INSERT INTO conversant_leases AS l (session, holder, expires)
        VALUES (wanted, new_holder, clock_timestamp() + microseconds * interval '1 microsecond')
        ON CONFLICT (session) DO UPDATE SET holder = excluded.holder, expires = excluded.expires
        WHERE l.expires <= clock_timestamp() OR l.holder = excluded.holder;
    is_taken := FOUND;
    PERFORM conversant_check_limit(limit_ms);
    RETURN is_taken;
END
$$;

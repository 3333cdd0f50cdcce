-- Version 2 of the schema: a version knows its last turn, and a write its deadline. The functions of
-- version 1 stay, for programs that still run.

ALTER TABLE conversant_turns ADD COLUMN base_tip bigint;
ALTER TABLE conversant_notes ADD COLUMN covers_tip bigint NOT NULL DEFAULT 0;

-- Returns the fingerprint of a turn's id: `TurnId::fingerprint`.
CREATE FUNCTION conversant_fingerprint(turn uuid) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE f WHEN 0 THEN 1 ELSE f END FROM (
        SELECT ('x' || left(hex, 16))::bit(64)::bigint # ('x' || right(hex, 16))::bit(64)::bigint AS f
        FROM (SELECT replace(turn::text, '-', '') AS hex) h
    ) x
$$;

-- Returns the fingerprint of the turn that ends at a number of messages, or 0.
CREATE FUNCTION conversant_tip(held bigint, position_ bigint) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT coalesce((
        SELECT CASE WHEN t.first + t.count = position_ THEN conversant_fingerprint(t.id) ELSE 0 END
        FROM conversant_turns t WHERE t.session = held AND t.first < position_
        ORDER BY t.first DESC LIMIT 1
    ), 0)
$$;

-- Returns whether a session is not in the expected state. `expect`: 0 any, 1 the same epoch,
-- 2 exactly the version.
CREATE FUNCTION conversant_is_stale(
    s conversant_sessions, expect smallint, seen_epoch bigint, seen_messages bigint, seen_tip bigint
) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF expect = 0 THEN
        RETURN false;
    END IF;
    IF expect = 2 AND seen_messages <> s.messages THEN
        RETURN true;
    END IF;
    IF seen_messages = 0 THEN
        -- A caller that saw an empty session accepts one that began since, unless it was cleared.
        RETURN seen_epoch <> s.epoch AND (s.cleared OR seen_epoch > s.epoch);
    END IF;
    IF seen_epoch <> s.epoch OR seen_messages > s.messages THEN
        RETURN true;
    END IF;
    -- A session that was replaced has another turn there.
    RETURN seen_tip <> 0 AND conversant_tip(s.key, seen_messages) <> seen_tip;
END
$$;

-- Refuses a write after its deadline, in milliseconds since 1970. Its caller has given it up.
CREATE FUNCTION conversant_check_limit(limit_ms bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    now_ms bigint := extract(epoch FROM clock_timestamp()) * 1000;
BEGIN
    IF now_ms > limit_ms THEN
        RAISE EXCEPTION USING ERRCODE = 'CV001', MESSAGE = now_ms::text;
    END IF;
END
$$;

-- Appends a turn, unless it is stored already. Returns the version after it.
CREATE FUNCTION conversant_append_turn(
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
CREATE FUNCTION conversant_store_note(
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

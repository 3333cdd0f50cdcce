-- Version 1 of the functions that keep their plans. They change no table: programs that know only the
-- tables and their own functions go on working, and new ones of that kind can connect.
--
-- A statement that is sent is planned anew each time, because a pooler may give each transaction
-- another connection. The statements of a function in PL/pgSQL are planned once in each connection of
-- the server.

-- Returns the fingerprint of a turn's id: `TurnId::fingerprint`. In SQL it would be planned each time.
CREATE OR REPLACE FUNCTION conversant_fingerprint(turn uuid) RETURNS bigint LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    hex text := replace(turn::text, '-', '');
    bits bigint := ('x' || left(hex, 16))::bit(64)::bigint # ('x' || right(hex, 16))::bit(64)::bigint;
BEGIN
    RETURN CASE bits WHEN 0 THEN 1 ELSE bits END;
END
$$;

-- Returns the fingerprint of the turn that ends at a number of messages, or 0.
CREATE OR REPLACE FUNCTION conversant_tip(held bigint, position_ bigint) RETURNS bigint LANGUAGE plpgsql STABLE AS $$
DECLARE
    last record;
BEGIN
    SELECT t.first + t.count AS finish, t.id INTO last FROM conversant_turns t
        WHERE t.session = held AND t.first < position_ ORDER BY t.first DESC LIMIT 1;
    RETURN CASE WHEN last.finish = position_ THEN conversant_fingerprint(last.id) ELSE 0 END;
END
$$;

-- Loads a part of a session, newest turn first, as it is in one snapshot.
--
-- `part`: 0 nothing, 1 all, 2 the last `size` turns, 3 the last `size` messages, 4 as many of the last
-- messages as have `size` bytes, 5 what follows the version that was seen. The first of the turns may
-- begin before the part.
--
-- The first row is the session's: its epoch and its number of messages, in the place of a base, the id
-- of the last turn if no turns follow, and whether all of the session follows because the version that
-- was seen is not of this conversation.
CREATE OR REPLACE FUNCTION conversant_load(
    wanted text, part smallint, size bigint, seen_epoch bigint, seen_messages bigint, seen_tip bigint
) RETURNS TABLE (
    first bigint, id uuid, incomplete boolean, base_epoch bigint, base_messages bigint, base_tip bigint,
    messages text[]
) LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
DECLARE
    s conversant_sessions;
    seen record;
    start bigint := 0;
BEGIN
    base_messages := 0;
    SELECT * INTO s FROM conversant_sessions c WHERE c.id = wanted;
    IF s.key IS NULL THEN
        SELECT f.epoch INTO base_epoch FROM conversant_schema f;
        IF NOT FOUND THEN
            RAISE EXCEPTION USING ERRCODE = 'CV002', MESSAGE = 'the table `conversant_schema` is empty';
        END IF;
        RETURN NEXT;
        RETURN;
    END IF;
    base_epoch := s.epoch;
    IF s.expires <= clock_timestamp() THEN
        base_epoch := s.epoch + 1;
        RETURN NEXT;
        RETURN;
    END IF;
    base_messages := s.messages;
    IF part = 2 AND size > 0 THEN
        RETURN NEXT;
        -- The limits of the inner selections keep the planner's guess of the outer one below what a
        -- plan for one number would cost, so that it keeps the plan.
        IF size <= 10 THEN
            RETURN QUERY SELECT t.first, t.id, t.incomplete, t.base_epoch, t.base_messages, t.base_tip, t.messages
                FROM (SELECT * FROM conversant_turns c WHERE c.session = s.key ORDER BY c.first DESC LIMIT 10) t
                LIMIT size;
        ELSIF size <= 100 THEN
            RETURN QUERY SELECT t.first, t.id, t.incomplete, t.base_epoch, t.base_messages, t.base_tip, t.messages
                FROM (SELECT * FROM conversant_turns c WHERE c.session = s.key ORDER BY c.first DESC LIMIT 100) t
                LIMIT size;
        ELSE
            RETURN QUERY SELECT t.first, t.id, t.incomplete, t.base_epoch, t.base_messages, t.base_tip, t.messages
                FROM conversant_turns t WHERE t.session = s.key ORDER BY t.first DESC LIMIT size;
        END IF;
        RETURN;
    END IF;
    IF part = 4 AND size > 0 THEN
        RETURN NEXT;
        -- From the last turn backwards, while there is room. The first of them may not fit as a whole.
        RETURN QUERY WITH RECURSIVE tail AS (
            (SELECT l.*, size - l.bytes AS room FROM conversant_turns l
                WHERE l.session = s.key ORDER BY l.first DESC LIMIT 1)
            UNION ALL SELECT p.*, tail.room - p.bytes FROM tail, LATERAL (
                SELECT * FROM conversant_turns e WHERE e.session = s.key AND e.first < tail.first
                ORDER BY e.first DESC LIMIT 1) p WHERE tail.room > 0
        ) SELECT t.first, t.id, t.incomplete, t.base_epoch, t.base_messages, t.base_tip, t.messages FROM tail t;
        RETURN;
    END IF;
    incomplete := false;
    IF part = 3 THEN
        start := greatest(s.messages - size, 0);
        -- The turn in which they begin.
        SELECT t.first INTO start FROM conversant_turns t
            WHERE t.session = s.key AND t.first <= start ORDER BY t.first DESC LIMIT 1;
    ELSIF part = 5 AND seen_epoch = s.epoch AND seen_messages > 0 THEN
        SELECT t.first, t.first + t.count AS finish, t.id INTO seen FROM conversant_turns t
            WHERE t.session = s.key AND t.first < seen_messages ORDER BY t.first DESC LIMIT 1;
        incomplete := seen_tip <> 0 AND (seen_messages > s.messages OR seen.finish IS DISTINCT FROM seen_messages
            OR conversant_fingerprint(seen.id) <> seen_tip);
        IF NOT incomplete THEN
            IF seen_messages = s.messages AND seen.finish = s.messages THEN
                -- The usual case: nothing follows.
                id := seen.id;
                RETURN NEXT;
                RETURN;
            END IF;
            start := CASE WHEN seen.finish > seen_messages THEN seen.first ELSE seen_messages END;
        END IF;
    ELSIF part = 0 OR part = 2 OR part = 4 THEN
        start := s.messages;
    END IF;
    IF start >= s.messages THEN
        SELECT t.id INTO id FROM conversant_turns t WHERE t.session = s.key ORDER BY t.first DESC LIMIT 1;
    END IF;
    RETURN NEXT;
    IF start < s.messages OR s.messages <= 0 THEN
        RETURN QUERY SELECT t.first, t.id, t.incomplete, t.base_epoch, t.base_messages, t.base_tip, t.messages
            FROM conversant_turns t WHERE t.session = s.key AND t.first >= start ORDER BY t.first DESC;
    END IF;
END
$$;

-- Appends a turn, unless it is stored already. `expect`: 0 any state, 1 the same epoch, 2 exactly the
-- version that was seen. Returns 1 if the session is not in that state, and its version: the epoch, the
-- number of messages and the tip.
CREATE OR REPLACE FUNCTION conversant_add_turn(
    wanted text, turn uuid, turn_tip bigint, expect smallint, seen_epoch bigint, seen_messages bigint,
    seen_tip bigint, parts text[], size bigint, cut_off boolean, base_epoch bigint, base_messages bigint,
    base_tip bigint, lifetime_ms bigint, limit_ms bigint
) RETURNS bigint[] LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    s conversant_sessions;
    h record;
    last record;
    added integer := cardinality(parts);
    is_new boolean := false;
    is_stale boolean := false;
    finish bigint;
BEGIN
    SELECT * INTO s FROM conversant_sessions c WHERE c.id = wanted FOR UPDATE;
    IF s.key IS NULL OR s.expires <= clock_timestamp() THEN
        SELECT * INTO h FROM conversant_hold(wanted);
        s := h.held;
        is_new := h.is_new;
    END IF;
    IF date_part('epoch', clock_timestamp()) * 1000 > limit_ms THEN
        PERFORM conversant_check_limit(limit_ms);
    END IF;
    SELECT t.first + t.count AS finish, t.id INTO last FROM conversant_turns t
        WHERE t.session = s.key ORDER BY t.first DESC LIMIT 1;
    IF expect > 0 THEN
        IF seen_messages = 0 THEN
            -- A caller that saw an empty session accepts one that began since, unless it was cleared.
            is_stale := seen_epoch <> s.epoch AND (s.cleared OR seen_epoch > s.epoch);
        ELSE
            is_stale := seen_epoch <> s.epoch OR seen_messages > s.messages
                -- A session that was replaced has another turn there.
                OR seen_tip <> 0 AND seen_tip <> CASE WHEN seen_messages = last.finish
                    THEN conversant_fingerprint(last.id) ELSE conversant_tip(s.key, seen_messages) END;
        END IF;
        is_stale := is_stale OR expect = 2 AND seen_messages <> s.messages;
    END IF;
    IF NOT is_stale AND added > 0 AND (last.finish = s.messages OR s.messages = 0) THEN
        INSERT INTO conversant_turns
            (session, first, count, id, bytes, incomplete, base_epoch, base_messages, base_tip, messages)
            VALUES (s.key, s.messages, added, turn, size, cut_off, base_epoch, base_messages, base_tip, parts)
            ON CONFLICT (session, id) DO NOTHING;
        IF FOUND THEN
            UPDATE conversant_sessions u SET messages = s.messages + added,
                expires = clock_timestamp() + lifetime_ms * interval '1 millisecond' WHERE u.key = s.key;
            RETURN ARRAY[0, s.epoch, s.messages + added, turn_tip];
        END IF;
    END IF;
    SELECT t.first + t.count INTO finish FROM conversant_turns t WHERE t.session = s.key AND t.id = turn;
    IF FOUND THEN
        RETURN ARRAY[0, s.epoch, finish, turn_tip];
    END IF;
    IF is_stale OR added = 0 THEN
        IF is_new THEN
            DELETE FROM conversant_sessions d WHERE d.key = s.key;
        END IF;
        RETURN ARRAY[is_stale::integer, s.epoch, s.messages, conversant_tip(s.key, s.messages)];
    END IF;
    PERFORM conversant_check_end(s);
    RAISE EXCEPTION USING ERRCODE = 'CV002', MESSAGE = format('message %s is missing', s.messages - 1);
END
$$;

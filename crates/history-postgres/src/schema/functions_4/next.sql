-- The usual case of a call, in one statement each. All other cases are those of `conversant_write_turn` and
-- `conversant_read`.
--
-- The server prepares each expression for each execution, so they have few functions. It reads a page of
-- an index for a range of turns, so the last turn is found by the number of its first message.

-- Appends a turn to a session that is exactly at the version that was seen, and returns null. Otherwise as
-- `conversant_write_turn`, and with what it returns. `is_exact`: the session has to be exactly at that
-- version. `used` is the time at which the turn was made, in milliseconds since 1970, and not later than now.
-- A turn that is stored already, before that version, violates a unique constraint.
CREATE FUNCTION conversant_append_next(
    wanted text, turn uuid, turn_tip bigint, is_exact boolean, seen_epoch bigint, seen_messages bigint,
    seen_tip bigint, parts text[], size bigint, cut_off boolean, base_epoch bigint, base_messages bigint,
    base_tip bigint, lifetime_ms bigint, limit_at timestamptz, used bigint, sums bigint[], texts text[]
) RETURNS bigint[] LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    until timestamptz;
    held bigint;
BEGIN
    IF lifetime_ms IS NOT NULL THEN
        until := clock_timestamp() + lifetime_ms * interval '1 millisecond';
    END IF;
    -- A writer that waited for another one checks the conditions on the session's row again.
    WITH session AS (
        UPDATE conversant_sessions u SET
            messages = seen_messages + cardinality(parts),
            last_first = seen_messages,
            turns = u.turns + 1,
            used_ms = greatest(u.used_ms, used),
            used_hour = greatest(u.used_ms, used) / 3600000,
            bytes = u.bytes + size,
            totals = CASE WHEN sums IS NULL THEN u.totals ELSE conversant_sums(u.totals, sums) END,
            expires = until
        WHERE u.id = wanted AND u.epoch = seen_epoch AND u.messages = seen_messages AND u.branch IS NULL
            AND (u.expires IS NULL OR u.expires > clock_timestamp())
            -- The last turn is there, and is the one that was seen.
            AND (SELECT t.first + t.count = seen_messages AND t.tip = seen_tip FROM conversant_turns t
                WHERE t.session = u.key AND t.first = u.last_first)
        RETURNING u.key, u.turns
    )
    INSERT INTO conversant_turns
        (session, first, count, id, bytes, incomplete, base_epoch, base_messages, base_tip, messages, number, tip)
        SELECT s.key, seen_messages, cardinality(parts), turn, size, cut_off, base_epoch, base_messages, base_tip, parts,
            s.turns - 1, turn_tip FROM session s
        RETURNING session INTO held;
    IF held IS NULL THEN
        RETURN conversant_write_turn(wanted, 0::smallint, NULL, turn, turn_tip,
            CASE WHEN is_exact THEN 2 ELSE 1 END::smallint, seen_epoch, seen_messages, seen_tip, parts, size, cut_off,
            base_epoch, base_messages, base_tip, lifetime_ms, (date_part('epoch', limit_at) * 1000)::bigint, used, sums,
            texts);
    END IF;
    -- After the wait for other writers. An error undoes the statement.
    IF clock_timestamp() > limit_at THEN
        PERFORM conversant_check_limit((date_part('epoch', limit_at) * 1000)::bigint);
    END IF;
    IF texts IS NOT NULL THEN
        PERFORM conversant_index_turn(held, seen_messages, texts);
    END IF;
    RETURN NULL;
END
$$;

-- The same for programs that know version 5 of the tables.
CREATE OR REPLACE FUNCTION conversant_write_next(
    wanted text, turn uuid, turn_tip bigint, expect smallint, seen_epoch bigint, seen_messages bigint,
    seen_tip bigint, parts text[], size bigint, cut_off boolean, base_epoch bigint, base_messages bigint,
    base_tip bigint, lifetime_ms bigint, limit_ms bigint, made_ms bigint, sums bigint[], texts text[],
    added integer, finish bigint, limit_at timestamptz, made_at timestamptz
) RETURNS bigint[] LANGUAGE plpgsql AS $$
BEGIN
    RETURN conversant_write_turn(wanted, 0::smallint, NULL, turn, turn_tip, expect, seen_epoch, seen_messages,
        seen_tip, parts, size, cut_off, base_epoch, base_messages, base_tip, lifetime_ms, limit_ms, made_ms, sums,
        texts);
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
    -- Without a join, the last turn is looked up by its key for any guess of the planner.
    SELECT (SELECT t.id FROM conversant_turns t WHERE t.session = s.key AND t.first = s.last_first
            AND t.first + t.count = seen_messages AND t.tip = seen_tip) INTO id FROM conversant_sessions s
        WHERE s.id = wanted AND s.epoch = seen_epoch AND s.messages = seen_messages AND s.branch IS NULL
            AND (s.expires IS NULL OR s.expires > clock_timestamp());
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

-- Version 5 of the functions: an append whose id is stored with another turn is an error.

-- Raises an error unless a turn of a branch has these messages, byte for byte, and is whole if `cut_off`
-- is false. Without messages, an append only waits for others.
CREATE FUNCTION conversant_check_repeated(head bigint, turn uuid, parts text[], cut_off boolean) RETURNS void
LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF cardinality(parts) > 0 AND (
        SELECT t.messages = parts AND (cut_off OR NOT t.incomplete) FROM conversant_turns t
            WHERE t.session = head AND t.id = turn
    ) IS NOT TRUE THEN
        RAISE EXCEPTION USING ERRCODE = 'CV004', MESSAGE = turn::text;
    END IF;
END
$$;

-- Appends a turn at a point (`conversant_place`), unless it is stored already. If its id is stored with
-- other bytes, the program decides whether it is the same turn (`conversant_check_repeated`). `expect`: 0 any state,
-- 1 the same epoch, 2 exactly the version that was seen. Returns 1 if the session is not in that state,
-- and its version: the epoch, the number of messages and the tip.
--
-- `made_ms` is the time in the turn's id, `sums` its usage and cost, `texts` what is searched; null if
-- there is none.
CREATE OR REPLACE FUNCTION conversant_write_turn(
    wanted text, at_point smallint, after_turn uuid, turn uuid, turn_tip bigint, expect smallint, seen_epoch bigint,
    seen_messages bigint, seen_tip bigint, parts text[], size bigint, cut_off boolean, base_epoch bigint,
    base_messages bigint, base_tip bigint, lifetime_ms bigint, limit_ms bigint, made_ms bigint, sums bigint[],
    texts text[]
) RETURNS bigint[] LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    s conversant_sessions;
    h record;
    last record;
    place record;
    added integer := cardinality(parts);
    is_new boolean := false;
    is_stale boolean := false;
    is_tip boolean := true;
    finish bigint;
    head bigint;
    number bigint;
    now_ms bigint;
BEGIN
    SELECT * INTO s FROM conversant_sessions c WHERE c.id = wanted FOR UPDATE;
    IF s.key IS NULL OR s.expires <= clock_timestamp() THEN
        SELECT * INTO h FROM conversant_hold(wanted);
        s := h.held;
        is_new := h.is_new;
    END IF;
    now_ms := date_part('epoch', clock_timestamp()) * 1000;
    IF now_ms > limit_ms THEN
        PERFORM conversant_check_limit(limit_ms);
    END IF;
    IF s.branch IS NULL AND at_point = 0 THEN
        head := s.key;
        finish := s.messages;
        SELECT t.first + t.count AS finish, t.id INTO last FROM conversant_turns t
            WHERE t.session = s.key ORDER BY t.first DESC LIMIT 1;
    ELSE
        SELECT f.branch, f.finish INTO head, finish FROM conversant_find_turn(s, turn) f;
        IF finish IS NOT NULL THEN
            PERFORM conversant_check_repeated(head, turn, parts, cut_off);
            RETURN ARRAY[0, s.epoch, finish, turn_tip];
        END IF;
        SELECT p.head, p.finish INTO head, finish FROM conversant_place(s, at_point, after_turn) p;
        SELECT b.finish, b.id INTO last FROM conversant_turn_before(head, finish) b;
    END IF;
    IF expect > 0 THEN
        IF seen_messages = 0 THEN
            -- A caller that saw an empty session accepts one that began since, unless it was cleared.
            is_stale := seen_epoch <> s.epoch AND (s.cleared OR seen_epoch > s.epoch);
        ELSE
            is_stale := seen_epoch <> s.epoch OR seen_messages > finish
                -- A session that was replaced has another turn there.
                OR seen_tip <> 0 AND seen_tip <> CASE WHEN seen_messages = last.finish
                    THEN conversant_fingerprint(last.id) ELSE conversant_tip_of(head, seen_messages) END;
        END IF;
        is_stale := is_stale OR expect = 2 AND seen_messages <> finish;
        IF is_stale AND expect = 1 AND s.branch IS NOT NULL AND seen_epoch = s.epoch AND seen_tip <> 0 THEN
            -- The tip was moved since: the turn follows the version that its caller saw.
            SELECT b.key, t.finish, t.id INTO place FROM conversant_tree(s.key) b CROSS JOIN LATERAL (
                SELECT c.first + c.count AS finish, c.id FROM conversant_turns c
                WHERE c.session = b.key AND c.first >= b.messages AND c.first < least(seen_messages, b.until)
                ORDER BY c.first DESC LIMIT 1
            ) t WHERE t.finish = seen_messages AND conversant_fingerprint(t.id) = seen_tip LIMIT 1;
            IF FOUND THEN
                head := place.key;
                finish := place.finish;
                SELECT place.finish, place.id INTO last;
                is_tip := false;
                is_stale := false;
            END IF;
        END IF;
    END IF;
    IF NOT is_stale AND added > 0 AND (last.finish = finish OR finish = 0) THEN
        number := s.turns;
        IF at_point > 0 OR NOT is_tip THEN
            number := conversant_turns_before(head, finish);
        END IF;
        IF s.branch IS NOT NULL OR at_point > 0 THEN
            head := conversant_branch_for(s, head, finish);
        END IF;
        INSERT INTO conversant_turns
            (session, first, count, id, bytes, incomplete, base_epoch, base_messages, base_tip, messages, number, tip)
            VALUES (head, finish, added, turn, size, cut_off, base_epoch, base_messages, base_tip, parts, number, turn_tip)
            ON CONFLICT (session, id) DO NOTHING;
        IF FOUND THEN
            made_ms := least(coalesce(made_ms, now_ms), now_ms);
            UPDATE conversant_sessions u SET
                messages = CASE WHEN is_tip THEN finish + added ELSE u.messages END,
                last_first = CASE WHEN is_tip THEN finish ELSE u.last_first END,
                turns = CASE WHEN is_tip THEN number + 1 ELSE u.turns END,
                branch = CASE WHEN is_tip THEN nullif(head, CASE WHEN s.branch IS NULL THEN s.key END) ELSE u.branch END,
                created_ms = CASE WHEN u.used_ms = 0 THEN made_ms ELSE u.created_ms END,
                used_ms = greatest(u.used_ms, made_ms),
                used_hour = greatest(u.used_ms, made_ms) / 3600000,
                bytes = u.bytes + size,
                totals = CASE WHEN sums IS NULL THEN u.totals ELSE conversant_sums(u.totals, sums) END,
                expires = clock_timestamp() + lifetime_ms * interval '1 millisecond' WHERE u.key = s.key;
            IF texts IS NOT NULL THEN
                PERFORM conversant_index_turn(head, finish, texts);
            END IF;
            RETURN ARRAY[0, s.epoch, finish + added, turn_tip];
        END IF;
    END IF;
    SELECT f.branch, f.finish INTO head, finish FROM conversant_find_turn(s, turn) f;
    IF finish IS NOT NULL THEN
        PERFORM conversant_check_repeated(head, turn, parts, cut_off);
        RETURN ARRAY[0, s.epoch, finish, turn_tip];
    END IF;
    IF is_stale OR added = 0 THEN
        IF is_new THEN
            DELETE FROM conversant_sessions d WHERE d.key = s.key;
        END IF;
        SELECT p.head, p.finish INTO head, finish FROM conversant_place(s, at_point, after_turn) p;
        RETURN ARRAY[is_stale::integer, s.epoch, finish, conversant_tip_of(head, finish)];
    END IF;
    PERFORM conversant_check_end(s);
    RAISE EXCEPTION USING ERRCODE = 'CV002', MESSAGE = format('message %s is missing', finish - 1);
END
$$;

-- Version 6 of the functions: their cost does not grow with the branches of a session. See `../7.sql` for the
-- tables.

-- Returns the branches that a session has from its start to the end of its first branch, that one first:
-- those that it shares as a fork, each up to the message at which the next one leaves it.
CREATE FUNCTION conversant_trunk(held bigint)
RETURNS TABLE (key bigint, parent bigint, messages bigint, until bigint) LANGUAGE plpgsql STABLE ROWS 2 AS $$
DECLARE
    b conversant_branches;
BEGIN
    key := held;
    LOOP
        SELECT * INTO b FROM conversant_branches c WHERE c.key = conversant_trunk.key;
        parent := b.parent;
        messages := coalesce(b.messages, 0);
        RETURN NEXT;
        -- Each branch leaves one that begins before it, so that this ends.
        EXIT WHEN parent IS NULL OR messages >= until;
        until := messages;
        key := parent;
    END LOOP;
END
$$;

-- Finds a turn on any branch of a session. Returns nothing if there is none.
CREATE OR REPLACE FUNCTION conversant_find_turn(
    s conversant_sessions, turn uuid, OUT branch bigint, OUT finish bigint
) LANGUAGE plpgsql STABLE AS $$
BEGIN
    SELECT t.session, t.first + t.count INTO branch, finish FROM conversant_turns t
        WHERE t.session = s.key AND t.id = turn;
    IF branch IS NULL AND s.branch IS NOT NULL THEN
        -- With a limit, a turn is looked up by the index, whatever the planner guesses.
        SELECT b.branch, t.finish INTO branch, finish FROM conversant_branch_turns b CROSS JOIN LATERAL (
                SELECT c.first + c.count AS finish FROM conversant_turns c
                WHERE c.session = b.branch AND c.id = turn LIMIT 1
            ) t WHERE b.session = s.key AND b.tip = conversant_fingerprint(turn) AND b.id = turn;
        IF branch IS NULL THEN
            SELECT b.key, t.finish INTO branch, finish FROM conversant_trunk(s.key) b CROSS JOIN LATERAL (
                    SELECT c.first, c.first + c.count AS finish FROM conversant_turns c
                    WHERE c.session = b.key AND c.id = turn LIMIT 1
                ) t WHERE t.first < b.until LIMIT 1;
        END IF;
    END IF;
END
$$;

-- Finds the last turn of a version on any branch of a session. Returns nothing if there is none.
CREATE FUNCTION conversant_find_version(
    s conversant_sessions, seen_messages bigint, seen_tip bigint, OUT branch bigint, OUT id uuid
) LANGUAGE plpgsql STABLE AS $$
BEGIN
    SELECT b.branch, b.id INTO branch, id FROM conversant_branch_turns b CROSS JOIN LATERAL (
            SELECT c.first + c.count AS finish FROM conversant_turns c
            WHERE c.session = b.branch AND c.id = b.id LIMIT 1
        ) t WHERE b.session = s.key AND b.tip = seen_tip AND t.finish = seen_messages LIMIT 1;
    IF branch IS NULL THEN
        SELECT b.key, t.id INTO branch, id FROM conversant_trunk(s.key) b CROSS JOIN LATERAL (
                SELECT c.first + c.count AS finish, c.id FROM conversant_turns c
                WHERE c.session = b.key AND c.first >= b.messages AND c.first < least(seen_messages, b.until)
                ORDER BY c.first DESC LIMIT 1
            ) t WHERE t.finish = seen_messages AND conversant_fingerprint(t.id) = seen_tip LIMIT 1;
    END IF;
END
$$;

-- Returns the branch that takes a turn after a place: the head, if it is the session's and ends there, or
-- a new one.
CREATE FUNCTION conversant_branch_for(
    s conversant_sessions, head bigint, finish bigint, turn uuid
) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    parent_key bigint;
BEGIN
    IF (head = s.key OR EXISTS (SELECT FROM conversant_branches b WHERE b.key = head AND b.session = s.key))
        AND NOT EXISTS (SELECT FROM conversant_turns t WHERE t.session = head AND t.first >= finish) THEN
        UPDATE conversant_branches b SET touched = conversant_next_key() WHERE b.key = head;
    ELSE
        PERFORM conversant_first_branch(s.key);
        IF finish > 0 THEN
            parent_key := conversant_branch_with(head, finish - 1);
        END IF;
        head := conversant_next_key();
        INSERT INTO conversant_branches (key, session, parent, messages, touched)
            VALUES (head, s.key, parent_key, finish, head);
    END IF;
    IF head <> s.key THEN
        INSERT INTO conversant_branch_turns (session, tip, id, branch)
            VALUES (s.key, conversant_fingerprint(turn), turn, head)
            ON CONFLICT (session, tip, id) DO UPDATE SET branch = excluded.branch;
    END IF;
    RETURN head;
END
$$;

-- A writer that began before these functions were there has to begin again.
CREATE OR REPLACE FUNCTION conversant_branch_for(s conversant_sessions, head bigint, finish bigint) RETURNS bigint
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = 'serialization_failure', MESSAGE = 'the functions were replaced';
END
$$;

-- Lists the turns that follow a point of a session, in the order in which they were stored: each with
-- the last stored of it and those that follow it, and whether it is on the path to the tip. Reads the
-- branches that begin after the point, and no others. The planner takes a recursion for so many rows that
-- the server would compile the query, which takes seconds.
CREATE OR REPLACE FUNCTION conversant_alternatives(wanted text, at_point smallint, turn uuid)
RETURNS TABLE (id uuid, newest uuid, is_current boolean) LANGUAGE plpgsql STABLE SET jit = off AS $$
#variable_conflict use_column
DECLARE
    s conversant_sessions;
    place record;
    before bigint;
    current bigint;
BEGIN
    SELECT * INTO s FROM conversant_sessions c WHERE c.id = wanted;
    IF s.key IS NULL OR s.expires <= clock_timestamp() THEN
        IF at_point = 2 THEN
            PERFORM conversant_unknown_turn(turn);
        END IF;
        RETURN;
    END IF;
    SELECT * INTO place FROM conversant_place(s, at_point, turn);
    IF place.finish > 0 THEN
        before := conversant_branch_with(place.head, place.finish - 1);
    END IF;
    IF s.messages > place.finish THEN
        current := conversant_branch_with(coalesce(s.branch, s.key), place.finish);
    END IF;
    RETURN QUERY
        WITH RECURSIVE trunk AS MATERIALIZED (
            SELECT * FROM conversant_trunk(s.key)
        ), beginning AS (
            -- The branches that can begin with a turn that follows. Equality finds no null in an index.
            SELECT b.key, b.touched FROM conversant_branches b
                WHERE b.session = s.key AND b.parent = before AND b.messages = place.finish
            UNION ALL
            SELECT b.key, b.touched FROM conversant_branches b
                WHERE before IS NULL AND b.session = s.key AND b.parent IS NULL AND b.messages = place.finish
            UNION ALL
            SELECT b.key, b.touched FROM conversant_branches b WHERE b.key = before AND b.session = s.key
            UNION ALL
            SELECT b.key, 0 FROM trunk b WHERE b.until IS NOT NULL AND (b.key = before
                OR b.messages = place.finish AND b.parent IS NOT DISTINCT FROM before)
            UNION ALL
            -- A session without other branches has no row of its first.
            SELECT s.key, 0 WHERE s.branch IS NULL
        ), follower AS (
            -- With a limit, each branch is looked up by the index, whatever the planner guesses.
            SELECT DISTINCT ON (b.key) b.key, b.touched, l.until, f.id FROM beginning b
                LEFT JOIN trunk l ON l.key = b.key
                CROSS JOIN LATERAL (
                    SELECT t.id FROM conversant_turns t WHERE t.session = b.key AND t.first = place.finish LIMIT 1
                ) f WHERE coalesce(place.finish < l.until, true)
                ORDER BY b.key, b.touched DESC
        ), following AS (
            SELECT f.key AS root, f.key, place.finish AS begins, f.touched FROM follower f
            UNION ALL
            SELECT o.root, c.key, c.messages, c.touched FROM following o CROSS JOIN LATERAL (
                SELECT b.key, b.messages, b.touched FROM conversant_branches b
                    WHERE b.session = s.key AND b.parent = o.key AND b.messages > o.begins
                UNION ALL
                SELECT b.key, b.messages, 0 FROM trunk b
                    WHERE b.until IS NOT NULL AND b.parent = o.key AND b.messages > o.begins
            ) c
        ), last_branch AS (
            -- The first branch of a fork can have no turns of its own.
            SELECT DISTINCT ON (o.root) o.root, o.key, o.begins FROM following o
                WHERE o.key <> s.key OR (
                    SELECT t.first >= o.begins FROM conversant_turns t WHERE t.session = o.key
                    ORDER BY t.first DESC LIMIT 1)
                ORDER BY o.root, o.touched DESC, o.begins DESC
        )
        SELECT f.id, l.id, f.key IS NOT DISTINCT FROM current
        FROM follower f JOIN last_branch o ON o.root = f.key LEFT JOIN trunk b ON b.key = o.key
            LEFT JOIN LATERAL (
                SELECT t.id FROM conversant_turns t WHERE t.session = o.key AND t.first >= o.begins
                AND coalesce(t.first < b.until, true) ORDER BY t.first DESC LIMIT 1
            ) l ON true
        ORDER BY f.key = before DESC NULLS LAST, f.until IS NULL, f.key;
END
$$;

-- Removes the turns of a session, on all of its branches, except for those that forks share. Returns
-- whether forks share turns of the branch that has the session's key.
CREATE OR REPLACE FUNCTION conversant_remove_turns(held bigint) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    is_shared boolean := false;
    own record;
    borrowed bigint[];
    key_ bigint;
BEGIN
    -- A fork that is deleted meanwhile holds the branch that it leaves.
    PERFORM FROM conversant_branches b WHERE b.session = held ORDER BY b.key FOR UPDATE;
    IF NOT FOUND THEN
        DELETE FROM conversant_turns WHERE session = held;
        RETURN false;
    END IF;
    SELECT array_agg(DISTINCT b.parent) INTO borrowed FROM conversant_branches b
        WHERE b.session = held AND NOT EXISTS (
            SELECT FROM conversant_branches p WHERE p.key = b.parent AND p.session = held);
    FOR own IN
        -- The branches that others leave, those that these leave, and so on, each with the number of
        -- its messages that they need.
        WITH RECURSIVE needed AS (
            SELECT b.key, c.messages FROM conversant_branches b
                JOIN conversant_branches c ON c.parent = b.key AND c.session IS DISTINCT FROM held
                WHERE b.session = held
            UNION
            SELECT p.key, b.messages FROM needed n JOIN conversant_branches b ON b.key = n.key
                JOIN conversant_branches p ON p.key = b.parent AND p.session = held
        )
        SELECT b.key, max(n.messages) AS needed FROM conversant_branches b
            LEFT JOIN needed n ON n.key = b.key WHERE b.session = held GROUP BY b.key
    LOOP
        IF own.needed IS NULL THEN
            DELETE FROM conversant_turns WHERE session = own.key;
            DELETE FROM conversant_branches WHERE key = own.key;
        ELSE
            DELETE FROM conversant_turns WHERE session = own.key AND first >= own.needed;
            UPDATE conversant_branches SET session = NULL WHERE key = own.key;
            is_shared := is_shared OR own.key = held;
        END IF;
    END LOOP;
    DELETE FROM conversant_branch_turns WHERE session = held;
    FOREACH key_ IN ARRAY coalesce(borrowed, '{}') LOOP
        PERFORM conversant_release(key_);
    END LOOP;
    RETURN is_shared;
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
            SELECT v.branch, v.id INTO place FROM conversant_find_version(s, seen_messages, seen_tip) v;
            IF place.branch IS NOT NULL THEN
                head := place.branch;
                finish := seen_messages;
                SELECT finish, place.id INTO last;
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
            head := conversant_branch_for(s, head, finish, turn);
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

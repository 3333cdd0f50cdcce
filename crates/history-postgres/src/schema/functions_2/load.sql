-- Loads a part of a session at a point (`conversant_place`), newest turn first, as it is in one snapshot.
--
-- `part`: 0 nothing, 1 all, 2 the last `size` turns, 3 the last `size` messages, 4 as many of the last
-- messages as have `size` bytes, 5 what follows the version that was seen. The first of the turns may
-- begin before the part.
--
-- The first row is the session's: its epoch and its number of messages, in the place of a base, the id
-- of the last turn if no turns follow, and whether all of the session follows because the version that
-- was seen is not of this conversation.
CREATE OR REPLACE FUNCTION conversant_read(
    wanted text, at_point smallint, turn uuid, part smallint, size bigint, seen_epoch bigint, seen_messages bigint,
    seen_tip bigint
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
    IF s.key IS NULL OR s.expires <= clock_timestamp() THEN
        IF at_point = 2 THEN
            PERFORM conversant_unknown_turn(turn);
        END IF;
        base_epoch := s.epoch + 1;
        IF s.key IS NULL THEN
            SELECT f.epoch INTO base_epoch FROM conversant_schema f;
            IF NOT FOUND THEN
                RAISE EXCEPTION USING ERRCODE = 'CV002', MESSAGE = 'the table `conversant_schema` is empty';
            END IF;
        END IF;
        RETURN NEXT;
        RETURN;
    END IF;
    base_epoch := s.epoch;
    IF s.branch IS NOT NULL OR at_point > 0 THEN
        RETURN QUERY SELECT * FROM conversant_read_branch(
            s, at_point, turn, part, size, seen_epoch, seen_messages, seen_tip);
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

-- The same for programs that know no branches.
CREATE OR REPLACE FUNCTION conversant_load(
    wanted text, part smallint, size bigint, seen_epoch bigint, seen_messages bigint, seen_tip bigint
) RETURNS TABLE (
    first bigint, id uuid, incomplete boolean, base_epoch bigint, base_messages bigint, base_tip bigint,
    messages text[]
) LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY SELECT * FROM conversant_read(
        wanted, 0::smallint, NULL, part, size, seen_epoch, seen_messages, seen_tip);
END
$$;

-- Returns the first messages of a session at a point, turn by turn, at least `most` of them, and with
-- each turn the number of messages that there are.
CREATE OR REPLACE FUNCTION conversant_read_start(wanted text, at_point smallint, turn uuid, most bigint)
RETURNS TABLE (finish bigint, first bigint, messages text[]) LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
DECLARE
    s conversant_sessions;
    place record;
    b conversant_branches;
    path conversant_branches[] := '{}';
    head bigint;
    ends bigint;
BEGIN
    SELECT * INTO s FROM conversant_sessions c WHERE c.id = wanted;
    IF s.key IS NULL OR s.expires <= clock_timestamp() THEN
        IF at_point = 2 THEN
            PERFORM conversant_unknown_turn(turn);
        END IF;
        RETURN;
    END IF;
    SELECT * INTO place FROM conversant_place(s, at_point, turn);
    -- A row also if turns are missing.
    RETURN QUERY SELECT place.finish, NULL::bigint, NULL::text[];
    head := place.head;
    ends := place.finish;
    LOOP
        SELECT * INTO b FROM conversant_branches c WHERE c.key = head;
        -- Each branch leaves one that begins before it, so that this ends.
        EXIT WHEN b.key IS NULL OR b.parent IS NULL OR cardinality(path) > 0 AND b.messages >= ends;
        path := b || path;
        ends := b.messages;
        head := b.parent;
    END LOOP;
    RETURN QUERY SELECT place.finish, t.first, t.messages FROM conversant_turns t
        WHERE t.session = head AND t.first < least(ends, most) ORDER BY t.first;
    FOREACH b IN ARRAY path LOOP
        ends := coalesce((path[2]).messages, place.finish);
        path := path[2:];
        RETURN QUERY SELECT place.finish, t.first, t.messages FROM conversant_turns t
            WHERE t.session = b.key AND t.first >= b.messages AND t.first < least(ends, most) ORDER BY t.first;
    END LOOP;
END
$$;

-- Lists the turns that follow a point of a session, in the order in which they were stored: each with
-- the last stored of it and those that follow it, and whether it is on the path to the tip.
CREATE OR REPLACE FUNCTION conversant_alternatives(wanted text, at_point smallint, turn uuid)
RETURNS TABLE (id uuid, newest uuid, is_current boolean) LANGUAGE plpgsql STABLE AS $$
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
        WITH RECURSIVE tree AS MATERIALIZED (
            SELECT * FROM conversant_tree(s.key)
        ), follower AS (
            -- With a limit, each branch is looked up by the index, whatever the planner guesses.
            SELECT b.key, b.until, f.id FROM tree b CROSS JOIN LATERAL (
                    SELECT t.id FROM conversant_turns t WHERE t.session = b.key AND t.first = place.finish LIMIT 1
                ) f WHERE coalesce(place.finish < b.until, true)
                AND (b.key = before OR b.messages = place.finish AND b.parent IS NOT DISTINCT FROM before)
        ), following AS (
            SELECT f.key AS root, f.key, place.finish AS begins FROM follower f
            UNION ALL
            SELECT o.root, b.key, b.messages FROM following o
                JOIN tree b ON b.parent = o.key AND b.messages > o.begins
        ), last_turn AS (
            SELECT o.root, l.id, b.touched, o.begins FROM following o JOIN tree b ON b.key = o.key
                CROSS JOIN LATERAL (
                    SELECT t.id FROM conversant_turns t WHERE t.session = o.key AND t.first >= o.begins
                    AND coalesce(t.first < b.until, true) ORDER BY t.first DESC LIMIT 1
                ) l
        )
        SELECT f.id,
            (SELECT l.id FROM last_turn l WHERE l.root = f.key ORDER BY l.touched DESC, l.begins DESC LIMIT 1),
            f.key IS NOT DISTINCT FROM current
        FROM follower f
        ORDER BY f.key = before DESC NULLS LAST, f.until IS NULL, f.key;
END
$$;
